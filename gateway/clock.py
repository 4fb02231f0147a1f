"""Time, injected. Logic takes `now`; only what waits holds a `Clock`."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Two kinds of time: one to measure by, one to write down."""

    def now(self) -> float:
        """Monotonic seconds, of no particular origin."""
        ...

    def wall(self) -> datetime.datetime:
        """The time of day, with its zone (UTC)."""
        ...


class LoopClock:
    """The event loop's time, so that a loop with virtual time carries everything else with it.

    It keeps to the loop in which it is asked first: looking for the running one takes a system call each time.
    """

    _time: Callable[[], float] | None = None

    def now(self) -> float:
        if self._time is None:
            self._time = asyncio.get_running_loop().time
        return self._time()

    def wall(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)
