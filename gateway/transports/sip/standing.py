"""How a registration is, for whoever looks from outside; kept by `registration`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Outlook = Literal["registered", "trying", "refused", "left"]


@dataclass(frozen=True, slots=True)
class Standing:
    """All times are those of the core.

    Attributes:
        outlook: ``registered`` while calls reach us, also during a refresh; ``refused`` until the registrar has changed
            its mind; ``left`` once we have taken leave; else ``trying``.
        since: When that began; None: before anything was asked.
        status: What the registrar said last, where we are not registered; None: nothing.
        reason: Its words, or ours.
        next_attempt: When it is asked again; None: a REGISTER is out, or there is no connection.
        expires: When the binding ends, unless it is refreshed.
    """

    outlook: Outlook = "trying"
    since: float | None = None
    status: int | None = None
    reason: str = ""
    next_attempt: float | None = None
    expires: float | None = None

    def become(
        self,
        outlook: Outlook,
        now: float,
        *,
        status: int | None = None,
        reason: str = "",
        next_attempt: float | None = None,
        expires: float | None = None,
    ) -> Standing:
        """What follows; ``since`` stays where the outlook does."""
        since = self.since if outlook == self.outlook and self.since is not None else now
        return Standing(outlook, since, status, reason, next_attempt, expires)

    def asked_again(self, at: float | None) -> Standing:
        """The same, with another time for the next attempt."""
        return replace(self, next_attempt=at)
