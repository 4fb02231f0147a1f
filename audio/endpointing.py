"""When the caller's voice starts, goes on and ends, decided from one verdict per frame.

Pure, and in samples: the same audio gives the same events at whatever speed it arrives. What decides the verdicts is
`audio.vad`; both together are `audio.ear.SpeechDetector`. That the caller's *turn* is over is the conversation's
decision, not ours: it waits for the end silence of the question after `VoiceStopped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FRAME_SECONDS = 0.02
START_WINDOW = 6
START_VOICED = 4  # of START_WINDOW frames: 80 ms of voice, more than a click and less than a syllable
STOP_WINDOW = 25  # frames; half a second, what a breath inside a sentence may last
SHORTEST_STOP_WINDOW = 10
STOP_VOICED = 2  # frames in the stop window that do not yet keep an utterance alive
MIN_SPEECH = 0.25

_START_MASK = ~(-1 << START_WINDOW)
_NOTHING: tuple[VoiceEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """Voice began; `at_samples` is where its first voiced frame begins, a little in the past."""

    at_samples: int


@dataclass(frozen=True, slots=True)
class VoiceSustained:
    """Voice goes on: again after each `Endpointer.min_speech` of voiced audio.

    Attributes:
        at_samples: End of the newest voiced frame.
        voiced_samples: Voiced audio since `VoiceStarted`.
    """

    at_samples: int
    voiced_samples: int


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """Voice ended; `at_samples` is the moment it really did, without the time it took to be sure."""

    at_samples: int


VoiceEvent = VoiceStarted | VoiceSustained | VoiceStopped


@dataclass(slots=True)
class _Voice:
    """The voice that is going on, all in samples: where it began, what of it was heard, when to report it again."""

    started: int
    voiced: int
    next_sustained: int
    last_voiced: int


class Endpointer:
    """Start and end of voice, from voiced and unvoiced frames of 20 ms.

    It starts with 4 of the last 6 frames voiced, and ends with at most 2 of the last `stop_window` voiced. A frame's
    verdict is one bit of an integer, so a frame costs a shift and a count of bits.

    Args:
        rate: Samples per second of all positions.
        min_speech: Seconds of voiced audio between one `VoiceSustained` and the next.
        stop_window: Frames of the end rule, 10 to 25; see `end_silence`.
        hangover: Seconds for which the detector goes on saying "voiced" after the voice has ended.
        lead: Seconds of voice that the detector takes to notice it; they count as voiced.
    """

    def __init__(
        self,
        rate: int = 8000,
        min_speech: float = MIN_SPEECH,
        stop_window: int = STOP_WINDOW,
        *,
        hangover: float = 0.0,
        lead: float = 0.0,
    ) -> None:
        self.rate = rate
        self._frame_samples = round(FRAME_SECONDS * rate)
        self._hangover = round(hangover * rate)
        self._lead = round(lead * rate)
        self.min_speech = min_speech
        self._set_stop_window(stop_window)
        self._history = 0  # one bit per frame, the newest lowest
        self._voice: _Voice | None = None

    @property
    def is_speaking(self) -> bool:
        return self._voice is not None

    @property
    def min_speech(self) -> float:
        """Seconds of voiced audio between `VoiceSustained` events, at least a frame; may change at any moment."""
        return self._min_speech / self.rate

    @min_speech.setter
    def min_speech(self, seconds: float) -> None:
        self._min_speech = max(self._frame_samples, round(seconds * self.rate))

    @property
    def end_silence(self) -> float:
        """Seconds of silence that end an utterance: 0.2 to 0.5, in whole frames; may change at any moment.

        A longer end silence of a question is for the conversation to wait for, a shorter one than ours must shorten
        the rule. Values outside are brought to the nearest bound.
        """
        return self._stop_window * FRAME_SECONDS

    @end_silence.setter
    def end_silence(self, seconds: float) -> None:
        self._set_stop_window(int(seconds / FRAME_SECONDS + 1e-6))

    def _set_stop_window(self, frames: int) -> None:
        self._stop_window = min(max(frames, SHORTEST_STOP_WINDOW), STOP_WINDOW)
        self._stop_mask = ~(-1 << self._stop_window)

    def push(self, end_samples: int, is_voiced: bool) -> Sequence[VoiceEvent]:
        """Take the verdict on the frame that ends at `end_samples`; frames come in order. Mostly nothing comes out."""
        history = self._history = (self._history << 1 | is_voiced) & 0xFFFFFFFF
        voice = self._voice
        if voice is None:
            if not is_voiced or (history & _START_MASK).bit_count() < START_VOICED:
                return _NOTHING
            return self._start(end_samples, history & _START_MASK)
        if is_voiced:
            return self._go_on(voice, end_samples)
        if (history & self._stop_mask).bit_count() <= STOP_VOICED:
            self._voice = None
            return (VoiceStopped(max(voice.last_voiced - self._hangover, voice.started)),)
        return _NOTHING

    def _start(self, end_samples: int, recent: int) -> Sequence[VoiceEvent]:
        noticed = end_samples - recent.bit_length() * self._frame_samples
        started = max(0, noticed - self._lead)  # a stream that begins with a voice has nothing before it
        before = (recent.bit_count() - 1) * self._frame_samples  # the newest counts in _go_on
        self._voice = _Voice(started, before + noticed - started, self._min_speech, end_samples)
        return (VoiceStarted(started), *self._go_on(self._voice, end_samples))

    def _go_on(self, voice: _Voice, end_samples: int) -> Sequence[VoiceEvent]:
        voice.last_voiced = end_samples
        voice.voiced += self._frame_samples
        if voice.voiced < voice.next_sustained:
            return _NOTHING
        voice.next_sustained = voice.voiced - voice.voiced % self._min_speech + self._min_speech
        return (VoiceSustained(end_samples, voice.voiced),)
