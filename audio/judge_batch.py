"""Windows of many calls, judged together.

One object per process. The first window that arrives arms a timer (10 ms is right: a batch is five times cheaper per
window than single evaluations, and a call waits less than a frame for its verdict); when it fires, everything is
evaluated at once. The timer is injected, so that the arithmetic needs no event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from audio.judge import INPUT_SAMPLES, STATE_SHAPE, Judge

BATCH_SECONDS = 0.01
Schedule = Callable[[Callable[[], None]], object]
"""Calls what it is given once, about `BATCH_SECONDS` later: ``lambda flush: loop.call_later(BATCH_SECONDS, flush)``."""


class Seat:
    """A call's place in the batch: its recurrent state, and at most one window that waits."""

    __slots__ = ("_batch", "on_verdict", "row")

    def __init__(self, batch: JudgeBatch, row: int, on_verdict: Callable[[float], None]) -> None:
        self._batch = batch
        self.row = row
        self.on_verdict = on_verdict

    def submit(self, pcm: bytes) -> None:
        """Have a window judged; the next one may follow when its verdict is there.

        Args:
            pcm: 288 samples at 8 kHz, 16 bits little-endian: 32 of context and 256 new ones.
        """
        self._batch._submit(self, pcm)

    def close(self) -> None:
        """Give the place back; a window that still waits is forgotten."""
        self._batch._leave(self)


class JudgeBatch:
    """Gathers windows, evaluates them in one go, and hands each call its verdict.

    Args:
        judge: The weights.
        schedule: Arms the timer; None: somebody calls `flush`.
    """

    def __init__(self, judge: Judge, schedule: Schedule | None = None) -> None:
        self._judge = judge
        self._schedule = schedule
        self._states = np.zeros((64, *STATE_SHAPE), np.float32)
        self._free = list(range(63, -1, -1))
        self._waiting: dict[Seat, bytes] = {}  # bounded: one window per seat
        self._verdicts: deque[tuple[Seat, float]] = deque()  # bounded: one per seat, emptied in the same call
        self._open: set[Seat] = set()
        self._armed = False
        self._flushing = False

    def __len__(self) -> int:
        """How many calls have a place."""
        return len(self._open)

    def open(self, on_verdict: Callable[[float], None]) -> Seat:
        """A place for a new call; `on_verdict` gets the probability of speech of each window, in order."""
        if not self._free:
            size = len(self._states)
            self._free = list(range(2 * size - 1, size - 1, -1))
            self._states = np.concatenate([self._states, np.zeros_like(self._states)])
        seat = Seat(self, self._free.pop(), on_verdict)
        self._states[seat.row] = self._judge.rest_state
        self._open.add(seat)
        return seat

    def flush(self) -> None:
        """Judge what waits, and what the verdicts bring in, until nothing is left.

        A second window of the same call goes into the next round, as it needs the state that the first one leaves.
        Should a call's listener raise, the verdicts of the others stay, and the timer is armed to deliver them.
        """
        if self._flushing:
            return
        self._armed, self._flushing = False, True
        try:
            while self._waiting or self._verdicts:
                if not self._verdicts:
                    self._judge_round()
                while self._verdicts:
                    seat, probability = self._verdicts.popleft()
                    if seat in self._open:
                        seat.on_verdict(probability)
        finally:
            self._flushing = False
            if self._waiting or self._verdicts:
                self._arm()

    def _judge_round(self) -> None:
        seats = list(self._waiting)
        pcm = np.frombuffer(b"".join(self._waiting.values()), "<i2").reshape(-1, INPUT_SAMPLES)
        self._waiting.clear()
        rows = np.array([seat.row for seat in seats])
        states = self._states[rows]
        probabilities = self._judge.evaluate(pcm * np.float32(1 / 32768), states)
        self._states[rows] = states
        self._verdicts.extend(zip(seats, probabilities.tolist(), strict=True))

    def _submit(self, seat: Seat, pcm: bytes) -> None:
        self._waiting[seat] = pcm
        if not self._armed and not self._flushing:
            self._arm()

    def _arm(self) -> None:
        self._armed = True
        if self._schedule is not None:
            self._schedule(self.flush)

    def _leave(self, seat: Seat) -> None:
        self._waiting.pop(seat, None)
        if seat in self._open:
            self._open.discard(seat)
            self._free.append(seat.row)
