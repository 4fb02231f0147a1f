"""Calls that come: INVITE, our responses to it, CANCEL, and the ACK (RFC 3261 sections 8.2, 9.2, 13.3)."""

from __future__ import annotations

import re

from gateway.errors import LocalProtocolError
from gateway.transports.sip.bodies import SDP_TYPE, UnknownBody, sdp_of
from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.context import RETRY_AFTER, Context, Extra
from gateway.transports.sip.dialog import Dialog, asks_for_security
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.kept_answer import KeptAnswer
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.provisional import Provisional
from gateway.transports.sip.replacing import replaced_by
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction
from gateway.transports.sip.sessions import Sessions
from gateway.transports.sip.ua_events import Acked, CallLost, Cancelled, Invited, Released

_ANSWERED_ELSEWHERE = re.compile(r"\s*SIP\s*;(?:.*;)?\s*cause\s*=\s*200\b", re.IGNORECASE)


class Incoming:
    """Their calls of one user agent, until they are up; and what is kept of our 2xx, also to their re-INVITEs."""

    def __init__(self, context: Context, hanging_up: HangingUp, sessions: Sessions) -> None:
        self._context = context
        self._hanging_up = hanging_up
        self._sessions = sessions
        self._provisional = Provisional(context)

    # --- what the peer says ----------------------------------------------------------------------------------------
    def invited(self, server: InviteServer, flow: Flow, now: float) -> None:
        """A new call, welcome and well formed as far as any request has to be."""
        request, context = server.request, self._context
        replaced = replaced_by(context, request)
        if isinstance(replaced, int):
            context.answer(server, replaced, now)
            return
        if replaced is None and len(context.calls) >= context.settings.max_calls:
            context.answer(server, 503, now, extra=[("Retry-After", str(RETRY_AFTER))])
            return
        if len(request.contacts) != 1:
            context.answer(server, 400, now, reason="Contact Missing Or Not One")
            return
        try:
            sdp = sdp_of(request)
        except UnknownBody:
            context.answer(server, 415, now, extra=[("Accept", SDP_TYPE)])
            return
        if self._sessions.refuses(server, now):
            return
        context.answer(server, 100, now, reason="Trying")
        call = self._new_call(server, flow)
        call.limit = context.timers.start(now + context.timing.ring_limit, lambda at: self._undecided(call, at))
        replaces = replaced.key if replaced is not None else None
        context.emit(Invited(call=call.key, request=request, flow=flow, sdp=sdp, replaces=replaces))

    def _new_call(self, server: InviteServer, flow: Flow) -> Call:
        request, tag = server.request, self._context.tokens()
        call = Call(
            key=CallKey(self._context.tokens()),
            flow=flow,
            state=CallState.OFFERED,
            call_id=request.call_id,
            tag=tag,
            dialog=Dialog.as_callee(request, tag),
            invite=server,
            invited=request.cseq.number,
            is_secure=asks_for_security(request),
        )
        call.learn(request)
        self._context.add(call)
        return call

    def cancelled(self, call: Call, cancel: SipRequest, now: float) -> None:
        """The caller gave up, and we have not answered yet."""
        invite, reasons = self._open(call), cancel.headers.all("Reason")
        elsewhere = any(_ANSWERED_ELSEWHERE.match(reason) for reason in reasons)
        end = Cancelled(call=call.key, answered_elsewhere=elsewhere, reason=", ".join(reasons))
        self._context.answer(invite, 487, now, tag=call.tag)
        self._context.finish(call, end, now)

    def acked(self, call: Call, ack: SipRequest, now: float) -> None:
        """An ACK within a dialog: our 2xx has arrived."""
        kept = call.kept
        if kept is None or ack.cseq.number != kept.number:
            return
        try:
            sdp = sdp_of(ack) if kept.has_offer else None
        except UnknownBody:
            sdp = None
        self.settle(call)
        if kept.has_offer and sdp is None:
            self._hanging_up.lose(call, "no_answer", now)
            return
        self._context.emit(Acked(call=call.key, sdp=sdp))
        self._hanging_up.bye_if_wanted(call, now)

    def settle(self, call: Call) -> None:
        """Our 2xx is known to have arrived."""
        if call.kept is not None:
            call.kept.stop()
            call.kept = None
        if call.state is CallState.ANSWERED:
            call.state = CallState.UP
        if call.invite is not None:
            call.invite.settle()
            call.invite = None

    # --- what we say -----------------------------------------------------------------------------------------------
    def ring(self, call: Call, status: int, sdp: bytes | None, now: float) -> None:
        """Say something before the answer."""
        self._provisional.ring(call, self._open(call), status, sdp, now)

    def heard(self, call: Call, server: ServerTransaction, now: float) -> None:
        """A PRACK within a dialog: what we said before the answer has arrived."""
        answer = self._provisional.heard(call, server, now)
        if answer is not None:
            self.accept(call, answer, now)

    def accept(self, call: Call, sdp: bytes, now: float) -> None:
        """Answer the call; what the 200 holds is the answer, or the offer where there was none."""
        invite = self._open(call)
        if call.unheard is not None and call.unheard.has_sdp:
            call.unheard.answer = sdp
            return
        call.stop_ringing()
        call.state = CallState.ANSWERED
        has_offer = sdp_of(invite.request) is None
        self.keep(call, invite, sdp, has_offer=has_offer, now=now)

    def keep(self, call: Call, server: InviteServer, sdp: bytes, *, has_offer: bool, now: float) -> None:
        """Answer an INVITE with 200, again and again until it is acknowledged; without an ACK the call is over."""
        number = server.request.cseq.number
        terms = self._sessions.answer(call, server.request, now)
        extra = [self._context.contact(call), *self._context.abilities(), *terms]
        data = self._context.answer(server, 200, now, tag=call.tag, extra=extra, sdp=sdp).to_bytes()
        call.sdp = sdp
        call.kept = KeptAnswer(
            self._context.wire,
            number,
            has_offer=has_offer,
            send=lambda: self._context.wire.send(call.flow, data),
            given_up=lambda at: self._hanging_up.lose(call, "no_ack", at),
            now=now,
        )

    def reject(self, call: Call, status: int, reason: str, headers: Extra, now: float) -> None:
        """Refuse the call, or send it elsewhere."""
        invite = self._open(call)
        if not 300 <= status <= 699:
            raise LocalProtocolError("a refusal has a status of 300 to 699")
        self._context.answer(invite, status, now, reason=reason or None, tag=call.tag, extra=headers)
        self._context.finish(call, Released(call=call.key), now)

    def _undecided(self, call: Call, now: float) -> None:
        if call.invite is not None:
            self._context.answer(call.invite, 480, now, tag=call.tag)
        self._context.finish(call, CallLost(call=call.key, cause="not_decided"), now)

    def _open(self, call: Call) -> InviteServer:
        if call.state is not CallState.OFFERED or call.invite is None:
            raise LocalProtocolError("the call has been answered already")
        return call.invite
