"""When to try again what did not work."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.transports.sip.message import SipResponse

MAX_RETRY_AFTER = 3600.0
_SECONDS = re.compile(r"\s*([0-9]{1,9})(?![0-9])")


class Backoff:
    """Growing pauses between attempts, each changed by chance, so that many clients do not come back together.

    Args:
        chance: Gives a number from 0 to below 1.
        first: The first pause, as it is before chance; each one is twice as long as the one before.
        longest: The most that this grows to.
        spread: Between which parts of it chance chooses.
    """

    def __init__(
        self,
        chance: Callable[[], float],
        first: float = 1.0,
        longest: float = 60.0,
        *,
        spread: tuple[float, float] = (0.5, 1.0),
    ) -> None:
        self._chance = chance
        self._first = first
        self._longest = longest
        self._least, self._most = spread
        self._next = first

    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        pause = self._next * (self._least + (self._most - self._least) * self._chance())
        self._next = min(self._next * 2, self._longest)
        return pause

    def reset(self) -> None:
        """It worked."""
        self._next = self._first


def retry_after(response: SipResponse) -> float | None:
    """Seconds of Retry-After, without its comment and parameters (RFC 3261 section 20.33); at most an hour."""
    found = _SECONDS.match(response.headers.get("Retry-After") or "")
    return min(float(found[1]), MAX_RETRY_AFTER) if found else None
