"""How often something may happen: what we allow a vendor towards us, and what a vendor allows us.

`SlidingWindow` only says yes or no, for requests that come in. `Governor` waits, for requests that go out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from gateway.errors import VendorUnavailable

MAX_WAITING = 1000
SHORTEST_WAIT = 0.001
"""Seconds; a shorter sleep may end before its time by the clock's rounding, and would be slept again and again."""


class SlidingWindow:
    """At most ``limit`` within any ``per`` seconds; what was refused does not count.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, limit: int, per: float, now: Callable[[], float]) -> None:
        if limit < 1 or per <= 0:
            raise ValueError("a budget is at least one in some time")
        self.limit = limit
        self.per = per
        self._now = now
        self._taken: deque[float] = deque(maxlen=limit)  # of more, only the last ones decide when one is free again

    def take(self) -> bool:
        """Use one, if one is free."""
        if self.used() >= self.limit:
            return False
        self._taken.append(self._now())
        return True

    def count(self) -> None:
        """Note one that happened in any case, free or not."""
        self._forget()
        self._taken.append(self._now())

    def used(self) -> int:
        """How many of the last ``per`` seconds count; never more than the limit."""
        self._forget()
        return len(self._taken)

    def free_in(self) -> float:
        """Seconds until one is free; 0: now."""
        if self.used() < self.limit:
            return 0.0
        return max(0.0, self._taken[0] + self.per - self._now())

    def _forget(self) -> None:
        now = self._now()
        while self._taken and self._taken[0] + self.per <= now:
            self._taken.popleft()


class Governor:
    """Lets requests out as a budget has room for them, in the order they came.

    One per vendor and process, shared by its calls. A waiter that is cancelled leaves the queue and uses nothing.

    Args:
        window: The budget.
        now: Monotonic seconds, the window's clock.
        sleep: Waits by the same clock.
        max_waiting: How many may wait; more are turned away at once, because their callers would not live to see it.
        vendor: Its name in the configuration, for the error.
    """

    def __init__(
        self,
        window: SlidingWindow,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        max_waiting: int = MAX_WAITING,
        *,
        vendor: str = "vendor",
    ) -> None:
        self._window = window
        self._now = now
        self._sleep = sleep
        self._max_waiting = max_waiting
        self._vendor = vendor
        self._turn = asyncio.Lock()  # hands itself on in the order of asking
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._waiting

    async def take(self) -> float:
        """Wait for one's turn and use one. Returns how long it took, in seconds.

        Raises:
            VendorUnavailable: Too many wait already.
        """
        if not self._waiting and self._window.take():
            return 0.0
        if self._waiting >= self._max_waiting:
            raise VendorUnavailable("too many requests wait for their turn", vendor=self._vendor, operation="budget")
        begun = self._now()
        self._waiting += 1
        try:
            async with self._turn:
                while not self._window.take():
                    await self._sleep(max(self._window.free_in(), SHORTEST_WAIT))
        finally:
            self._waiting -= 1
        return self._now() - begun

    def count(self) -> int:
        """Note a request that does not wait, as one that is urgent or was sent again. Returns how many are used."""
        self._window.count()
        return self._window.used()

    def share_used(self) -> float:
        """How much of the budget is used, from 0 to 1."""
        return self._window.used() / self._window.limit
