"""Voice events of one call: the detector and the endpointer behind one `push`. A session holds one per call."""

from __future__ import annotations

from collections.abc import Callable

from audio.endpointing import MIN_SPEECH, Endpointer, VoiceEvent
from audio.format import AudioFormat
from audio.frame import Frame
from audio.judge_batch import JudgeBatch
from audio.vad import Mode, VoiceDetector
from audio.voting import RATE

# Measured on recorded speech: how long each mode goes on saying "voiced", and how late its first voiced frame is.
HANGOVER = {"cascade": 0.06, "webrtc": 0.1}
LEAD = {"cascade": 0.02, "webrtc": 0.0}


class SpeechDetector:
    """Frames in; `VoiceStarted`, `VoiceSustained` and `VoiceStopped` out, in samples at 8 kHz (`RATE`).

    Args:
        format: Of the frames; any length, any rate that can be resampled to 8 kHz.
        batch: The process's one batch; None is allowed in `webrtc` mode.
        on_event: Called from `push`, or up to 10 ms later from the batch. It must not raise.
        mode: See `VoiceDetector`.
        min_speech: Seconds of voice between two `VoiceSustained`.
        end_silence: Seconds that end an utterance, see `Endpointer.end_silence`.
    """

    rate = RATE

    def __init__(
        self,
        format: AudioFormat,
        batch: JudgeBatch | None,
        on_event: Callable[[VoiceEvent], None],
        *,
        mode: Mode = "cascade",
        min_speech: float = MIN_SPEECH,
        end_silence: float = 0.5,
    ) -> None:
        self._on_event = on_event
        self._muted_until = 0
        self._endpointer = Endpointer(RATE, min_speech, hangover=HANGOVER[mode], lead=LEAD[mode])
        self._endpointer.end_silence = end_silence
        self._detector = VoiceDetector(format, batch, self._take, mode=mode)

    @property
    def is_speaking(self) -> bool:
        return self._endpointer.is_speaking

    @property
    def min_speech(self) -> float:
        """Seconds of voice between two `VoiceSustained`; may change at any moment."""
        return self._endpointer.min_speech

    @min_speech.setter
    def min_speech(self, seconds: float) -> None:
        self._endpointer.min_speech = seconds

    @property
    def end_silence(self) -> float:
        """See `Endpointer.end_silence`; may change at any moment."""
        return self._endpointer.end_silence

    @end_silence.setter
    def end_silence(self, seconds: float) -> None:
        self._endpointer.end_silence = seconds

    def push(self, frame: Frame) -> None:
        """Take the next audio."""
        self._detector.push(frame)

    def mute(self, until_samples: int) -> None:
        """Take what is heard before this position (8 kHz) for silence: a pressed key, in `webrtc` mode.

        The judge knows tones by itself; the cascade needs no help.
        """
        self._muted_until = until_samples

    def close(self) -> None:
        """Forget windows that wait in the batch; no event comes any more."""
        self._detector.close()

    def _take(self, end_samples: int, is_voiced: bool) -> None:
        for event in self._endpointer.push(end_samples, is_voiced and end_samples > self._muted_until):
            self._on_event(event)
