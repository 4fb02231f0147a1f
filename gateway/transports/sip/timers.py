"""Time for the SIP core: how long things last, and what is to be done when. Nothing here reads a clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

Action = Callable[[float], None]
"""What a timer does; it is given the time at which it runs."""

COMPACT_FROM = 64
"""With fewer cancelled timers than this, it does not pay to look for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things last, in seconds.

    Attributes:
        t1: Estimate of the round trip (RFC 3261 section 17.1.1.1); first interval of every repetition.
        t2: Longest interval of repetitions.
        t4: How long a message may wander about in the network.
        ring_limit: A call that is neither answered nor refused by then is over, whichever side it comes from.
        provisional_interval: A provisional response is said again so often, lest a proxy gives up (13.3.1.1).
        flow_grace: How long a call outlives the loss of its flow, for its audio may still be well.
        reoffer_limit: By then the owner of a call has to have answered the peer's new offer.
        refer_silence: Without any NOTIFY in that time after its acceptance a transfer is taken for done.
        refer_limit: A transfer is taken for failed when nothing more was heard of it for that long.
        refer_hang_up: How long a hang-up may take to follow a transfer whose end was not told.
        linger: How long NOTIFYs of a transfer are still answered after the call is over.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    ring_limit: float = 180.0
    provisional_interval: float = 60.0
    flow_grace: float = 15.0
    reoffer_limit: float = 20.0
    refer_silence: float = 20.0
    refer_limit: float = 120.0
    refer_hang_up: float = 2.0
    linger: float = 60.0

    @property
    def give_up(self) -> float:
        """Timers B, F, H, J, L and M, and D of RFC 3261: 64 T1, half a minute."""
        return 64 * self.t1


class Timer:
    """Something that is to be done at a time, until it is cancelled."""

    __slots__ = ("_owner", "action", "at", "order")

    def __init__(self, owner: Timers, at: float, order: int, action: Action) -> None:
        self._owner: Timers | None = owner
        self.at = at
        self.order = order
        self.action = action

    @property
    def is_waiting(self) -> bool:
        return self._owner is not None

    def cancel(self) -> None:
        """Forget it, and whom it was for; harmless when it has run, or was cancelled before."""
        owner, self._owner = self._owner, None
        if owner is not None:
            self.action = _nothing
            owner.dropped()

    def take(self) -> bool:
        """Whether it is to run; afterwards it has."""
        waiting, self._owner = self.is_waiting, None
        return waiting

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.order) < (other.at, other.order)


class Timers:
    """What is to be done when, soonest first; timers of the same moment run in the order in which they were set."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._cancelled = 0
        self._order = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def start(self, at: float, action: Action) -> Timer:
        """Do something at a time; a time that has passed is at the next `run`."""
        self._order += 1
        timer = Timer(self, at, self._order, action)
        heapq.heappush(self._heap, timer)
        return timer

    def next_timeout(self) -> float | None:
        """When `run` is wanted next; None while nothing is to be done."""
        while self._heap and not self._heap[0].is_waiting:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0].at if self._heap else None

    def run(self, now: float) -> None:
        """Do everything that is due, also what becomes due by that."""
        while (at := self.next_timeout()) is not None and at <= now:
            timer = heapq.heappop(self._heap)
            if timer.take():
                timer.action(now)
        self._compact()

    def dropped(self) -> None:
        """A timer was cancelled: it stays in the heap until it would have run, or until there are too many."""
        self._cancelled += 1
        self._compact()

    def _compact(self) -> None:
        if self._cancelled > COMPACT_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [timer for timer in self._heap if timer.is_waiting]
            heapq.heapify(self._heap)
            self._cancelled = 0


def _nothing(now: float) -> None:
    """What is left to be done of a timer that was cancelled."""
