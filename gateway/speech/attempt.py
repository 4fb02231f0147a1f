"""One recognizer at work on a turn; it hears what of the turn has not become text, from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.closing import closing
from gateway.kit.groups import first_of
from gateway.speech.convert import Converter, nearest
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard

log = structlog.get_logger(__name__)

OVERLAP = 0.3
"""Seconds before a final that the next recognizer hears again: a final comes later than what it is about."""

Result = Transcript | SpeechHeard
Outcomes = asyncio.Queue["tuple[Attempt | None, Result | VendorError | None]"]
"""What attempts tell: ``(attempt, result)``, and at the end ``(attempt, None)`` or ``(attempt, error)``."""


@asynccontextmanager
async def listen_converted(
    recognizer: Recognizer,
    settings: ListenSettings,
    source: AudioFormat,
    on_heard: Callable[[float], None] = lambda seconds: None,
) -> AsyncIterator[RecognitionStream]:
    """Open a stream in the format that costs least to convert to.

    Args:
        on_heard: Told at the end how many seconds the recognizer was given.

    Raises:
        VendorError: the recognizer cannot listen.
    """
    format = nearest(source, recognizer.capabilities.formats)
    async with recognizer.listen(replace(settings, format=format)) as stream:
        counting = _Counting(stream if format == source else _Converting(stream, format))
        try:
            yield counting
        finally:
            on_heard(counting.seconds)


class _Counting:
    def __init__(self, stream: RecognitionStream) -> None:
        self._stream = stream
        self.seconds = 0.0

    async def push(self, frame: Frame) -> None:
        self.seconds += frame.duration
        await self._stream.push(frame)

    async def finish(self) -> None:
        await self._stream.finish()

    def results(self) -> AsyncIterator[Result]:
        return self._stream.results()


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

    def results(self) -> AsyncIterator[Result]:
        return self._stream.results()

    async def _push(self, frame: Frame) -> None:
        if frame.data:
            await self._stream.push(frame)


class Sound:
    """The turn's audio that has not become text yet. Places are numbers of frames since the turn's beginning."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._frames: list[Frame] = []
        self._seconds = 0.0
        self.first = 0
        self.is_over = False

    @property
    def end(self) -> int:
        return self.first + len(self._frames)

    def add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._seconds += frame.duration
        while self._seconds > self._limit:
            self._drop()

    def at(self, place: int) -> Frame:
        return self._frames[place - self.first]

    def has_become_text(self) -> None:
        while self._frames and self._seconds > OVERLAP:
            self._drop()

    def _drop(self) -> None:
        self._seconds -= self._frames.pop(0).duration
        self.first += 1


class Attempt:
    """One recognizer at work on the turn. Its results, and how it ended, go to the chain.

    Args:
        sound: Of the turn.
        stream: The recognizer's, not open yet.
        open_within: Seconds until it is.
        out: Takes what comes of it.
    """

    def __init__(
        self,
        sound: Sound,
        stream: AbstractAsyncContextManager[RecognitionStream],
        open_within: float,
        vendor: str,
        out: Outcomes,
    ) -> None:
        self.vendor = vendor
        self._sound = sound
        self._stream = stream
        self._open_within = open_within
        self._out = out
        self._place = sound.first
        self.news = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"ear of {vendor}")

    async def _run(self) -> None:
        outcome: VendorError | None = None
        try:
            async with AsyncExitStack() as stack:
                await self._listen(await self._open(stack))
        except VendorError as error:
            outcome = error
        except Exception as error:  # an adapter's bug is one more way for its vendor to fail: the next one listens
            log.exception("recognizer's adapter failed", vendor=self.vendor)
            reason = f"its adapter raised {type(error).__name__}"
            outcome = VendorReplyInvalid(reason, vendor=self.vendor, operation="listen")
        await self._out.put((self, outcome))

    async def _open(self, stack: AsyncExitStack) -> RecognitionStream:
        try:
            async with asyncio.timeout(self._open_within):
                return await stack.enter_async_context(self._stream)
        except TimeoutError as error:
            raise VendorUnavailable("no connection in time", vendor=self.vendor, operation="listen") from error

    async def _listen(self, stream: RecognitionStream) -> None:
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(stream))
                async with closing(stream.results()) as results:
                    async for result in results:
                        await self._out.put((self, result))
                sending.cancel()
        except* Exception as errors:
            failure = first_of(errors)
        if failure is not None:
            raise failure

    async def _send(self, stream: RecognitionStream) -> None:
        while True:
            self._place = max(self._place, self._sound.first)
            while self._place < self._sound.end:
                frame = self._sound.at(self._place)
                self._place += 1
                await stream.push(frame)
                self._place = max(self._place, self._sound.first)
            if self._sound.is_over:
                await stream.finish()
                return
            self.news.clear()
            await self.news.wait()
