"""From what a prompt is to its audio in the wire's format."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_never

from audio import files, tones
from audio.codecs import g711
from audio.format import AudioFormat, MediaError
from config.call import FallbackVoiceSection
from gateway.call.commands import Content, Recording, Silence, Tone
from gateway.call.guard import plug_in
from gateway.call.services import Services, Speech
from gateway.call.troubles import Troubles
from gateway.errors import GatewayError
from gateway.kit.closing import closing
from gateway.speech_interfaces import SpokenFrame, Utterance

PIECE = 1.0
"""Seconds of audio handed over at a time where it is all there already."""
MAX_PAUSE = 600.0
MAX_RECORDING_BYTES = 10 << 20
MAX_RECORDING_SECONDS = 600.0
DECODE_WITHIN = 10.0
"""Seconds to decode a recording; fetching it has a bound of its own."""
DECODERS = 2
"""Recordings that are decoded at the same time, in the whole process: it takes the processor from calls."""

_decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="recording")

Piece = tuple[bytes, int | None]
"""Audio in the wire's format, and the characters spoken by its end where known."""


def text_of(content: Content) -> str:
    """What is said, for the record."""
    match content:
        case Utterance():
            return content.plain or content.text
        case Recording(alternative=Utterance() as alternative):
            return alternative.plain or alternative.text
        case _:
            return ""


class Renderer:
    """Makes audio of prompts.

    Args:
        format: Of the wire.
        speech: Speaks utterances.
        services: Where recordings come from, and the number's other voices.
        troubles: Told of voices that fail, and of recordings that cannot be played.
    """

    def __init__(self, format: AudioFormat, speech: Speech, services: Services, troubles: Troubles) -> None:
        self._format = format
        self._speech = speech
        self._services = services
        self._troubles = troubles

    def render(self, content: Content) -> AsyncIterator[Piece]:
        """The audio of a prompt, piece by piece. Raises GatewayError where there is none, or no more."""
        match content:
            case Utterance():
                return self._spoken(content)
            case Recording():
                return self._recorded(content)
            case Silence():
                return self._still(content)
            case Tone():
                return self._toned(content)
            case _:
                assert_never(content)

    def has_at_hand(self, content: Content) -> bool:
        """Whether it was spoken before, so that its audio comes at once."""
        return isinstance(content, Utterance) and self._speech.holds(content, self._format)

    async def _spoken(self, utterance: Utterance) -> AsyncIterator[Piece]:
        with plug_in("synthesizer"):
            behind = self._voices_behind(utterance)
            frames = self._speech.speak(
                utterance,
                self._format,
                behind,
                self._troubles.synthesizer,
                on_use=self._services.on_use,
                first_within=self._services.first_audio_within,
            )
            async with closing(frames) as spoken:
                async for piece in spoken:
                    yield self._checked(piece), piece.chars

    def _voices_behind(self, utterance: Utterance) -> list[FallbackVoiceSection]:
        """Who stands in. The voice that is asked first is not asked again."""
        first = (utterance.vendor, utterance.voice)
        return [voice for voice in self._services.fallback_voices if (voice.vendor, voice.voice) != first]

    def _checked(self, spoken: SpokenFrame) -> bytes:
        if spoken.frame.format != self._format:
            raise MediaError(f"speech came as {spoken.frame.format}, the line takes {self._format}")
        return spoken.frame.data

    async def _recorded(self, recording: Recording) -> AsyncIterator[Piece]:
        try:
            data = await self._load(recording)
        except (GatewayError, TimeoutError) as error:
            self._troubles.recording(error)
            if recording.alternative is None:
                raise MediaError("the recording cannot be played, and there is nothing to say instead") from error
            async for piece in self._spoken(recording.alternative):
                yield piece
        else:
            for piece in self._pieces(data):
                yield piece

    async def _load(self, recording: Recording) -> bytes:
        with plug_in("media"):
            data = await self._read(recording)
        async with asyncio.timeout(DECODE_WITHIN):
            decode = functools.partial(
                files.read, data, self._format, max_bytes=len(data), max_seconds=MAX_RECORDING_SECONDS
            )
            return await asyncio.get_running_loop().run_in_executor(_decoders, decode)

    async def _read(self, recording: Recording) -> bytes:
        services = self._services
        if recording.url is not None and services.fetch_media is not None:
            return await services.fetch_media(recording.url)
        if recording.path is not None and services.media_root is not None:
            return await asyncio.to_thread(read_below, services.media_root, recording.path)
        raise MediaError("recordings of this kind are not played here")

    async def _still(self, silence: Silence) -> AsyncIterator[Piece]:
        left = round(min(silence.seconds, MAX_PAUSE) * self._format.rate)
        while left > 0:
            samples = min(left, round(PIECE * self._format.rate))
            left -= samples
            yield self._format.silence(samples), None

    async def _toned(self, tone: Tone) -> AsyncIterator[Piece]:
        seconds, rate = min(tone.seconds, MAX_PAUSE), self._format.rate
        pcm = tones.ringback(seconds, rate) if tone.name == "ringback" else tones.waiting_tone(seconds, rate)
        for piece in self._pieces(g711.encode(pcm, self._format.encoding)):
            yield piece

    async def keys(self, digits: str) -> AsyncIterator[Piece]:
        """The sound of keys, for a line that has no other way to send them."""
        pcm = tones.dtmf_string(digits, rate=self._format.rate)
        for piece in self._pieces(g711.encode(pcm, self._format.encoding)):
            yield piece

    def _pieces(self, data: bytes) -> list[Piece]:
        size = self._format.size(PIECE)
        return [(data[start : start + size], None) for start in range(0, len(data), size)]


def read_below(root: Path, path: str) -> bytes:
    """A file below a folder; bots name it, so nothing outside is read.

    Raises:
        MediaError: it is not there, too long, or outside.
    """
    top = root.resolve()
    file = (top / path).resolve()
    if not file.is_relative_to(top):
        raise MediaError("the recording lies outside of the media folder")
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_RECORDING_BYTES + 1)
    except OSError as error:
        raise MediaError(f"the recording cannot be read: {error.strerror}") from error
    if len(data) > MAX_RECORDING_BYTES:
        raise MediaError(f"the recording exceeds {MAX_RECORDING_BYTES} bytes")
    return data
