"""We change a running session, or say that we are still there; the opposite direction is `peer_offers`."""

from __future__ import annotations

from gateway.transports.sip.bodies import SDP_TYPE, UnknownBody, sdp_of
from gateway.transports.sip.call_state import Call, CallState, OwnOffer
from gateway.transports.sip.client_transaction import InviteClient, Received
from gateway.transports.sip.context import Context
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.sessions import Sessions
from gateway.transports.sip.ua_events import Reanswered, ReofferRefused
from gateway.transports.sip.wire import Failure

MAX_GLARES = 5
DIALOG_GONE = frozenset({408, 481})
"""Answers that end the dialog, and so the call (RFC 3261 section 12.2.1.2)."""
NOT_UNDERSTOOD = frozenset({405, 420, 501})


class OwnOffers:
    """New offers of ours: one at a time, and the latest counts."""

    def __init__(self, context: Context, hanging_up: HangingUp, sessions: Sessions) -> None:
        self._context = context
        self._hanging_up = hanging_up
        self._sessions = sessions

    def is_open(self, call: Call) -> bool:
        """We wait for the peer's answer to an offer of ours."""
        return call.ours is not None and call.ours.asked is not None and call.ours.sdp is not None

    def begin(self, call: Call, sdp: bytes, now: float) -> None:
        """Offer something else; at once, or as soon as nothing else is open."""
        if call.ours is not None and call.ours.asked is not None:
            call.ours.next = sdp
            return
        if call.ours is not None:
            call.ours.stop_timers()
        call.ours = OwnOffer(sdp)
        self.continue_(call, now)

    def refresh(self, call: Call, now: float) -> None:
        """Say where we are and that we are alive, changing nothing: by UPDATE where the peer takes that."""
        if call.ours is not None or call.state is not CallState.UP:
            return  # what is under way says the same
        if "UPDATE" in call.peer_allows:
            call.ours = OwnOffer(None)
        elif call.sdp is not None:
            call.ours = OwnOffer(call.sdp)
        self.continue_(call, now)

    def continue_(self, call: Call, now: float) -> None:
        """Something that an offer of ours may have waited for has happened."""
        ours = call.ours
        if ours is None or ours.asked is not None or ours.retry is not None:
            return
        is_free = call.theirs is None and call.kept is None and not call.is_cut
        if call.state is CallState.UP and is_free and call.dialog is not None:
            ours.asked = self._context.ask_in(call, self._request(call, ours), self._received(call, ours), now)
            limit = now + self._context.timing.give_up
            ours.limit = self._context.timers.start(limit, lambda at: self._overdue(call, ours, at))

    def _request(self, call: Call, ours: OwnOffer) -> SipRequest:
        assert call.dialog is not None
        request = call.dialog.request("UPDATE" if ours.sdp is None else "INVITE")
        terms = call.session.headers() if call.session is not None else []
        for name, value in (self._context.contact(call), *self._context.abilities(), *terms):
            request.headers.add(name, value)
        if ours.sdp is not None:
            request.headers.add("Content-Type", SDP_TYPE)
            request.body = ours.sdp
        return request

    # --- answers ---------------------------------------------------------------------------------------------------
    def _received(self, call: Call, ours: OwnOffer) -> Received:
        acks: list[bytes] = []

        def received(answer: SipResponse | Failure, now: float) -> None:
            if isinstance(answer, SipResponse) and answer.status < 200:
                return
            ours.stop_timers()
            if isinstance(answer, SipResponse) and answer.status < 300 and ours.sdp is not None:
                if acks:  # a repetition: the ACK was lost
                    self._context.wire.send(call.flow, acks[0])
                    return
                acks.append(self._acknowledge(call, ours, answer))
            if call.ours is ours:
                self._heard(call, ours, answer, now)

        return received

    def _heard(self, call: Call, ours: OwnOffer, answer: SipResponse | Failure, now: float) -> None:
        if answer is Failure.FLOW_CLOSED:
            ours.asked = None  # again on another flow: at once, or when there is one
            self.continue_(call, now)
        elif isinstance(answer, Failure) or answer.status in DIALOG_GONE:
            self._hanging_up.lose(call, "dialog_gone", now)
        elif answer.status == 422 and self._sessions.lengthen(call, answer):
            ours.asked = None
            self.continue_(call, now)
        elif answer.status == 491 and ours.glares < MAX_GLARES:
            self._wait(call, ours, now)
        else:
            self._decided(call, ours, answer, now)

    def _decided(self, call: Call, ours: OwnOffer, answer: SipResponse, now: float) -> None:
        call.ours = None
        if answer.status < 300:
            self._agreed(call, ours, answer, now)
        elif ours.sdp is not None:
            self._context.emit(ReofferRefused(call=call.key, status=answer.status))
        elif answer.status in NOT_UNDERSTOOD:
            call.peer_allows -= {"UPDATE"}
            self.refresh(call, now)
        if ours.next is not None:
            self.begin(call, ours.next, now)

    def _agreed(self, call: Call, ours: OwnOffer, answer: SipResponse, now: float) -> None:
        call.learn(answer)
        self._sessions.answered(call, answer, now)
        if call.dialog is not None:
            call.dialog.refresh_target(answer)
        if ours.sdp is None:
            return
        call.sdp = ours.sdp
        try:
            sdp = sdp_of(answer)
        except UnknownBody:
            sdp = None
        self._context.emit(Reanswered(call=call.key, sdp=sdp))

    def _acknowledge(self, call: Call, ours: OwnOffer, answer: SipResponse) -> bytes:
        assert ours.asked is not None
        assert call.dialog is not None
        call.dialog.refresh_target(answer)
        return self._context.acknowledge(ours.asked.request, call.dialog, call.flow)

    def _wait(self, call: Call, ours: OwnOffer, now: float) -> None:
        """Both offered at the same time: who owns the Call-ID waits longer (RFC 3261 section 14.1)."""
        assert call.dialog is not None
        chance = self._context.chance()
        delay = 2.1 + 1.9 * chance if call.dialog.owns_call_id else 2.0 * chance
        ours.asked, ours.glares = None, ours.glares + 1

        def again(at: float) -> None:
            ours.retry = None
            self.continue_(call, at)

        ours.retry = self._context.timers.start(now + delay, again)

    def _overdue(self, call: Call, ours: OwnOffer, now: float) -> None:
        """The peer said it would answer, and does not; perhaps because the call has ended meanwhile."""
        client = ours.asked.transaction if ours.asked is not None else None
        if isinstance(client, InviteClient) and client.is_provisional:
            self._context.transactions.cancel(client, now)
