"""Everything that touches LiveKit's library (livekit-agents 1.8); imported when a plug-in is started, not before.

Its streams have no seam of ours, so each is a `gateway.kit.warm_lines.Line`: frames go in, events come out. A stream
hears one turn, since its end is the only way to ask for what is left; connections are the plug-in's affair.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APIStatusError, stt, tts
from livekit.agents.stt import SpeechEvent, SpeechEventType
from livekit.agents.utils import http_context

from audio.format import AudioFormat
from audio.frame import Frame
from config.nearest import hint
from gateway.errors import ConfigError, VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Result

Message = Frame | SpeechEvent | None
"""None is the end of the turn."""
TRY_LATER = frozenset({408, 425, 429})


def made(vendor: str, side: type[Any], keywords: Mapping[str, Any]) -> Any:
    """A plug-in's ``STT`` or ``TTS``. Raises ConfigError: it does not take a keyword, or not its value."""
    takes = set(inspect.signature(side).parameters)
    for name in keywords:
        if name not in takes:
            raise ConfigError(f"{side.__module__} takes no {name!r}{hint(name, takes)}", field=f"speech.{vendor}")
    try:
        return side(**keywords)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{side.__module__} cannot be used: {error}", field=f"speech.{vendor}") from error


def known_keywords(side: type[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the keywords that the side takes."""
    takes = inspect.signature(side).parameters
    return {name: value for name, value in keywords.items() if name in takes}


@contextmanager
def translated(vendor: str, operation: str) -> Iterator[None]:
    """LiveKit's errors as ours; their messages may quote what was said, so they are not told."""
    try:
        yield
    except APIError as error:
        raise _as_vendor_error(error, vendor, operation) from error


def _as_vendor_error(error: APIError, vendor: str, operation: str) -> VendorError:
    if isinstance(error, APIStatusError):
        status = error.status_code
        refused = 400 <= status < 500 and status not in TRY_LATER
        kind: type[VendorError] = VendorRejected if refused else VendorUnavailable
        return kind(f"status {status}", vendor=vendor, operation=operation, status=status, request_id=error.request_id)
    if isinstance(error, APIConnectionError):  # a timeout is one as well
        return VendorUnavailable(f"no connection ({type(error).__name__})", vendor=vendor, operation=operation)
    return VendorReplyInvalid("the plug-in could not understand it", vendor=vendor, operation=operation)


def _patience(timeout: float) -> APIConnectOptions:
    """No retries of its own: who stands behind the vendor is asked instead."""
    return APIConnectOptions(max_retry=0, retry_interval=0.0, timeout=timeout)


class LivekitTurn:
    """See `gateway.kit.turn_protocol.TurnProtocol`."""

    keep_alive = None
    is_clean = False

    def __init__(self, vendor: str, format: AudioFormat, partials: bool) -> None:
        self._vendor = vendor
        self._format = format
        self._partials = partials
        self._is_finished = False
        self.is_over = False

    def opening(self) -> Iterable[Message]:
        return []

    def audio(self, data: bytes) -> Message:
        return Frame(data, self._format)

    def finish(self) -> Iterable[Message]:
        self._is_finished = True
        return [None]

    def insist(self) -> Iterable[Message]:
        return []

    def receive(self, message: Message) -> Iterable[Result]:
        assert isinstance(message, SpeechEvent)
        is_final = message.type == SpeechEventType.FINAL_TRANSCRIPT
        is_partial = self._partials and message.type == SpeechEventType.INTERIM_TRANSCRIPT
        if not (is_final or is_partial) or not message.alternatives:
            return []
        first, *others = message.alternatives
        if not first.text.strip():
            return []
        return [
            Transcript(
                text=first.text.strip(),
                final=is_final,
                confidence=min(1.0, max(0.0, first.confidence)) if first.confidence else None,
                language=str(first.language) or None,
                alternatives=tuple(other.text.strip() for other in others if other.text.strip()) if is_final else (),
            )
        ]

    def closed(self) -> Iterable[Result]:
        if not self._is_finished:
            raise VendorUnavailable("it hung up in the middle of a turn", vendor=self._vendor, operation="listen")
        self.is_over = True
        return []


class _TurnLine(ABC):
    """What both kinds of line have in common: each serves one turn."""

    _vendor: str

    async def receive(self, within: float | None = None) -> Message:
        """None when there is no more. Raises VendorError."""
        try:
            async with asyncio.timeout(within):
                return await self._next()
        except TimeoutError as error:
            raise VendorUnavailable("nothing came in time", vendor=self._vendor, operation="listen") from error

    async def is_alive(self, within: float) -> bool:
        return False

    @abstractmethod
    async def _next(self) -> Message: ...


class _StreamLine(_TurnLine):
    """Over a plug-in's stream.

    Some streams end seconds after their last word (Deepgram's: five). So once the turn is over, and an utterance was
    heard to its end, nothing more is waited for than ``settle`` seconds of quiet.
    """

    def __init__(self, stream: stt.RecognizeStream, vendor: str, settle: float) -> None:
        self._stream = stream
        self._vendor = vendor
        self._settle = settle
        self._over = asyncio.Event()
        self._is_complete = False  # whether what was heard so far is all there is of an utterance

    async def send(self, message: Message) -> None:
        try:
            if isinstance(message, Frame):
                self._stream.push_frame(_audio_frame(message))
            else:
                self._stream.end_input()
                self._over.set()
        except RuntimeError:
            pass  # its task has ended, and `receive` tells why

    async def _next(self) -> Message:
        coming = asyncio.ensure_future(anext(self._stream, None))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait([coming, over], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([coming], timeout=self._settle if self._is_complete else None)
            if not coming.done():
                return None
            with translated(self._vendor, "listen"):
                event = coming.result()
        finally:
            for waiting in (coming, over):
                waiting.cancel()
            await asyncio.wait([coming, over])
        if event is not None:
            self._is_complete = _completes(event, self._is_complete)
        return event


def _completes(event: SpeechEvent, before: bool) -> bool:
    """Whether an utterance is complete after an event, where it was or was not before."""
    if event.type in (SpeechEventType.FINAL_TRANSCRIPT, SpeechEventType.END_OF_SPEECH):
        return True
    return before and event.type == SpeechEventType.RECOGNITION_USAGE


class _WholeLine(_TurnLine):
    """Over a plug-in that hears whole turns."""

    def __init__(self, ear: stt.STT[Any], language: str, vendor: str, timeout: float) -> None:
        self._ear = ear
        self._language = language
        self._vendor = vendor
        self._timeout = timeout
        self._frames: list[rtc.AudioFrame] = []  # bounded by the longest turn
        self._over = asyncio.Event()
        self._is_told = False

    async def send(self, message: Message) -> None:
        if isinstance(message, Frame):
            self._frames.append(_audio_frame(message))
        else:
            self._over.set()

    async def _next(self) -> Message:
        await self._over.wait()
        if self._is_told or not self._frames:
            return None
        self._is_told = True
        with translated(self._vendor, "listen"):
            return await self._ear.recognize(
                self._frames, language=self._language, conn_options=_patience(self._timeout)
            )


@asynccontextmanager
async def open_line(
    ear: stt.STT[Any], language: str, vendor: str, timeout: float, settle: float
) -> AsyncIterator[_StreamLine | _WholeLine]:
    """A turn at a plug-in; leaving the block ends it."""
    async with _session_for(ear):
        if not ear.capabilities.streaming:
            yield _WholeLine(ear, language, vendor, timeout)
            return
        stream = ear.stream(language=language, conn_options=_patience(timeout))
        try:
            yield _StreamLine(stream, vendor, settle)
        finally:
            await stream.aclose()


async def spoken(voice: tts.TTS[Any], text: str, vendor: str, timeout: float) -> AsyncIterator[tuple[bytes, int]]:
    """Samples and their rate, as they come. Raises VendorError. Leaving the iterator cancels the request."""
    async with _session_for(voice):
        with translated(vendor, "speak"):
            async with voice.synthesize(text, conn_options=_patience(timeout)) as stream:
                while (piece := await _within(stream, timeout, vendor)) is not None:
                    if piece.frame.num_channels != 1:
                        raise VendorReplyInvalid("its sound has several channels", vendor=vendor, operation="speak")
                    yield bytes(piece.frame.data), piece.frame.sample_rate


async def _within(stream: tts.ChunkedStream, timeout: float, vendor: str) -> tts.SynthesizedAudio | None:
    try:
        async with asyncio.timeout(timeout):
            return await anext(stream, None)
    except TimeoutError as error:
        raise VendorUnavailable("no sound in time", vendor=vendor, operation="speak") from error


def _session_for(side: object) -> AbstractAsyncContextManager[Any]:
    """Plug-ins that take no HTTP session find one in the context."""
    return nullcontext() if "http_session" in inspect.signature(type(side)).parameters else http_context.open()


def _audio_frame(frame: Frame) -> rtc.AudioFrame:
    return rtc.AudioFrame(
        data=frame.data, sample_rate=frame.format.rate, num_channels=1, samples_per_channel=frame.samples
    )
