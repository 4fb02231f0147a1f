"""One beat of 20 ms for everything that is sent, by absolute deadlines: one timer per process rather than one per call.

All legs are served in the same turn of the loop, always in the same order, so that each of them is as regular as the
beat itself. `Beat` decides and reads no clock; `Ticker` waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.clock import Clock, LoopClock

PTIME = 0.02
"""Seconds."""
PATIENCE = 0.1
"""Seconds the process may be held up, and still send what it missed at once. More would come as a burst, so that those
slots are left out."""
EARLY = 0.001
"""A loop whose timers count milliseconds may wake this much before a deadline; that is in time."""

Tick = Callable[[int], None]
"""Send what belongs into this slot. Told how many slots were left out before it."""

log = structlog.get_logger(__name__)


class Beat:
    """When slots are due.

    Args:
        start: Of the first slot, on the scale that `due` is asked on.
    """

    def __init__(self, start: float, ptime: float = PTIME) -> None:
        self._start = start
        self._ptime = ptime
        self._slot = 0  # that comes next; counted, because sums of 0.02 go astray

    @property
    def next_deadline(self) -> float:
        return self._start + self._slot * self._ptime

    def due(self, now: float) -> tuple[int, int]:
        """How many slots are to be left out, and how many are to be sent after those, all at once."""
        late = now + EARLY - self.next_deadline
        if late < 0:
            return 0, 0
        slots = int(late / self._ptime) + 1
        self._slot += slots
        return (0, slots) if late < PATIENCE + EARLY else (slots - 1, 1)


class Ticker:
    """Calls everybody once per slot. It runs only while somebody is there.

    Args:
        clock: The loop's own time, by which timers go.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or LoopClock()
        self._ticks: dict[Tick, Callable[[], None]] = {}
        self._beat = Beat(0.0)
        self._timer: asyncio.TimerHandle | None = None
        self.skipped = 0
        """Slots left out since the start, for all legs alike: the process was held up."""

    @property
    def members(self) -> int:
        return len(self._ticks)

    def add(self, tick: Tick, failed: Callable[[], None]) -> None:
        """Serve somebody from the next slot on.

        Args:
            tick: Does its work at once. Added twice it is served once.
            failed: Called when ``tick`` raised, after which it is served no more: one broken call ends by itself.
        """
        self._ticks[tick] = failed
        if self._timer is None:
            self._beat = Beat(self._clock.now() + PTIME)
            self._wait()

    def remove(self, tick: Tick) -> None:
        """Harmless where it is not there, also from within a tick."""
        self._ticks.pop(tick, None)
        if not self._ticks and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._beat.next_deadline, self._run)

    def _run(self) -> None:
        left_out, slots = self._beat.due(self._clock.now())
        self.skipped += left_out
        for _ in range(slots):
            self._serve(left_out)
        if self._timer is not None:  # somebody is left
            self._wait()

    def _serve(self, left_out: int) -> None:
        for tick, failed in tuple(self._ticks.items()):
            if tick not in self._ticks:  # removed by one before it
                continue
            try:
                tick(left_out)
            except Exception:  # the edge of a call: its neighbours go on
                log.exception("a leg's tick failed")
                self.remove(tick)
                failed()
