"""Client transactions: a request of ours, and the responses to it (RFC 3261 section 17.1, RFC 6026)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import Headers, SipRequest, SipResponse
from gateway.transports.sip.timers import Action, Timer
from gateway.transports.sip.wire import Failure, Repetition, Wire

Received = Callable[[SipResponse | Failure, float], None]


class ClientTransaction(ABC):
    """What both kinds share.

    Attributes:
        request: As it was sent, with our Via.
        is_provisional: A provisional response has come, and no final one.

    Args:
        received: See `transaction.Transactions.ask`.
        over: Called once, at the end.
    """

    def __init__(self, request: SipRequest, flow: Flow, wire: Wire, received: Received, over: Action) -> None:
        self.request = request
        self.flow = flow
        self.is_provisional = False
        self._wire = wire
        self._received = received
        self._over = over
        self._is_answered = False
        self._repetition: Repetition | None = None
        self._end: Timer | None = None

    @property
    def is_answered(self) -> bool:
        """A final response has come, or none will."""
        return self._is_answered

    def begin(self, now: float) -> None:
        """Send it. Timers B and F; over unreliable transports A and E too."""
        data = self.request.to_bytes()
        self._wire.send(self.flow, data)
        if not self.flow.reliable:
            self._repetition = Repetition(self._wire, lambda: self._wire.send(self.flow, data), self._limit(), now)
        self._end = self._wire.timers.start(now + self._wire.timing.give_up, self._gave_up)

    @abstractmethod
    def respond(self, response: SipResponse, now: float) -> None:
        """Take a response to it, new or repeated."""

    def fail(self, failure: Failure, now: float) -> None:
        """There will be no (other) response."""
        told, self._is_answered = self._is_answered, True
        self._stop()
        self._over(now)
        if not told:
            self._received(failure, now)

    @abstractmethod
    def _limit(self) -> float | None:
        """Longest interval between repetitions, in seconds; None: they go on doubling."""

    def _gave_up(self, now: float) -> None:
        self.fail(Failure.TIMEOUT, now)

    def _stop(self) -> None:
        if self._repetition is not None:
            self._repetition.stop()
        if self._end is not None:
            self._end.cancel()

    def _end_in(self, seconds: float, now: float) -> None:
        self._stop()
        if seconds > 0:
            self._end = self._wire.timers.start(now + seconds, self._over)
        else:
            self._over(now)


class OtherClient(ClientTransaction):
    """Any request but INVITE and ACK."""

    def _limit(self) -> float:
        return self._wire.timing.t2

    def respond(self, response: SipResponse, now: float) -> None:
        if self._is_answered:
            return
        if response.status < 200:
            self.is_provisional = True
            if self._repetition is not None:
                self._repetition.slow_down()
        else:
            self._is_answered, self.is_provisional = True, False
            self._end_in(0 if self.flow.reliable else self._wire.timing.t4, now)  # timer K
        self._received(response, now)


class InviteClient(ClientTransaction):
    """An INVITE. After a provisional response it waits without end: who asked has to set a limit, and cancel."""

    def __init__(self, request: SipRequest, flow: Flow, wire: Wire, received: Received, over: Action) -> None:
        super().__init__(request, flow, wire, received, over)
        self.is_cancelled = False
        self._status = 0
        self._ack: bytes | None = None

    def _limit(self) -> None:
        return None

    def respond(self, response: SipResponse, now: float) -> None:
        if response.status < 200:
            self._progress(response, now)
        elif response.status < 300:
            self._accepted(response, now)
        elif self._ack is not None:
            self._wire.send(self.flow, self._ack)
        elif not self._is_answered:
            self._refused(response, now)

    def _progress(self, response: SipResponse, now: float) -> None:
        if self._is_answered:
            return
        if not self.is_provisional:
            self.is_provisional = True
            self._stop()
        self._received(response, now)

    def _accepted(self, response: SipResponse, now: float) -> None:
        """Every one goes up: it has to be acknowledged, and another telephone may have answered too (timer M)."""
        if self._status >= 300:
            return
        if not self._is_answered:
            self._status, self._is_answered, self.is_provisional = response.status, True, False
            self._end_in(self._wire.timing.give_up, now)
        self._received(response, now)

    def _refused(self, response: SipResponse, now: float) -> None:
        self._status, self._is_answered, self.is_provisional = response.status, True, False
        self._ack = ack_to_refusal(self.request, response).to_bytes()
        self._wire.send(self.flow, self._ack)
        self._end_in(0 if self.flow.reliable else self._wire.timing.give_up, now)  # timer D
        self._received(response, now)

    def cancel(self, now: float) -> SipRequest:
        """Do not wait for ever from now on, and give the CANCEL to be asked (RFC 3261 section 9.1); only while it is
        provisional: before, the peer may not know of it."""
        self.is_cancelled = True
        self._stop()
        self._end = self._wire.timers.start(now + self._wire.timing.give_up, self._gave_up)
        return _like(self.request, "CANCEL", self.request.headers.get("To") or "")


def ack_to_refusal(invite: SipRequest, response: SipResponse) -> SipRequest:
    """The ACK of the transaction itself, for 3xx to 6xx (RFC 3261 section 17.1.1.3)."""
    return _like(invite, "ACK", response.headers.get("To") or "")


def _like(invite: SipRequest, method: str, to: str) -> SipRequest:
    headers = Headers([("Via", str(invite.vias[0]))])
    for route in invite.headers.fields("Route"):
        headers.add("Route", route)
    headers.add("Max-Forwards", "70")
    headers.add("From", invite.headers.get("From") or "")
    headers.add("To", to)
    headers.add("Call-ID", invite.call_id)
    headers.add("CSeq", f"{invite.cseq.number} {method}")
    return SipRequest(method, invite.uri, headers)
