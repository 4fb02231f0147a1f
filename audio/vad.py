"""Voice activity of one call: frames in, a verdict per 20 ms out.

A cascade of three stages, each asked only when the one before it says so: a level gate and the WebRTC detector
(`audio.voting`), and the Silero network (`audio.judge`), evaluated for all calls together. What follows is
`audio.endpointing`. Everything counts samples at 8 kHz, and a frame waits for the verdicts of earlier windows before
it is dealt with: batching changes when something is known, never what is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from audio.codecs import g711
from audio.format import AudioFormat
from audio.frame import Frame
from audio.judge import CONTEXT_SAMPLES, INPUT_SAMPLES, WINDOW_SAMPLES
from audio.judge_batch import JudgeBatch, Seat
from audio.voting import FRAME_SAMPLES, RATE, FrameVoter

Mode = Literal["cascade", "webrtc"]
OnVerdict = Callable[[int, bool], None]
"""Gets the end of each 20 ms frame, in samples at 8 kHz, and whether it is voiced."""

SPEECH_ABOVE = 0.5
SILENCE_BELOW = 0.4
CLOSE_AFTER = 5  # frames without a vote, when the judge hears no speech
CLOSE_ANYWAY_AFTER = 20  # frames without a vote, whatever the judge says
LOOK_BACK = 2 * WINDOW_SAMPLES  # judged before the end of the frame that opens the gate
THIN_AFTER = 15  # windows in a row without speech: music or noise holds the gate open
THIN_SKIPS = 2  # windows left out between two judged ones, then
THIN_BELOW = 0.2
MAX_WAITING = 50  # frames; with a second of audio waiting for the timer, the batch is evaluated on the spot
MAX_GAP = 10 * RATE  # a longer hole in the audio is jumped over, a shorter one is silence
_KEPT = LOOK_BACK + CONTEXT_SAMPLES


class VoiceDetector:
    """Says of each frame of a call whether there is a voice in it.

    Args:
        format: Of the frames; wider audio than 8 kHz is resampled for the detector.
        batch: Where windows are judged; not needed in `webrtc` mode.
        on_verdict: Called for every 20 ms, in order: from `push`, or later from the batch.
        mode: `webrtc` leaves the judge out: 2 µs a frame, but tones, clicks and music count as voice.
    """

    def __init__(
        self, format: AudioFormat, batch: JudgeBatch | None, on_verdict: OnVerdict, *, mode: Mode = "cascade"
    ) -> None:
        self._format = format
        self._encoding = format.encoding
        self._bytes_per_sample = format.encoding.bytes_per_sample
        self._on_verdict = on_verdict
        self._voter = FrameVoter(self._encoding)
        self._seat = self._take_seat(batch) if mode == "cascade" else None
        self._batch = batch
        self._frame_bytes = FRAME_SAMPLES * self._bytes_per_sample
        self._rest = b""  # less than a frame, when frames of another length come in
        self._expected = -1  # where the next frame should begin, at its own rate
        self._heard = 0  # end of the last whole 20 ms, in samples at 8 kHz
        # What the judge may still want to see: the samples before `_heard`, as they came.
        self._audio = bytearray(self._encoding.silence * _KEPT)
        self._audio_start = -_KEPT
        self._waiting: deque[tuple[int, bool]] = deque()  # bounded by MAX_WAITING: frames behind a window
        self._frame_end = 0  # of the frame that is being dealt with
        self._is_judging = False
        self._is_open = False
        self._is_speaking = False
        self._unvoted = 0
        self._next_window = 0
        self._windows_without_speech = 0
        self._skips = 0

    def _take_seat(self, batch: JudgeBatch | None) -> Seat:
        if batch is None:
            raise ValueError("the cascade needs a batch to judge its windows")
        return batch.open(self._take_verdict)

    def close(self) -> None:
        """Forget what waits in the batch; nothing is said any more."""
        if self._seat is not None:
            self._seat.close()
            self._seat = None
        self._waiting.clear()
        self._on_verdict = _ignore

    def push(self, frame: Frame) -> None:
        """Take the next audio, of any length."""
        if frame.pts_samples != self._expected:
            self._mend(frame)
        data = frame.data
        self._expected = frame.pts_samples + len(data) // self._bytes_per_sample
        if len(data) == self._frame_bytes and not self._rest:
            self._hear(data)
        else:
            self._reframe(data)

    def _mend(self, frame: Frame) -> None:
        """The audio does not go on where it should: fill a hole with silence, or start afresh at the new place."""
        gap = frame.pts_samples - self._expected
        if self._expected >= 0 and 0 < gap <= MAX_GAP:
            self._reframe(self._format.silence(gap))
            return
        if self._is_judging and self._batch is not None:
            self._batch.flush()  # what waits belongs to the old place
        self._rest = b""
        self._heard = frame.pts_samples
        self._audio_start = self._heard - len(self._audio) // self._bytes_per_sample
        self._next_window = self._heard

    def _reframe(self, data: bytes) -> None:
        data = self._rest + data
        size = self._frame_bytes
        whole = len(data) - len(data) % size
        for start in range(0, whole, size):
            self._hear(data[start : start + size])
        self._rest = data[whole:]

    def _hear(self, data: bytes) -> None:
        """Take exactly 20 ms."""
        is_voted = self._voter.vote(data)
        self._heard += FRAME_SAMPLES
        if self._seat is None:
            self._on_verdict(self._heard, is_voted)
            return
        self._audio += data
        if self._is_judging:
            self._waiting.append((self._heard, is_voted))
            if len(self._waiting) > MAX_WAITING and self._batch is not None:
                self._batch.flush()
        else:
            self._step(self._heard, is_voted)
            if not self._is_judging:
                self._trim()

    def _trim(self) -> None:
        keep = _KEPT if not self._is_open else max(_KEPT, self._heard - self._next_window + CONTEXT_SAMPLES)
        surplus = len(self._audio) - keep * self._bytes_per_sample
        if surplus > self._frame_bytes * 8:
            del self._audio[:surplus]
            self._audio_start += surplus // self._bytes_per_sample

    def _step(self, end: int, is_voted: bool) -> None:
        """Move the gate by one frame's vote; every window before this frame has its verdict."""
        if is_voted:
            self._unvoted = 0
            if not self._is_open:
                self._is_open = True
                self._next_window = max(self._next_window, end - LOOK_BACK)
        elif self._is_open:
            self._unvoted += 1
            if self._unvoted >= (CLOSE_ANYWAY_AFTER if self._is_speaking else CLOSE_AFTER):
                self._close_gate()
        self._frame_end = end
        self._judge()

    def _close_gate(self) -> None:
        """The network's state stays as it is until the gate opens again; resetting it costs onsets."""
        self._is_open = self._is_speaking = False
        self._windows_without_speech = self._skips = 0

    def _judge(self) -> None:
        """Have the next window judged that the current frame completes; without one, say what the frame is."""
        if self._is_open and self._seat is not None:
            while self._next_window + WINDOW_SAMPLES <= self._frame_end:
                if not self._skips:
                    self._is_judging = True
                    self._seat.submit(self._window())
                    return
                self._skips -= 1
                self._next_window += WINDOW_SAMPLES
        self._is_judging = False
        self._on_verdict(self._frame_end, self._is_speaking)

    def _window(self) -> bytes:
        start = (self._next_window - CONTEXT_SAMPLES - self._audio_start) * self._bytes_per_sample
        data = bytes(self._audio[start : start + INPUT_SAMPLES * self._bytes_per_sample])
        return g711.decode(data, self._encoding)

    def _take_verdict(self, probability: float) -> None:
        self._next_window += WINDOW_SAMPLES
        if probability > SPEECH_ABOVE:
            self._is_speaking = True
        elif probability < SILENCE_BELOW:
            self._is_speaking = False
        self._thin(probability)
        self._judge()
        while self._waiting and not self._is_judging:
            self._step(*self._waiting.popleft())
        if not self._is_judging:
            self._trim()

    def _thin(self, probability: float) -> None:
        """While something holds the gate open that is no voice, judge one window of three. Never while speaking."""
        if self._is_speaking:
            self._windows_without_speech = 0
            return
        self._windows_without_speech += 1
        if self._windows_without_speech >= THIN_AFTER and probability < THIN_BELOW:
            self._skips = THIN_SKIPS


def _ignore(end_samples: int, is_voiced: bool) -> None:
    """After `VoiceDetector.close` nobody listens."""
