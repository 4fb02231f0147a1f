"""Time, injected. Logic takes `now`; only what waits holds a `Clock`."""

from __future__ import annotations

import asyncio
import datetime
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

    def now(self) -> float:
        time = asyncio.get_running_loop().time
        self.now = time  # type: ignore[method-assign]  # from now on without a detour: it is asked for every packet
        return time()

    def wall(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)
