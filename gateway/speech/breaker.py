"""A circuit breaker per vendor and side: who keeps failing is not asked for a while, so that callers do not wait.

Closed: everybody is asked. Open: nobody is, and a request fails at once, which sends it to whoever stands behind. When
the time is up, one request goes through as a probe; it closes the circuit or opens it for twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from gateway.errors import VendorError, VendorRejected

log = structlog.get_logger(__name__)

State = Literal["closed", "open", "half_open"]
CREDENTIALS = frozenset({401, 402, 403})
"""Refusals that the next request will get as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When the circuit opens, and for how long.

    Attributes:
        failures: In a row.
        open_for: Seconds the first time; twice as long each time that a probe fails.
        at_most: Seconds.
    """

    failures: int = 3
    open_for: float = 10.0
    at_most: float = 300.0


class Breaker:
    """The circuit of one vendor's recognizer or synthesizer.

    Args:
        vendor: Its name in the configuration, for the log.
        part: Which of the two, for the log.
        now: Seconds, from any moment on.
        on_change: Told of every new state.
    """

    def __init__(
        self,
        vendor: str,
        part: str,
        now: Callable[[], float],
        limits: BreakerLimits | None = None,
        on_change: Callable[[State], None] = lambda state: None,
    ) -> None:
        self._vendor = vendor
        self._part = part
        self._now = now
        self._limits = limits or BreakerLimits()
        self._on_change = on_change
        self._failures = 0
        self._opened = 0  # times in a row
        self._until: float | None = None
        self._probing_since: float | None = None

    @property
    def state(self) -> State:
        if self._until is None:
            return "closed"
        return "open" if self._now() < self._until and self._probing_since is None else "half_open"

    def admit(self) -> bool:
        """Whether a request may be made; in the half-open state one may, until its end is reported."""
        match self.state:
            case "closed":
                return True
            case "open":
                return False
        if self._probing_since is not None and self._now() - self._probing_since < self._limits.open_for:
            return False
        self._probing_since = self._now()  # a probe that nobody reports on is forgotten after a while
        self._on_change("half_open")
        return True

    def seconds_left(self) -> float:
        """Until the next probe."""
        return 0.0 if self._until is None else max(0.0, self._until - self._now())

    def succeeded(self) -> None:
        was_open = self._until is not None
        self._failures = self._opened = 0
        self._until = self._probing_since = None
        if was_open:
            log.info("vendor is asked again", vendor=self._vendor, part=self._part)
            self._on_change("closed")

    def abandoned(self) -> None:
        """A request was given up before it showed anything; another probe may be made."""
        self._probing_since = None

    def failed(self, error: VendorError | None = None) -> None:
        """A request failed. What was wrong with that request alone says nothing about the vendor.

        Args:
            error: What it said; None: it took too long.
        """
        if isinstance(error, VendorRejected) and error.status not in CREDENTIALS:
            self.abandoned()
            return
        self._failures += 1
        refused = isinstance(error, VendorRejected)
        if refused or self._until is not None or self._failures >= self._limits.failures:
            self._open()

    def _open(self) -> None:
        pause = min(self._limits.open_for * 2**self._opened, self._limits.at_most)
        self._opened = min(self._opened + 1, 16)
        self._until = self._now() + pause
        self._probing_since = None
        log.warning("vendor is not asked for a while", vendor=self._vendor, part=self._part, seconds=pause)
        self._on_change("open")
