"""What the calls of one process share: the budget of a Haptik account, and who is on the line with a bot.

Both outlive a reload of the configuration, which makes new backends while webhooks still arrive at the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import structlog

from gateway.backends.haptik.protocol import Event
from gateway.kit.budget import Governor, SlidingWindow
from gateway.kit.dedupe import Dedupe
from gateway.kit.http import HttpClient, Sleep

MINUTE = 60.0
ALARM_AT = 0.8
REMEMBERED = 2 * 3600.0  # s; Haptik sends a webhook again for an hour
MAX_REMEMBERED = 100_000

log = structlog.get_logger()


class Listener(Protocol):
    """A call that takes events."""

    def receive(self, event: Event) -> None: ...


class Budget:
    """The requests of one account: side APIs wait their turn, messages are counted and reported.

    They have a window each: a caller who waits for a person must not stand behind everybody's small talk.
    """

    def __init__(self, limit: int, now: Callable[[], float], sleep: Sleep, client_id: str) -> None:
        self._now = now
        self._client_id = client_id
        self._side_window = SlidingWindow(limit, MINUTE, now)
        self.side = Governor(self._side_window, now, sleep, vendor="haptik")
        self.messages = Governor(SlidingWindow(limit, MINUTE, now), now, sleep, vendor="haptik")
        self.alarms = 0
        self._silent_until = float("-inf")

    def wait(self) -> float:
        """Seconds the next request to a side API will wait, at least."""
        return self._side_window.free_in()

    def count_message(self) -> None:
        """Count a message; at 80 % of what is recommended the log says so, once a minute."""
        used = self.messages.count()
        if self.messages.share_used() < ALARM_AT or self._now() < self._silent_until:
            return
        self.alarms += 1
        self._silent_until = self._now() + MINUTE
        log.warning("messages near the recommended rate", client_id=self._client_id, last_minute=used)


class Desk:
    """The calls of one bot, by the id Haptik names in its events."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.calls: dict[str, Listener] = {}
        self.seen = Dedupe(now, REMEMBERED, MAX_REMEMBERED)
        self.last_conversation: dict[str, int] = {}


class _Shared:
    def __init__(self) -> None:
        self.budgets: dict[tuple[str, int], Budget] = {}
        self.desks: dict[str, Desk] = {}


_shared: WeakKeyDictionary[HttpClient, _Shared] = WeakKeyDictionary()
"""By the process's one HTTP client, so that two gateways in one process, as tests have them, share nothing."""


def _of(http: HttpClient) -> _Shared:
    return _shared.setdefault(http, _Shared())


def budget_of(http: HttpClient, client_id: str, limit: int, sleep: Sleep, now: Callable[[], float]) -> Budget:
    """The account's budget."""
    known: dict[tuple[str, int], Any] = _of(http).budgets
    if (client_id, limit) not in known:
        known[client_id, limit] = Budget(limit, now, sleep, client_id)
    found: Budget = known[client_id, limit]
    return found


def desk_of(http: HttpClient, bot: str, now: Callable[[], float]) -> Desk:
    """The bot's desk."""
    desks = _of(http).desks
    if bot not in desks:
        desks[bot] = Desk(now)
    return desks[bot]
