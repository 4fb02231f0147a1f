"""Voice activity of one call: frames in, a verdict per 20 ms out.

A cascade of three stages, each asked only when the one before it says so: a level gate and the WebRTC detector
(`audio.voting`), and the Silero network (`audio.cascade`, `audio.judge`), evaluated for all calls together. What
follows is `audio.endpointing`. Everything counts samples at 8 kHz.
"""

from __future__ import annotations

from typing import Literal

from audio.cascade import Cascade, OnVerdict
from audio.format import AudioFormat, Encoding
from audio.frame import Frame
from audio.judge_batch import JudgeBatch
from audio.resample import Resampler
from audio.voting import FRAME_SAMPLES, RATE, FrameVoter

Mode = Literal["cascade", "webrtc"]
MAX_GAP = 10.0  # s; a longer hole in the audio is jumped over, a shorter one is silence


class VoiceDetector:
    """Says of each 20 ms of a call whether there is a voice in it.

    Args:
        format: Of the frames; another rate than 8 kHz is resampled for the detector.
        batch: Where windows are judged; not needed in `webrtc` mode.
        on_verdict: Called for every 20 ms, in order: from `push`, or later from the batch.
        mode: `webrtc` leaves the judge out: 2 µs a frame, but tones, clicks and music count as voice.
    """

    def __init__(
        self, format: AudioFormat, batch: JudgeBatch | None, on_verdict: OnVerdict, *, mode: Mode = "cascade"
    ) -> None:
        self._format = format
        self._bytes_per_sample = format.encoding.bytes_per_sample
        self._resampler = None if format.rate == RATE else Resampler(format.rate, RATE)
        encoding = format.encoding if self._resampler is None else Encoding.L16
        self._frame_bytes = FRAME_SAMPLES * encoding.bytes_per_sample
        self._silence = encoding.silence
        self._vote = FrameVoter(encoding).vote
        self._on_verdict = on_verdict
        self._cascade: Cascade | None = None
        if mode == "cascade":
            if batch is None:
                raise ValueError("the cascade needs a batch to judge its windows")
            self._cascade = Cascade(encoding, batch, on_verdict)
        self._is_closed = False
        self._rest = b""  # less than a frame, when frames of another length come in
        self._expected = -1  # where the next frame should begin, at its own rate
        self._heard = 0  # end of the last whole 20 ms, in samples at 8 kHz

    def close(self) -> None:
        """Forget what waits in the batch; nothing is said any more."""
        self._is_closed = True
        if self._cascade is not None:
            self._cascade.close()

    def push(self, frame: Frame) -> None:
        """Take the next audio, of any length."""
        if self._is_closed:
            return
        if frame.pts_samples != self._expected:
            self._mend(frame.pts_samples)
        data = frame.data
        self._expected = frame.pts_samples + len(data) // self._bytes_per_sample
        if self._resampler is not None:
            data = self._resampler.process(frame.pcm())
        if len(data) == self._frame_bytes and not self._rest:
            self._hear(data)
        else:
            self._reframe(data)

    def _mend(self, start: int) -> None:
        """The audio does not go on where it should: fill a hole with silence, or start afresh at the new place."""
        gap = start - self._expected
        if self._expected >= 0 and 0 < gap <= MAX_GAP * self._format.rate:
            self._reframe(self._silence * (start * RATE // self._format.rate - self._heard - self._rest_samples()))
            return
        self._rest = b""
        self._heard = start * RATE // self._format.rate
        if self._cascade is not None:
            self._cascade.move(self._heard)

    def _rest_samples(self) -> int:
        return len(self._rest) // len(self._silence)

    def _reframe(self, data: bytes) -> None:
        data = self._rest + data
        size = self._frame_bytes
        whole = len(data) - len(data) % size
        for start in range(0, whole, size):
            self._hear(data[start : start + size])
        self._rest = data[whole:]

    def _hear(self, data: bytes) -> None:
        """Take exactly 20 ms."""
        self._heard += FRAME_SAMPLES
        if self._cascade is not None:
            self._cascade.hear(data, self._heard, self._vote(data))
        else:
            self._on_verdict(self._heard, self._vote(data))
