"""A recognition stream that takes the leg's frames as they are, and survives the vendor behind it.

The audio of the turn is kept until it has become text, so that the recognizer that stands behind the vendor can hear
all of it, when the vendor cannot be reached or breaks off in the middle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError
from gateway.events import Transcript
from gateway.kit.closing import closing
from gateway.speech.convert import Converter, nearest
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard
from gateway.text.values import phrases_for

log = structlog.get_logger(__name__)

SPARE_SECONDS = 15.0
"""Audio beyond the longest turn that is kept: pre-roll and pauses."""
REPLAY_SECONDS = 0.1


def can_hear(recognizer: Recognizer, settings: ListenSettings) -> bool:
    """Whether a recognizer can do anything with a question."""
    if not recognizer.capabilities.needs_hints or settings.phrases or settings.hints:
        return True
    return bool(phrases_for(settings.kind, settings.language))


@asynccontextmanager
async def listen_converted(
    recognizer: Recognizer, settings: ListenSettings, source: AudioFormat
) -> AsyncIterator[RecognitionStream]:
    """Open a stream in the format that costs least to convert to.

    Raises:
        VendorError: the recognizer cannot listen.
    """
    format = nearest(source, recognizer.capabilities.formats)
    async with recognizer.listen(replace(settings, format=format)) as stream:
        yield stream if format == source else _Converting(stream, format)


@asynccontextmanager
async def listen_guarded(
    recognizer: Recognizer,
    standby: Recognizer | None,
    settings: ListenSettings,
    source: AudioFormat,
    on_trouble: Callable[[VendorError], None] | None = None,
) -> AsyncIterator[RecognitionStream]:
    """Open a stream with another recognizer behind it.

    Args:
        standby: Takes over when the first one fails; None: its failure is passed on.
        on_trouble: Told when it does.

    Raises:
        VendorError: neither can listen.
    """
    async with AsyncExitStack() as stack:
        if standby is None:
            yield await stack.enter_async_context(listen_converted(recognizer, settings, source))
            return
        stream = _Guarded(stack, standby, settings, source, on_trouble or _log)
        await stream.open(recognizer)
        yield stream


def _log(error: VendorError) -> None:
    log.warning("a recognizer failed, another one listens", vendor=error.vendor, reason=error.reason)


class _Converting:
    def __init__(self, stream: RecognitionStream, format: AudioFormat) -> None:
        self._stream = stream
        self._converter = Converter(format)
        self._finished = False

    async def push(self, frame: Frame) -> None:
        await self._push(self._converter.convert(frame))

    async def finish(self) -> None:
        if not self._finished:
            self._finished = True
            await self._push(self._converter.flush())
            await self._stream.finish()

    def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        return self._stream.results()

    async def _push(self, frame: Frame) -> None:
        if frame.data:
            await self._stream.push(frame)


class _Guarded:
    def __init__(
        self,
        stack: AsyncExitStack,
        standby: Recognizer,
        settings: ListenSettings,
        source: AudioFormat,
        on_trouble: Callable[[VendorError], None],
    ) -> None:
        self._stack = stack
        self._on_trouble = on_trouble
        self._standby: Recognizer | None = standby
        self._settings = settings
        self._source = source
        self._stream: RecognitionStream | None = None
        self._error: VendorError | None = None
        self._audio = bytearray()  # what has not become text yet
        self._limit = source.size(settings.max_length + SPARE_SECONDS)
        self._finished = False

    async def open(self, recognizer: Recognizer) -> None:
        """Raises VendorError where neither recognizer can listen."""
        try:
            self._stream = await self._stack.enter_async_context(
                listen_converted(recognizer, self._settings, self._source)
            )
        except VendorError as error:
            await self._take_over(error)

    async def push(self, frame: Frame) -> None:
        if len(self._audio) < self._limit:
            self._audio += frame.data
        try:
            if self._stream is not None:
                await self._stream.push(frame)
        except VendorError as error:
            self._error = error  # `results` learns of it, too, and takes over; until then the audio is kept

    async def finish(self) -> None:
        self._finished = True
        try:
            if self._stream is not None:
                await self._stream.finish()
        except VendorError as error:
            self._error = error

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while self._stream is not None:
            self._error = None
            try:
                async with closing(self._stream.results()) as results:
                    async for result in results:
                        if isinstance(result, Transcript) and result.final:
                            self._audio.clear()
                        yield result
            except VendorError as error:
                self._error = error
            if self._error is None:
                return
            await self._take_over(self._error)

    async def _take_over(self, error: VendorError) -> None:
        """Let the standby hear what has not become text; raises the vendor's error where there is no standby left."""
        standby, self._standby = self._standby, None
        self._stream = None
        if standby is None or not can_hear(standby, self._settings):
            raise error
        self._on_trouble(error)
        stream = await self._stack.enter_async_context(listen_converted(standby, self._settings, self._source))
        size, at = self._source.size(REPLAY_SECONDS), 0
        while at < len(self._audio):  # it may grow meanwhile
            await stream.push(Frame(bytes(self._audio[at : at + size]), self._source, self._source.samples(at)))
            at += size
        self._stream = stream
        if self._finished:
            await stream.finish()
