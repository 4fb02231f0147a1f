"""Lines of the log that strangers cause: one a minute for each of them, whatever they do."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.clock import Clock

LOG_EVERY = 60.0
"""Seconds between two lines of the log about one address."""
MAX_REMEMBERED = 1_000
"""Addresses that are told apart; while there are more, the others are counted only."""


class Seldom:
    """Says when a line about somebody is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._room_after = 0.0
        self.total = 0
        """How often it has happened, whoever it was."""

    def due(self, who: str) -> int:
        """It has happened again. How often it has since the last line about them; 0: no line now."""
        self.total += 1
        now = self._clock.now()
        known = self._known.get(who)
        if known is None:
            if not self._has_room(now):
                return 0
            known = self._known[who] = _Known(quiet_until=now)
        known.times += 1
        if known.quiet_until > now:
            return 0
        times, known.quiet_until, known.times = known.times, now + LOG_EVERY, 0
        return times

    def _has_room(self, now: float) -> bool:
        """Forgets who has not been here for a while; a flood of addresses makes us look for them once a second."""
        if len(self._known) >= MAX_REMEMBERED and now >= self._room_after:
            self._room_after = now + 1
            self._known = {who: it for who, it in self._known.items() if it.quiet_until > now}
        return len(self._known) < MAX_REMEMBERED


@dataclass(slots=True)
class _Known:
    """One address."""

    quiet_until: float
    times: int = 0
