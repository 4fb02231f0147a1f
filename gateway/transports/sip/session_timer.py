"""Session timers (RFC 4028): after which time a call that nobody confirms is over, and who confirms it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.transports.sip.message import SipRequest, SipResponse

MIN_SE = 90
"""The shortest interval anybody may ask for, in seconds (RFC 4028 section 4)."""
MAX_SE = 86_400
_NUMBER = re.compile(r"\s*([0-9]{1,9})\s*(?:;|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """What both sides have agreed on.

    Attributes:
        interval: Seconds without a refresh, after which the session is over.
        we_refresh: It is for us to refresh it.
    """

    interval: int
    we_refresh: bool

    @property
    def refresh_after(self) -> float:
        """Seconds until our refresh (section 7.2)."""
        return self.interval / 2

    @property
    def lapse_after(self) -> float:
        """Seconds until we give up (section 10)."""
        return self.interval - min(32.0, self.interval / 3)

    def headers(self) -> list[tuple[str, str]]:
        """For a request of ours."""
        refresher = "uac" if self.we_refresh else "uas"
        return [("Session-Expires", f"{self.interval};refresher={refresher}"), ("Min-SE", str(MIN_SE))]

    def answer_headers(self) -> list[tuple[str, str]]:
        """For our 2xx to a request of the peer's; a peer that has to refresh has to know how (section 9)."""
        refresher = "uas" if self.we_refresh else "uac"
        required = [] if self.we_refresh else [("Require", "timer")]
        return [("Session-Expires", f"{self.interval};refresher={refresher}"), *required]


def is_too_short(request: SipRequest) -> bool:
    """Whether the interval is to be refused with 422; a peer that knows no timers could make nothing of that."""
    interval = _number(request, "Session-Expires")
    return interval is not None and interval < MIN_SE and _knows_timers(request)


def terms_of_request(request: SipRequest, before: SessionTerms | None) -> SessionTerms | None:
    """What we agree to, as the side that is asked; None: the session never ends by itself.

    Args:
        before: What held until now. A peer that knows timers and leaves them out by chance keeps to that.
    """
    interval, knows = _number(request, "Session-Expires"), _knows_timers(request)
    if interval is None:
        return before if knows else None
    if interval < MIN_SE:
        return None
    refresher = _refresher(request)
    we_refresh = not knows or refresher == "uas"
    return SessionTerms(interval=min(interval, MAX_SE), we_refresh=we_refresh)


def terms_of_response(response: SipResponse) -> SessionTerms | None:
    """What the peer agreed to, when we had asked."""
    interval = _number(response, "Session-Expires")
    if interval is None:
        return None
    return SessionTerms(interval=min(max(interval, MIN_SE), MAX_SE), we_refresh=_refresher(response) != "uas")


def demanded(response: SipResponse, before: SessionTerms | None) -> SessionTerms | None:
    """The terms to ask for after a 422; None when they would be no others, or absurd."""
    least = _number(response, "Min-SE")
    if least is None or before is None or not before.interval < least <= MAX_SE:
        return None
    return SessionTerms(interval=least, we_refresh=before.we_refresh)


def _number(message: SipRequest | SipResponse, name: str) -> int | None:
    found = _NUMBER.match(message.headers.get(name) or "")
    return int(found[1]) if found else None


def _refresher(message: SipRequest | SipResponse) -> str | None:
    for piece in (message.headers.get("Session-Expires") or "").split(";")[1:]:
        name, _, value = piece.partition("=")
        if name.strip().lower() == "refresher":
            return value.strip().lower()
    return None


def _knows_timers(request: SipRequest) -> bool:
    return any(tag.lower() == "timer" for name in ("Supported", "Require") for tag in request.headers.all(name))
