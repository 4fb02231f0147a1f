"""How the emulated Speech-to-Text hears: by script, or by resemblance; see `google_speech`, which does the talking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from google.cloud import speech_v1, speech_v2
from google.rpc import status_pb2

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from tests.emulators.google_rules import HEARD_AS
from tests.fakes.resembling import heard_in

VOICED_PEAK = 300
PAUSE = 0.3
"""Seconds of quiet after which speech has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A result by script.

    Attributes:
        after: Seconds of received audio from which on it is sent; None: once the client has ended its side.
        error: v1: the code of an error inside an answer, instead of a result.
    """

    text: str = ""
    final: bool = True
    after: float | None = None
    others: tuple[str, ...] = ()
    confidence: float = 0.9
    error: int = 0


@dataclass(slots=True)
class Recognition:
    """A stream as it came. ``is_half_closed``: no more audio will come; gRPC tells that of a cancelled one, too."""

    version: str
    opening: Any
    audio: bytearray = field(default_factory=bytearray)
    messages: int = 0
    is_half_closed: bool = False
    closed_at: float | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class Listening:
    """What a stream's audio has been good for so far; see `GoogleEmulator` for the arguments."""

    def __init__(
        self, taken: Recognition, script: Sequence[Said] | None, known: Mapping[str, bytes], end_after: float | None
    ) -> None:
        self._taken = taken
        self._known = known
        self._end_after = end_after
        config = taken.opening.streaming_config
        self._stream = config if taken.version == "v1" else config.streaming_features
        decoding = config.config if taken.version == "v1" else config.config.explicit_decoding_config
        self._format = AudioFormat(HEARD_AS[decoding.encoding.name], decoding.sample_rate_hertz)
        language = config.config.language_code if taken.version == "v1" else config.config.language_codes[0]
        self._language = language.lower()
        self._script = list(script or ())
        self._hears = script is None
        self._looked = 0
        self._quiet = 0.0
        self._is_speech = False
        self._spoke = False
        self.is_over = False

    @property
    def seconds(self) -> float:
        return self._format.seconds(len(self._taken.audio))

    def reached(self) -> Iterator[Any]:
        """What is to be said now that so much audio has come."""
        if self._end_after is not None and self.seconds >= self._end_after:
            self.is_over = True
            return
        while self._script and self._script[0].after is not None and self.seconds >= self._script[0].after:
            yield from self._said(self._script.pop(0))
        if self._stream.enable_voice_activity_events:
            yield from self._voice_activity()

    def end(self) -> Iterator[Any]:
        """What is left when no more audio comes."""
        for said in self._script:
            yield from self._said(said)
        if not self._hears:
            return
        for text in heard_in(bytes(self._taken.audio), self._format, self._known):
            if self._stream.interim_results:
                yield self._response(Said(text=text.split()[0], final=False))
            yield self._response(Said(text=text))

    def _said(self, said: Said) -> Iterator[Any]:
        if said.error:
            yield speech_v1.StreamingRecognizeResponse(error=status_pb2.Status(code=said.error, message="scripted"))
        elif said.final or self._stream.interim_results:
            yield self._response(said)

    def _response(self, said: Said) -> Any:
        readings = (said.text, *said.others)[: max(1, self._max_alternatives())]
        alternatives = [
            {"transcript": text, "confidence": said.confidence if said.final and not index else 0.0}
            for index, text in enumerate(readings)
        ]
        result = {
            "alternatives": alternatives,
            "is_final": said.final,
            "stability": 0.0 if said.final else 0.5,
            "language_code": self._language,
        }
        return self._message(results=[result])

    def _max_alternatives(self) -> int:
        config = self._taken.opening.streaming_config.config
        return int(config.max_alternatives if self._taken.version == "v1" else config.features.max_alternatives)

    def _message(self, **fields: Any) -> Any:
        package = speech_v1 if self._taken.version == "v1" else speech_v2
        return package.StreamingRecognizeResponse(**fields)

    def _event(self, name: str, at: float) -> Any:
        when = "speech_event_time" if self._taken.version == "v1" else "speech_event_offset"
        return self._message(speech_event_type=name, **{when: timedelta(seconds=at)})

    def _voice_activity(self) -> Iterator[Any]:
        """Speech that starts and stops, in steps of 20 ms, and the timeouts that end the stream."""
        step = self._format.size(0.02)
        while not self.is_over and self._looked + step <= len(self._taken.audio):
            piece = bytes(self._taken.audio[self._looked : self._looked + step])
            self._looked += step
            now = self._format.seconds(self._looked)
            pcm = piece if self._format.encoding is Encoding.L16 else g711.decode(piece, self._format.encoding)
            is_voiced = np.abs(np.frombuffer(pcm, "<i2").astype(int)).max() > VOICED_PEAK
            self._quiet = 0.0 if is_voiced else self._quiet + 0.02
            if is_voiced and not self._is_speech:
                self._is_speech = self._spoke = True
                yield self._event("SPEECH_ACTIVITY_BEGIN", now - 0.02)
            elif self._is_speech and self._quiet >= PAUSE:
                self._is_speech = False
                yield self._event("SPEECH_ACTIVITY_END", now)
            yield from self._timeout(now)

    def _timeout(self, now: float) -> Iterator[Any]:
        timeouts = self._stream.voice_activity_timeout
        start, end = timeouts.speech_start_timeout, timeouts.speech_end_timeout
        is_late = not self._spoke and start and now >= start.total_seconds()
        is_done = self._spoke and not self._is_speech and end and self._quiet >= PAUSE + end.total_seconds()
        if is_late or is_done:
            self.is_over = True
            if self._taken.version == "v1":
                yield self._event("SPEECH_ACTIVITY_TIMEOUT", now)
            yield from self.end()
