"""A recognizer and a synthesizer that follow a script, and remember everything that was asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from audio.codecs import g711
from audio.format import L16_8K, AudioFormat, Encoding
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import resemblance, spoken_pcm
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpeechHeard,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
)

PIECE = 0.1
"""Seconds of audio at a time."""
VOICED_PEAK = 300
"""A frame whose loudest sample is above this has speech in it (-41 dBFS)."""
LIKE_ENOUGH = 0.5
MAX_RESULTS = 1000
REMEMBERED = 10_000
"""Requests kept; benchmarks make many."""


class ScriptedSynthesizer:
    """Says `signal.spoken`, in the format that is asked for.

    Attributes:
        requests: Every utterance it was asked to say, in order.
        finished: How many were said to the end.
    """

    def __init__(self, settings: ScriptedSpeechSection, *, vendor: str = "scripted") -> None:
        self._settings = settings
        self._vendor = vendor
        self.requests: list[Utterance] = []
        self.finished = 0
        self.capabilities = SynthesizerCapabilities(ssml=True, word_times=True, formats=_formats(settings))

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """The sound of the utterance's plain text (of its text, where there is no other).

        Raises:
            VendorUnavailable: the script says so.
        """
        faulty = self._settings.faulty_requests is None or len(self.requests) < self._settings.faulty_requests
        if len(self.requests) < REMEMBERED:
            self.requests.append(utterance)
        target = _pick(utterance.format, self.capabilities.formats)
        text = utterance.plain or utterance.text
        await asyncio.sleep(self._settings.speech_delay)
        data = _encode(spoken_pcm(text, target.rate), target)
        size = target.size(PIECE)
        for start in range(0, len(data), size):
            if faulty:
                await self._misbehave(target.seconds(start))
            piece = data[start : start + size]
            chars = len(text) * (start + len(piece)) // len(data)
            yield SpokenFrame(Frame(piece, target, target.samples(start)), chars)
        self.finished += 1

    async def _misbehave(self, spoken: float) -> None:
        settings = self._settings
        if settings.fail_speech_after is not None and spoken >= settings.fail_speech_after:
            raise VendorUnavailable("the script says so", vendor=self._vendor, operation="speak")
        if settings.stall_speech_after is not None and spoken >= settings.stall_speech_after:
            await asyncio.Event().wait()  # whoever asked has to bound this: that is what is tried


@dataclass(slots=True)
class Heard:
    """What a stream was opened with and got."""

    settings: ListenSettings
    frames: list[Frame] = field(default_factory=list)
    finished: bool = False

    @property
    def seconds(self) -> float:
        return sum(frame.duration for frame in self.frames)


class ScriptedRecognizer:
    """Hears its script, once somebody speaks.

    Attributes:
        streams: What every stream was opened with and got, in order.
    """

    def __init__(self, settings: ScriptedSpeechSection, *, vendor: str = "scripted") -> None:
        self._settings = settings
        self._vendor = vendor
        self._said = 0
        self.streams: list[Heard] = []
        self.capabilities = RecognizerCapabilities(
            partials=settings.partials,
            own_endpointing="none" if settings.turn_after is None else "turn",
            needs_hints=settings.needs_hints,
            formats=_formats(settings),
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        return self._open(settings)

    @asynccontextmanager
    async def _open(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        limit = self._settings.faulty_requests
        faulty = limit is None or len(self.streams) < limit
        heard = Heard(settings)
        if len(self.streams) < REMEMBERED:
            self.streams.append(heard)
        stream = _ScriptedStream(self, self._settings, heard, faulty=faulty)
        stream.check_health()
        yield stream

    def text_for(self, heard: Heard) -> str:
        """What the script says to a stream in which somebody spoke."""
        if self._settings.echo:
            return self._recognized(heard)
        if heard.settings.kind in self._settings.answers:
            return self._settings.answers[heard.settings.kind]
        if not self._settings.texts:
            return ""
        text = self._settings.texts[min(self._said, len(self._settings.texts) - 1)]
        self._said += 1
        return text

    def _recognized(self, heard: Heard) -> str:
        pcm = b"".join(frame.pcm() for frame in heard.frames)
        known = dict.fromkeys((*heard.settings.phrases, *heard.settings.hints, *self._settings.texts))
        scores = {text: resemblance(pcm, text, heard.frames[0].format.rate) for text in known}
        best = max(scores, key=lambda text: scores[text], default="")
        return best if scores.get(best, 0.0) > LIKE_ENOUGH else ""

    def broken(self) -> VendorError:
        return VendorUnavailable("the script says so", vendor=self._vendor, operation="listen")


class _ScriptedStream:
    def __init__(
        self, owner: ScriptedRecognizer, settings: ScriptedSpeechSection, heard: Heard, *, faulty: bool
    ) -> None:
        self._owner = owner
        self._settings = settings
        self._heard = heard
        self._faulty = faulty
        self._voiced = 0.0
        self._text: str | None = None
        self._final_sent = False
        self._results: asyncio.Queue[Transcript | VendorError | None] = asyncio.Queue(MAX_RESULTS)

    async def push(self, frame: Frame) -> None:
        self._heard.frames.append(frame)
        if self._is_broken():
            self._results.put_nowait(self._owner.broken())
            return
        if np.abs(np.frombuffer(frame.pcm(), "<i2").astype(np.int32)).max(initial=0) < VOICED_PEAK:
            return
        first = self._voiced == 0.0
        self._voiced += frame.duration
        if self._settings.echo or self._settings.stall_listening:
            return
        if first and self._settings.partials and (words := self._script().split()):
            self._results.put_nowait(Transcript(text=words[0], final=False))
        if self._settings.turn_after is not None and self._voiced >= self._settings.turn_after:
            self._deliver(ends_turn=True)

    async def finish(self) -> None:
        if self._heard.finished or self._settings.stall_listening:
            return
        self._heard.finished = True
        await asyncio.sleep(self._settings.result_delay)
        if self._voiced:
            self._deliver()
        self._results.put_nowait(None)

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while (result := await self._results.get()) is not None:
            if isinstance(result, VendorError):
                raise result
            yield result

    def check_health(self) -> None:
        """Raises VendorError where the script says that streams break at once."""
        if self._is_broken():
            raise self._owner.broken()

    def _is_broken(self) -> bool:
        after = self._settings.fail_listening_after
        return self._faulty and after is not None and self._heard.seconds >= after

    def _script(self) -> str:
        if self._text is None:
            self._text = self._owner.text_for(self._heard)
        return self._text

    def _deliver(self, *, ends_turn: bool = False) -> None:
        text = self._script()
        if text and not self._final_sent:
            self._final_sent = True
            self._results.put_nowait(Transcript(text=text, final=True, ends_turn=ends_turn, confidence=0.9))


def _formats(settings: ScriptedSpeechSection) -> tuple[AudioFormat, ...]:
    pairs = (name.lower().split("/") for name in settings.formats)
    return tuple(AudioFormat(Encoding(encoding), int(rate)) for encoding, rate in pairs)


def _pick(asked: AudioFormat | None, possible: tuple[AudioFormat, ...]) -> AudioFormat:
    if asked is not None and (not possible or asked in possible):
        return asked
    return possible[0] if possible else L16_8K


def _encode(pcm: bytes, target: AudioFormat) -> bytes:
    return pcm if target.encoding is Encoding.L16 else g711.encode(pcm, target.encoding)
