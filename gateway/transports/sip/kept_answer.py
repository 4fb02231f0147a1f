"""A 2xx to INVITE, sent until it is acknowledged (RFC 3261 section 13.3.1.4); over TCP and WebSocket too, for somebody
behind the next station may lose it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.transports.sip.timers import Action
from gateway.transports.sip.wire import Repetition, Wire


class KeptAnswer:
    """Ours, until `stop`.

    Attributes:
        number: CSeq of the INVITE, and so of the ACK.
        has_offer: The ACK has to bring the answer.

    Args:
        send: Sends it, also the first time.
        given_up: Called when nobody has acknowledged it in half a minute.
    """

    def __init__(
        self, wire: Wire, number: int, *, has_offer: bool, send: Callable[[], None], given_up: Action, now: float
    ) -> None:
        self.number = number
        self.has_offer = has_offer
        self._repetition = Repetition(wire, send, wire.timing.t2, now)
        self._limit = wire.timers.start(now + wire.timing.give_up, self._over)
        self._given_up = given_up

    def stop(self) -> None:
        """It has arrived, or the call is over."""
        self._repetition.stop()
        self._limit.cancel()

    def _over(self, now: float) -> None:
        self._repetition.stop()
        self._given_up(now)
