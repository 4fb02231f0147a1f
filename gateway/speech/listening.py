"""A recognition stream that takes the leg's frames as they are, whatever the recognizer behind it wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.events import Transcript
from gateway.interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard
from gateway.speech.convert import Converter, nearest


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


class _Converting:
    def __init__(self, stream: RecognitionStream, format: AudioFormat) -> None:
        self._stream = stream
        self._converter = Converter(format)

    async def push(self, frame: Frame) -> None:
        await self._push(self._converter.convert(frame))

    async def finish(self) -> None:
        await self._push(self._converter.flush())
        await self._stream.finish()

    def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        return self._stream.results()

    async def _push(self, frame: Frame) -> None:
        if frame.data:
            await self._stream.push(frame)
