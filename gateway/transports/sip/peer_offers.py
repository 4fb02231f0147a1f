"""The peer changes a running session: its re-INVITE (RFC 3261 section 14.2) and UPDATE (RFC 3311 section 5.2).

The opposite direction is `own_offers`.
"""

from __future__ import annotations

from gateway.errors import LocalProtocolError
from gateway.transports.sip.bodies import SDP_TYPE, UnknownBody, sdp_of
from gateway.transports.sip.call_state import Call, CallState, PeerOffer
from gateway.transports.sip.context import Context
from gateway.transports.sip.incoming import Incoming
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.own_offers import OwnOffers
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction
from gateway.transports.sip.sessions import Sessions
from gateway.transports.sip.ua_events import Acked, ReofferCancelled, Reoffered


class PeerOffers:
    """New offers of the peer's."""

    def __init__(self, context: Context, incoming: Incoming, own: OwnOffers, sessions: Sessions) -> None:
        self._context = context
        self._incoming = incoming
        self._sessions = sessions
        self._own = own

    def received(self, call: Call, server: ServerTransaction, now: float) -> None:
        """A re-INVITE or UPDATE whose number is in order."""
        request = server.request
        try:
            sdp = sdp_of(request)
        except UnknownBody:
            self._context.answer(server, 415, now, extra=[("Accept", SDP_TYPE)])
            return
        changes = sdp is not None or request.method == "INVITE"
        if (changes and self._refused(call, server, now)) or self._sessions.refuses(server, now):
            return
        call.learn(request)
        if call.dialog is not None:
            call.dialog.refresh_target(request)
        if not changes:
            self._context.answer(server, 200, now, extra=self._about(call, request, now))
            return
        if request.method == "INVITE":
            self._context.answer(server, 100, now, reason="Trying")
        limit = self._context.timers.start(now + self._context.timing.reoffer_limit, lambda at: self._late(call, at))
        call.theirs = PeerOffer(server, sdp is not None, limit)
        self._context.emit(Reoffered(call=call.key, sdp=sdp))

    def _refused(self, call: Call, server: ServerTransaction, now: float) -> bool:
        """Whether another offer is open: ours gets them 491, theirs 500 (RFC 3261 section 14.2, RFC 3311 section 5.2).

        A re-INVITE before the ACK to our last 2xx shows that this one has arrived: the ACK was lost or is late, and is
        not waited for any longer, unless it were to bring an answer (RFC 5407 section 3.1.5).
        """
        if call.theirs is not None or call.state is CallState.OFFERED:
            wait = str(int(self._context.chance() * 10))
            self._context.answer(server, 500, now, extra=[("Retry-After", wait)])
        elif call.state is CallState.ENDING:
            self._context.answer(server, 481, now)
        elif self._own.is_open(call) or (call.kept is not None and call.kept.has_offer):
            self._context.answer(server, 491, now)
        else:
            if call.kept is not None and server.request.method == "INVITE":
                self._incoming.settle(call)
                self._context.emit(Acked(call=call.key))
            return False
        return True

    def answer(self, call: Call, sdp: bytes, now: float) -> None:
        """Agree. Without an offer in theirs, this is ours, and `Acked` brings the answer."""
        offer = self._take(call)
        if offer is None:
            return
        server = offer.server
        if isinstance(server, InviteServer):
            self._incoming.keep(call, server, sdp, has_offer=not offer.has_sdp, now=now)
        else:
            call.sdp = sdp
            self._context.answer(server, 200, now, extra=self._about(call, server.request, now), sdp=sdp)
        self._own.continue_(call, now)

    def refuse(self, call: Call, status: int, now: float) -> None:
        """Leave everything as it was."""
        if not 300 <= status <= 699:
            raise LocalProtocolError("a refusal has a status of 300 to 699")
        offer = self._take(call)
        if offer is not None:
            self._context.answer(offer.server, status, now)
            self._own.continue_(call, now)

    def withdrawn(self, call: Call, now: float) -> None:
        """They have cancelled it."""
        self._end(call, 487, now)

    def _late(self, call: Call, now: float) -> None:
        self._end(call, 500, now)

    def _end(self, call: Call, status: int, now: float) -> None:
        offer = self._take(call)
        if offer is None:
            return
        self._context.answer(offer.server, status, now)
        self._context.emit(ReofferCancelled(call=call.key))
        self._own.continue_(call, now)

    def _take(self, call: Call) -> PeerOffer | None:
        """The open offer; None when it has been withdrawn meanwhile."""
        offer, call.theirs = call.theirs, None
        if offer is not None:
            offer.limit.cancel()
        return offer

    def _about(self, call: Call, request: SipRequest, now: float) -> list[tuple[str, str]]:
        terms = self._sessions.answer(call, request, now)
        return [self._context.contact(call), *self._context.abilities(), *terms]
