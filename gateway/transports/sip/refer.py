"""What becomes of a REFER (RFC 3515), as its answer and the NOTIFYs tell it. Pure; the timers are `transferring`'s."""

from __future__ import annotations

import re
from typing import Literal

from gateway.transports.sip.bodies import FRAGMENT_TYPE, content_type
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.timers import Timer
from gateway.transports.sip.ua_events import ReferFailed, ReferProgressed, ReferSucceeded

ReferEvent = ReferProgressed | ReferSucceeded | ReferFailed

_STATUS_LINE = re.compile(rb"\s*SIP/2\.0[ \t]+([1-6][0-9]{2})(?![0-9])", re.IGNORECASE)


class ReferProgress:
    """One transfer, until it is decided. NOTIFYs may overtake the 202.

    Attributes:
        timer: What happens when nothing is heard; owned by `transferring`.
        is_over: Its end was told.
        was_notified: Anything but the 202 was heard of it.
        is_terminated: The peer will tell no more.
    """

    def __init__(self, call: CallKey) -> None:
        self._call = call
        self.timer: Timer | None = None
        self.is_over = False
        self.is_accepted = False
        self.was_notified = False
        self.is_terminated = False

    def answered(self, response: SipResponse) -> list[ReferEvent]:
        """The peer's final response to the REFER."""
        if self.is_over:
            return []
        if response.status >= 300:
            return self._end(ReferFailed(call=self._call, status=response.status, by="peer"))
        self.is_accepted = True
        if (response.headers.get("Refer-Sub") or "").strip().lower() == "false":  # RFC 4488: it will not tell
            return self._end(ReferSucceeded(call=self._call, status=None))
        return [ReferProgressed(call=self._call, status=response.status)]

    def unanswered(self) -> list[ReferEvent]:
        """The peer did not answer the REFER, and has told nothing."""
        return [] if self.was_notified else self._fail("timeout")

    def notified(self, notify: SipRequest) -> list[ReferEvent]:
        """The peer tells how far it is."""
        self.was_notified = True
        self.is_terminated = is_terminated(notify)
        status = fragment_status(notify)
        if self.is_over or status is None:
            return []
        if status < 200:
            return [ReferProgressed(call=self._call, status=status)]
        if status < 300:
            return self._end(ReferSucceeded(call=self._call, status=status))
        return self._end(ReferFailed(call=self._call, status=status, by="target"))

    def silent(self) -> list[ReferEvent]:
        """Nothing was heard for too long. A peer that has taken it on and tells nothing at all has done it."""
        if self.is_terminated:
            return self._fail("unknown")
        if self.is_accepted and not self.was_notified:
            return [] if self.is_over else self._end(ReferSucceeded(call=self._call, status=None))
        return self._fail("timeout")

    def hung_up(self) -> list[ReferEvent]:
        """The peer said BYE in the midst of it: because the caller is with the target, if anything had happened."""
        if self.was_notified and not self.is_over:
            return self._end(ReferSucceeded(call=self._call, status=None))
        return self._fail("hang_up")

    def lost(self) -> list[ReferEvent]:
        """The call ended in another way."""
        return self._fail("unknown")

    def _fail(self, by: Literal["hang_up", "timeout", "unknown"]) -> list[ReferEvent]:
        if self.is_over:
            return []
        return self._end(ReferFailed(call=self._call, status=None, by=by))

    def _end(self, event: ReferEvent) -> list[ReferEvent]:
        self.is_over = True
        return [event]


def fragment_status(notify: SipRequest) -> int | None:
    """The status in a NOTIFY's ``message/sipfrag``, whose first line alone matters; None without one."""
    if content_type(notify) != FRAGMENT_TYPE:
        return None
    found = _STATUS_LINE.match(notify.body)
    return int(found[1]) if found else None


def is_terminated(notify: SipRequest) -> bool:
    """No other NOTIFY will come (RFC 6665 section 4.1.3)."""
    state = notify.headers.get("Subscription-State") or ""
    return state.partition(";")[0].strip().lower() == "terminated"


def event_of(request: SipRequest) -> str:
    """The event package, without ``;id=``; lower case."""
    return (request.headers.get("Event") or "").partition(";")[0].strip().lower()
