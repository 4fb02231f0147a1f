"""Recognizers and synthesizers for tests of the session, without a directory between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from audio.endpointing import VoiceEvent, VoiceStarted, VoiceStopped, VoiceSustained
from audio.format import AudioFormat
from audio.frame import Frame
from config.call import FallbackVoiceSection
from gateway.call.services import OnTrouble
from gateway.events import Transcript
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard, SpokenFrame, Utterance

SECONDS_PER_CHARACTER = 0.1


class ScriptedSynthesizer:
    """Each character of the plain text is a tenth of a second of one byte: the character's code.

    Args:
        error: Raised after `audio_before_error` seconds.
        speed: Seconds of audio made per second of loop time; None: all at once.
    """

    def __init__(
        self, *, error: Exception | None = None, audio_before_error: float = 0.0, speed: float | None = None
    ) -> None:
        self.error = error
        self.audio_before_error = audio_before_error
        self.speed = speed
        self.at_hand: set[str] = set()
        self.said: list[str] = []
        self.left: list[str] = []

    async def speak(self, utterance: Utterance, target: AudioFormat) -> AsyncIterator[SpokenFrame]:
        text = utterance.plain or utterance.text
        self.said.append(text)
        made = 0.0
        try:
            for index, character in enumerate(text):
                if self.error is not None and made >= self.audio_before_error - 1e-9:
                    raise self.error
                if self.speed is not None:
                    await asyncio.sleep(SECONDS_PER_CHARACTER / self.speed)
                yield SpokenFrame(Frame(character_audio(character, target), target), index + 1)
                made += SECONDS_PER_CHARACTER
            if self.error is not None:
                raise self.error
        except (asyncio.CancelledError, GeneratorExit):
            self.left.append(text)
            raise


def character_audio(character: str, format: AudioFormat) -> bytes:
    return bytes([ord(character) % 256]) * format.size(SECONDS_PER_CHARACTER)


def text_audio(text: str, format: AudioFormat) -> bytes:
    return b"".join(character_audio(character, format) for character in text)


@dataclass(slots=True)
class ScriptedStream:
    """Implements `RecognitionStream`; remembers what it got. ``on_finish``: results of the end."""

    settings: ListenSettings
    on_finish: Sequence[Transcript] = ()
    push_takes: float = 0.0
    frames: list[tuple[float, Frame]] = field(default_factory=list)
    finished: bool = False
    _results: asyncio.Queue[Transcript | SpeechHeard | Exception | None] = field(default_factory=asyncio.Queue)

    async def push(self, frame: Frame) -> None:
        if self.push_takes:
            await asyncio.sleep(self.push_takes)
        self.frames.append((asyncio.get_running_loop().time(), frame))

    async def finish(self) -> None:
        self.finished = True
        for transcript in self.on_finish:
            self.give(transcript)
        self.give(None)

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while (result := await self._results.get()) is not None:
            if isinstance(result, Exception):
                raise result
            yield result

    def give(self, result: Transcript | SpeechHeard | Exception | None) -> None:
        self._results.put_nowait(result)

    @property
    def data(self) -> bytes:
        return b"".join(frame.data for _, frame in self.frames)


class ScriptedSpeech:
    """Implements `gateway.call.services.Speech`.

    Args:
        texts: What the n-th stream hears when it is finished.
        make_stream: Other streams than that.
        opens: Awaited while a stream is being opened.
    """

    def __init__(
        self,
        texts: Sequence[str] = (),
        *,
        synthesizer: ScriptedSynthesizer | None = None,
        make_stream: Callable[[ListenSettings], ScriptedStream] | None = None,
        open_error: Exception | None = None,
    ) -> None:
        self._texts = list(texts)
        self._make_stream = make_stream or self._usual
        self._open_error = open_error
        self.synthesizer = synthesizer or ScriptedSynthesizer()
        self.streams: list[ScriptedStream] = []
        self.closed = 0

    def speak(
        self,
        utterance: Utterance,
        target: AudioFormat,
        fallback: Sequence[FallbackVoiceSection] = (),
        on_trouble: OnTrouble | None = None,
        **patience_and_books: object,
    ) -> AsyncIterator[SpokenFrame]:
        return self.synthesizer.speak(utterance, target)

    def holds(self, utterance: Utterance, target: AudioFormat) -> bool:
        return (utterance.plain or utterance.text) in self.synthesizer.at_hand

    @asynccontextmanager
    async def listen(
        self,
        settings: ListenSettings,
        source: AudioFormat,
        on_trouble: OnTrouble | None = None,
        **patience_and_books: object,
    ) -> AsyncIterator[RecognitionStream]:
        if self._open_error is not None:
            raise self._open_error
        stream = self._make_stream(settings)
        self.streams.append(stream)
        try:
            yield stream
        finally:
            self.closed += 1

    def _usual(self, settings: ListenSettings) -> ScriptedStream:
        text = self._texts.pop(0) if self._texts else ""
        return ScriptedStream(settings, [Transcript(text=text, final=True)] if text else [])


class SimpleDetector:
    """Voice is every byte that is not silence; certain after `sure` seconds of it, over after `silence` without.

    Implements `gateway.call.services.Detector`.
    """

    def __init__(
        self, format: AudioFormat, on_event: Callable[[VoiceEvent], None], *, sure: float = 0.1, silence: float = 0.3
    ) -> None:
        self.rate = format.rate
        self.end_silence = 0.5
        self.closed = False
        self._format = format
        self._on_event = on_event
        self._sure = round(sure * format.rate)
        self._silence = round(silence * format.rate)
        self._since: int | None = None
        self._last = 0
        self._told = False

    def push(self, frame: Frame) -> None:
        is_voice = frame.data.strip(self._format.encoding.silence) != b""
        if is_voice:
            self._since = frame.pts_samples if self._since is None else self._since
            self._last = frame.end_samples
            if frame.end_samples - self._since >= self._sure:
                if not self._told:
                    self._told = True
                    self._on_event(VoiceStarted(self._since))
                self._on_event(VoiceSustained(frame.end_samples, frame.end_samples - self._since))
        elif self._since is not None and frame.end_samples - self._last >= self._silence:
            if self._told:
                self._on_event(VoiceStopped(self._last))
            self._since, self._told = None, False

    def close(self) -> None:
        self.closed = True
