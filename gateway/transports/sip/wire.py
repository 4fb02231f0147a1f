"""What transactions stand on: somewhere to send, and time."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.transports.sip.flow import Flow
from gateway.transports.sip.timers import Timer, Timers, Timing


class Failure(enum.Enum):
    """Why a request of ours has no answer."""

    TIMEOUT = "nobody answered in time"
    FLOW_CLOSED = "the connection is gone"


@dataclass(slots=True)
class Wire:
    """Shared by all parts of one user agent.

    Attributes:
        outgoing: What the door is to send, in order; drained by it after every call of the user agent, and so no longer
            than what one call can bring about.
    """

    timing: Timing
    timers: Timers = field(default_factory=Timers)
    outgoing: list[tuple[Flow, bytes]] = field(default_factory=list)

    def send(self, flow: Flow, data: bytes) -> None:
        self.outgoing.append((flow, data))


class Repetition:
    """Sends something again and again, in growing intervals, until it is stopped.

    Args:
        act: Sends it; the first time was somebody else's.
        limit: Longest interval; None: they double for ever.
    """

    def __init__(self, wire: Wire, act: Callable[[], None], limit: float | None, now: float) -> None:
        self._wire = wire
        self._act = act
        self._limit = limit
        self._interval = wire.timing.t1
        self._timer: Timer = wire.timers.start(now + self._interval, self._again)

    def stop(self) -> None:
        self._timer.cancel()

    def slow_down(self) -> None:
        """From the next time on, only in the longest interval (RFC 3261 section 17.1.2.2)."""
        self._interval = self._limit or self._interval

    def _again(self, now: float) -> None:
        self._act()
        self._interval = self._interval * 2 if self._limit is None else min(self._interval * 2, self._limit)
        self._timer = self._wire.timers.start(now + self._interval, self._again)
