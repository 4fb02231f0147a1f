"""The gate and the judge of one call: which frames are voiced, given the votes of the cheap stages.

The counterpart that feeds it is `audio.vad`. Windows go to a batch and their verdicts come back later; a frame is
dealt with when every window before it has its verdict, so that batching changes when something is known, never what
is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from audio.codecs import g711
from audio.format import Encoding
from audio.judge import CONTEXT_SAMPLES, INPUT_SAMPLES, WINDOW_SAMPLES
from audio.judge_batch import JudgeBatch

SPEECH_ABOVE = 0.5
SILENCE_BELOW = 0.4
CLOSE_AFTER = 5  # frames without a vote, when the judge hears no speech
CLOSE_ANYWAY_AFTER = 20  # frames without a vote, whatever the judge says
LOOK_BACK = 2 * WINDOW_SAMPLES  # judged before the end of the frame that opens the gate
THIN_AFTER = 15  # windows in a row without speech: music or noise holds the gate open
THIN_SKIPS = 2  # windows left out between two judged ones, then
THIN_BELOW = 0.2
MAX_WAITING = 50  # frames; with a second of audio waiting for the timer, the batch is evaluated on the spot
_KEPT = LOOK_BACK + CONTEXT_SAMPLES
_SURPLUS = 1280  # samples that may pile up before the oldest are dropped

OnVerdict = Callable[[int, bool], None]
"""Gets the end of each 20 ms frame, in samples at 8 kHz, and whether it is voiced."""


class Cascade:
    """Opens a gate on a vote, has the judge look at what passes, and says of each frame whether it is voiced.

    Args:
        encoding: Of the audio, at 8 kHz.
        batch: Where windows are judged.
        on_verdict: Called for every frame, in order: from `hear`, or later from the batch.
    """

    def __init__(self, encoding: Encoding, batch: JudgeBatch, on_verdict: OnVerdict) -> None:
        self._encoding = encoding
        self._bytes_per_sample = encoding.bytes_per_sample
        self._batch = batch
        self._seat = batch.open(self._take_verdict)
        self._on_verdict = on_verdict
        # What the judge may still want to see, as it came.
        self._audio = bytearray(encoding.silence * _KEPT)
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

    def close(self) -> None:
        """Forget what waits in the batch."""
        self._seat.close()
        self._waiting.clear()

    def move(self, position: int) -> None:
        """The next frame begins at `position`, whatever came before."""
        if self._is_judging:
            self._batch.flush()  # what waits belongs to the old place
        self._audio_start = position - len(self._audio) // self._bytes_per_sample
        self._next_window = position

    def hear(self, data: bytes, end: int, is_voted: bool) -> None:
        """Take the 20 ms that end at `end`, with the vote on them."""
        self._audio += data
        if self._is_judging:
            self._waiting.append((end, is_voted))
            if len(self._waiting) > MAX_WAITING:
                self._batch.flush()
        elif self._is_open or is_voted:
            self._step(end, is_voted)
        else:
            self._on_verdict(end, False)
        if len(self._audio) > _SURPLUS * self._bytes_per_sample and not self._is_judging:
            self._trim(end)

    def _trim(self, end: int) -> None:
        keep = max(_KEPT, end - self._next_window + CONTEXT_SAMPLES) if self._is_open else _KEPT
        surplus = len(self._audio) // self._bytes_per_sample - keep
        del self._audio[: surplus * self._bytes_per_sample]
        self._audio_start += surplus

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
        if self._is_open:
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
        while self._waiting and not self._is_judging:  # `close` may be called from within
            self._step(*self._waiting.popleft())

    def _thin(self, probability: float) -> None:
        """While something holds the gate open that is no voice, judge one window of three. Never while speaking."""
        if self._is_speaking:
            self._windows_without_speech = 0
            return
        self._windows_without_speech += 1
        if self._windows_without_speech >= THIN_AFTER and probability < THIN_BELOW:
            self._skips = THIN_SKIPS
