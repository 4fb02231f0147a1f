"""Calls of ours: INVITE, what comes back, perhaps from several telephones, and CANCEL (RFC 3261 sections 9.1, 13.2)."""

from __future__ import annotations

from gateway.transports.sip.bodies import SDP_TYPE, UnknownBody, sdp_of
from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.client_transaction import InviteClient, Received
from gateway.transports.sip.context import Context, Extra
from gateway.transports.sip.dialog import MAX_HOPS, Dialog
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.message import Headers, NameAddress, SipRequest, SipResponse, SipUri
from gateway.transports.sip.retrying import retry_after
from gateway.transports.sip.sessions import Sessions
from gateway.transports.sip.ua_events import Answered, Refused, Released, Ringing
from gateway.transports.sip.wire import Failure

MAX_FORKS = 16
"""Telephones that may answer one call of ours; of more nothing is known but that they are hung up on."""


class Outgoing:
    """Calls of ours of one user agent, until they are up."""

    def __init__(self, context: Context, hanging_up: HangingUp, sessions: Sessions) -> None:
        self._context = context
        self._hanging_up = hanging_up
        self._sessions = sessions

    def invite(
        self, target: SipUri, flow: Flow, sender: NameAddress, sdp: bytes, routes: tuple[str, ...], headers: Extra
    ) -> tuple[Call, SipRequest]:
        """A call, not yet sent."""
        context = self._context
        tag, call_id = context.tokens(), context.tokens()
        call = Call(
            key=CallKey(context.tokens()),
            flow=flow,
            state=CallState.CALLING,
            call_id=call_id,
            tag=tag,
            sdp=sdp,
            is_secure=target.scheme == "sips",
        )
        fields = Headers([("Route", route) for route in routes])
        fields.add("Max-Forwards", MAX_HOPS)
        fields.add("From", str(sender.with_param("tag", tag)))
        fields.add("To", str(NameAddress("", target)))
        fields.add("Call-ID", call_id)
        fields.add("CSeq", "1 INVITE")
        for name, value in (context.contact(call), *context.abilities(), *headers, ("Content-Type", SDP_TYPE)):
            fields.add(name, value)
        return call, SipRequest("INVITE", target, fields, sdp)

    def begin(self, call: Call, request: SipRequest, now: float, ring_limit: float | None = None) -> None:
        """Send it.

        Args:
            ring_limit: Seconds; None: that of all calls.
        """
        numbers = iter(range(2, 1000))
        self._context.add(call)
        limit = now + (self._context.timing.ring_limit if ring_limit is None else ring_limit)
        call.limit = self._context.timers.start(limit, lambda at: self._cancel(call, at))
        call.calling = self._context.ask(request, call.flow, lambda: next(numbers), self._received(call), now)

    def give_up(self, call: Call, reason: str, now: float) -> None:
        """We hang up before anybody has answered."""
        if not call.wants_bye:
            call.wants_bye, call.reason = True, reason
            self._cancel(call, now)

    def _cancel(self, call: Call, now: float) -> None:
        """At once, if anything was heard of the peer, else as soon as that is so."""
        client = call.calling.transaction if call.calling is not None else None
        call.is_cancelled = True
        if isinstance(client, InviteClient) and client.is_provisional and not client.is_cancelled:
            self._context.transactions.cancel(client, now)

    # --- what comes back -------------------------------------------------------------------------------------------
    def _received(self, call: Call) -> Received:
        acks: dict[str, bytes] = {}

        def received(answer: SipResponse | Failure, now: float) -> None:
            if isinstance(answer, Failure):
                self._ended(call, answer, now)
            elif answer.status < 200:
                self._progress(call, answer, now)
            elif answer.status >= 300:
                self._ended(call, answer, now)
            elif (tag := answer.to.tag or "") in acks:
                self._context.wire.send(call.flow, acks[tag])
            elif len(acks) < MAX_FORKS:
                acks[tag] = self._answered(call, answer, now)

        return received

    def _progress(self, call: Call, response: SipResponse, now: float) -> None:
        if call.state is not CallState.CALLING:
            return
        if call.is_cancelled:
            self._cancel(call, now)
        call.learn(response)
        if response.status > 100 and not call.is_cancelled:
            self._context.emit(Ringing(call=call.key, status=response.status, sdp=_sdp(response)))

    def _answered(self, call: Call, response: SipResponse, now: float) -> bytes:
        """Somebody took the call. Who comes second, or too late, is hung up on."""
        assert call.calling is not None
        dialog = Dialog.as_caller(call.calling.request, response)
        ack = self._context.acknowledge(call.calling.request, dialog, call.flow)
        if call.state is not CallState.CALLING:
            self._hanging_up.bye_alone(dialog, call.flow, "", now)
            return ack
        call.dialog, call.state = dialog, CallState.UP
        call.stop_ringing()
        call.learn(response)
        self._sessions.answered(call, response, now)
        if call.is_cancelled:
            self._hanging_up.bye(call, call.reason, now)
        else:
            self._context.emit(Answered(call=call.key, sdp=_sdp(response)))
        return ack

    def _ended(self, call: Call, answer: SipResponse | Failure, now: float) -> None:
        if call.state is not CallState.CALLING:
            return
        if call.wants_bye:
            self._context.finish(call, Released(call=call.key), now)
        elif isinstance(answer, Failure) or call.is_cancelled:
            self._context.finish(call, Refused(call=call.key, status=None), now)
        else:
            refused = Refused(
                call=call.key,
                status=answer.status,
                reason=answer.reason,
                retry_after=retry_after(answer),
                contacts=tuple(str(contact.uri) for contact in answer.contacts),
            )
            self._context.finish(call, refused, now)


def _sdp(response: SipResponse) -> bytes | None:
    try:
        return sdp_of(response)
    except UnknownBody:
        return None
