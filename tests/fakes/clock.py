"""A clock that a test moves by hand."""

from __future__ import annotations

import datetime


class ManualClock:
    """Implements `gateway.clock.Clock`."""

    def __init__(self, now: float = 0.0, wall: datetime.datetime | None = None) -> None:
        self._now = now
        self._wall = wall or datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)

    def now(self) -> float:
        return self._now

    def wall(self) -> datetime.datetime:
        return self._wall + datetime.timedelta(seconds=self._now)

    def advance(self, seconds: float) -> None:
        self._now += seconds
