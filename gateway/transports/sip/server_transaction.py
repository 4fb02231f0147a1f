"""Server transactions: a request that came, and our responses to it (RFC 3261 section 17.2, RFC 6026).

A 2xx to INVITE is sent again by `kept_answer` until its ACK comes; here it only meets repetitions of the INVITE.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.timers import Action, Timer
from gateway.transports.sip.wire import Repetition, Wire


class ServerTransaction(ABC):
    """What both kinds share.

    Attributes:
        flow: Where responses go; changed when the call moves to another one.
        status: Of the last response; 0 before the first.

    Args:
        over: Called once, at the end.
    """

    def __init__(self, request: SipRequest, flow: Flow, wire: Wire, over: Action) -> None:
        self._request: SipRequest | None = request
        self.flow = flow
        self.status = 0
        self._wire = wire
        self._over = over
        self._last: bytes | None = None
        self._end: Timer | None = None

    @property
    def request(self) -> SipRequest:
        """As it came; it is kept until the final response, from then on its bytes are enough."""
        assert self._request is not None
        return self._request

    @property
    def is_answered(self) -> bool:
        """A final response is out."""
        return self.status >= 200

    def respond(self, response: SipResponse, now: float) -> None:
        """Send a response; nothing once a final one is out."""
        if self.is_answered:
            return
        self.status = response.status
        self._last = response.to_bytes()
        self._send()
        if self.is_answered:
            self._request = None
            self._answered(now)

    def repeat(self, now: float) -> None:
        """The request came again: so does our last response."""
        if self._last is not None:
            self._send()

    def _send(self) -> None:
        assert self._last is not None
        self._wire.send(self.flow, self._last)

    @abstractmethod
    def _answered(self, now: float) -> None:
        """The final response is out: what is still waited for, and for how long."""

    def _end_in(self, seconds: float, now: float) -> None:
        if self._end is not None:
            self._end.cancel()
        if seconds > 0:
            self._end = self._wire.timers.start(now + seconds, self._ended)
        else:
            self._ended(now)

    def _ended(self, now: float) -> None:
        self._over(now)


class OtherServer(ServerTransaction):
    """Any request but INVITE and ACK."""

    def _answered(self, now: float) -> None:
        self._end_in(0 if self.flow.reliable else self._wire.timing.give_up, now)  # timer J


class InviteServer(ServerTransaction):
    """An INVITE."""

    def __init__(self, request: SipRequest, flow: Flow, wire: Wire, over: Action) -> None:
        super().__init__(request, flow, wire, over)
        self._repetition: Repetition | None = None
        self._is_acknowledged = False

    def _answered(self, now: float) -> None:
        """Timers L and H: as long, until nobody can repeat anything any more. A refusal is repeated (timer G)."""
        self._end_in(self._wire.timing.give_up, now)
        if self.status >= 300 and not self.flow.reliable:
            self._repetition = Repetition(self._wire, self._send, self._wire.timing.t2, now)

    def acknowledge(self, now: float) -> bool:
        """An ACK with our branch: True when it is for a refusal of ours, which is then repeated no more."""
        if self.status < 300:
            return False
        if not self._is_acknowledged:
            self._is_acknowledged = True
            self._last = None
            self._end_in(0 if self.flow.reliable else self._wire.timing.t4, now)  # timer I
        return True

    def settle(self) -> None:
        """Our 2xx has arrived: copies of the INVITE that come now are not answered any more."""
        self._last = None

    def _end_in(self, seconds: float, now: float) -> None:
        if self._repetition is not None:
            self._repetition.stop()
            self._repetition = None
        super()._end_in(seconds, now)

    def _ended(self, now: float) -> None:
        if self._repetition is not None:
            self._repetition.stop()
        super()._ended(now)
