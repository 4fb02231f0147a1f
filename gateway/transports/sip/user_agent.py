"""The SIP user agent of one line: messages in, messages and events out; no socket, no clock (RFC 3261).

Its owner gives it what its doors receive (`UserAgent.receive`), calls `timeout` when `next_timeout` has come, and after
each call drains `outgoing` and `events`. What a call is about is said by commands, which name it by its key; a command
for a call that has ended meanwhile does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from gateway.transports.sip.asking import Credentials
from gateway.transports.sip.bodies import SDP_TYPE
from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.context import (
    ALLOW,
    KNOWN_METHODS,
    RETRY_AFTER,
    SUPPORTED,
    Context,
    Extra,
    UserAgentSettings,
)
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.in_dialog import InDialog
from gateway.transports.sip.incoming import Incoming
from gateway.transports.sip.message import (
    Message,
    NameAddress,
    SipParseError,
    SipRequest,
    SipResponse,
    SipUri,
    mark_received,
    parse,
    response_to,
)
from gateway.transports.sip.outgoing import Outgoing
from gateway.transports.sip.own_offers import OwnOffers
from gateway.transports.sip.peer_offers import PeerOffers
from gateway.transports.sip.registration import Registration, RegistrationSettings
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction
from gateway.transports.sip.transferring import Transferring
from gateway.transports.sip.ua_events import UserAgentEvent

Welcome = Callable[[SipRequest, Flow, float], SipResponse | None]
"""Judges requests outside of calls, other than ACK and CANCEL: None when the peer may ask this, else what it gets, such
as the 401 of `digest.DigestServer.refuse`. Given the request, its flow, and the time."""

SCHEMES = frozenset({"sip", "sips", "tel"})
ALLOWED = frozenset(ALLOW.split(", "))


def _everybody(_: SipRequest, __: Flow, ___: float) -> None:
    """The door has seen to it that only those come who may."""


class UserAgent:
    """See the module.

    Args:
        tokens: Gives a new unguessable word each time, letters and digits.
        chance: Gives a number from 0 to below 1.
        welcome: See `Welcome`.
        credentials: Ours, for flows without a registration.
        registrations: What `register` may name, each with its credentials.

    Attributes:
        is_available: While False, OPTIONS are answered with 503: peers that ask so send no calls.
        counts: Of messages that came to nothing, by why; for metrics.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        *,
        tokens: Callable[[], str],
        chance: Callable[[], float],
        welcome: Welcome = _everybody,
        credentials: Credentials | None = None,
        registrations: Sequence[tuple[RegistrationSettings, Credentials | None]] = (),
    ) -> None:
        self.is_available = True
        self.counts: Counter[str] = Counter()
        self._welcome = welcome
        self._line_credentials = credentials
        context = self._context = Context(settings, tokens, chance, self._credentials)
        self._hanging_up = HangingUp(context)
        self._incoming = Incoming(context, self._hanging_up)
        self._outgoing = Outgoing(context, self._hanging_up)
        self._own_offers = OwnOffers(context, self._hanging_up)
        self._peer_offers = PeerOffers(context, self._incoming, self._own_offers)
        self._transferring = Transferring(context, self._hanging_up)
        self._in_dialog = InDialog(context, self._hanging_up, self._own_offers, self._peer_offers, self._transferring)
        self._registrations = {
            each.name: Registration(context, each, secret, self._moved) for each, secret in registrations
        }

    def __len__(self) -> int:
        """How much is remembered that will be forgotten: calls, transactions, timers; 0 when all is over."""
        return len(self._context)

    # --- what the owner does ---------------------------------------------------------------------------------------
    def receive(self, data: bytes | Message, flow: Flow, now: float) -> None:
        """Take in one message; whatever it is, nothing is raised.

        Args:
            data: One datagram or WebSocket message, or a message that `framing` has cut out of a stream.
        """
        message = self._parsed(data, flow) if isinstance(data, bytes) else data
        if isinstance(message, SipResponse):
            if not self._context.transactions.respond(message, now):
                self.counts["stray response"] += 1
        elif message is not None:
            self._request(message, flow, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A connection is gone. Its calls wait for `Timing.flow_grace` to be taken up by another flow."""
        self._hanging_up.flow_closed(flow, now)
        self._context.transactions.flow_closed(flow, now)
        for registration in self._registrations.values():
            registration.flow_closed(flow, now)

    def next_timeout(self) -> float | None:
        """When `timeout` is wanted; None while nothing is waited for."""
        return self._context.timers.next_timeout()

    def timeout(self, now: float) -> None:
        """Time has passed. Too early is harmless."""
        self._context.timers.run(now)

    def outgoing(self) -> list[tuple[Flow, bytes]]:
        """What is to be sent, in order; given once."""
        wire = self._context.wire
        messages, wire.outgoing = wire.outgoing, []
        return messages

    def events(self) -> list[UserAgentEvent]:
        """What has happened, in order; given once."""
        events, self._context.events = self._context.events, []
        return events

    # --- commands: their calls -------------------------------------------------------------------------------------
    def ring(self, call: CallKey, status: int = 180, sdp: bytes | None = None, *, now: float) -> None:
        """Say 180 without, 183 with early media, or another provisional status.

        Raises:
            LocalProtocolError: the call is answered already, or that is no such status.
        """
        if (known := self._call(call)) is not None:
            self._incoming.ring(known, status, sdp, now)

    def accept(self, call: CallKey, sdp: bytes, *, now: float) -> None:
        """Answer the call; `Acked` follows, or the end of the call.

        Raises:
            LocalProtocolError: the call is answered already.
        """
        if (known := self._call(call)) is not None:
            self._incoming.accept(known, sdp, now)

    def reject(self, call: CallKey, status: int, reason: str = "", headers: Extra = (), *, now: float) -> None:
        """Refuse the call, or send it elsewhere (302 with a Contact); `Released` follows.

        Raises:
            LocalProtocolError: the call is answered already, or that is no refusal.
        """
        if (known := self._call(call)) is not None:
            self._incoming.reject(known, status, reason, headers, now)

    # --- commands: our calls ---------------------------------------------------------------------------------------
    def invite(
        self, target: SipUri, sdp: bytes, flow: Flow, *, sender: NameAddress, headers: Extra = (), now: float
    ) -> CallKey:
        """Call somebody. `Ringing` may follow, and `Answered` or the end of the call do."""
        routes = next((each.service_route for each in self._registrations.values() if each.flow == flow), ())
        call, request = self._outgoing.invite(target, flow, sender, sdp, routes, headers)
        self._outgoing.begin(call, request, now)
        return call.key

    # --- commands: every call --------------------------------------------------------------------------------------
    def bye(self, call: CallKey, reason: str = "", *, now: float) -> None:
        """Hang up; `Released` follows, at the latest after half a minute. A call of ours that nobody has answered is
        cancelled; one of theirs is refused with 480.

        Args:
            reason: A Reason header, such as ``Q.850;cause=16``.
        """
        known = self._call(call)
        if known is None:
            return
        if known.state is CallState.CALLING:
            self._outgoing.give_up(known, reason, now)
        elif known.state is CallState.OFFERED:
            self._incoming.reject(known, 480, "", [("Reason", reason)] if reason else (), now)
        else:
            self._hanging_up.bye(known, reason, now)

    def refer(self, call: CallKey, target: SipUri, headers: Extra = (), *, now: float) -> None:
        """Have the peer call somebody else in our place; `ReferSucceeded` or `ReferFailed` follows, unless the call has
        ended. Hanging up is for the owner, after success."""
        if (known := self._call(call)) is not None:
            self._transferring.begin(known, target, headers, now)

    def info(self, call: CallKey, content_type: str, body: bytes, *, now: float) -> None:
        """Send an INFO, while the call is up."""
        if (known := self._call(call)) is not None:
            self._in_dialog.info(known, content_type, body, now)

    def reinvite(self, call: CallKey, sdp: bytes, *, now: float) -> None:
        """Change the session, as soon as nothing else is open; `Reanswered` or `ReofferRefused` follows."""
        if (known := self._call(call)) is not None:
            self._own_offers.begin(known, sdp, now)

    def answer_reoffer(self, call: CallKey, sdp: bytes, *, now: float) -> None:
        """Agree to what `Reoffered` said; nothing when that has been taken back."""
        if (known := self._call(call)) is not None:
            self._peer_offers.answer(known, sdp, now)

    def refuse_reoffer(self, call: CallKey, status: int = 488, *, now: float) -> None:
        """Leave the session as it is.

        Raises:
            LocalProtocolError: that is no refusal.
        """
        if (known := self._call(call)) is not None:
            self._peer_offers.refuse(known, status, now)

    # --- commands: registrations -----------------------------------------------------------------------------------
    def register(self, registration: str, flow: Flow, *, now: float) -> None:
        """Register on a flow from now on, and stay so; again with another flow when the connection was made anew.
        `Registered` or `RegistrationFailed` follows; the calls of the flow before come along."""
        self._registrations[registration].begin(flow, now)

    def unregister(self, registration: str, *, now: float) -> None:
        """Take leave; `Unregistered` follows, at the latest after half a minute."""
        self._registrations[registration].end(now)

    # --- requests --------------------------------------------------------------------------------------------------
    def _parsed(self, data: bytes, flow: Flow) -> Message | None:
        if not data.strip(b"\r\n\0 "):
            return None  # a keep-alive
        try:
            return parse(data, is_framed=flow.is_framed)
        except SipParseError as error:
            self.counts["unreadable"] += 1
            if error.answer is not None:
                self._context.wire.send(flow, error.answer.to_bytes())
            return None

    def _request(self, request: SipRequest, flow: Flow, now: float) -> None:
        mark_received(request, *flow.peer_address)
        call, transactions = self._context.find(request), self._context.transactions
        if request.method == "ACK":
            if not transactions.absorb_ack(request, now):
                self._ack(call, request, now)
        elif transactions.absorb(request, now):
            self.counts["repetition"] += 1
        elif call is not None and call.dialog is None and not flow.reliable:
            self.counts["too early"] += 1  # it has overtaken the 200 that makes the dialog; it will come again
        elif not transactions.has_room(flow):
            self._overloaded(request, flow)
        else:
            is_merged = transactions.is_merged(request)
            server = transactions.serve(request, flow)
            if not self._is_refused(server, is_merged, now):
                self._dispatch(call, server, flow, now)

    def _overloaded(self, request: SipRequest, flow: Flow) -> None:
        self.counts["no room"] += 1
        response = response_to(request, 503, to_tag=self._context.tokens())
        response.headers.add("Retry-After", str(RETRY_AFTER))
        self._context.wire.send(flow, response.to_bytes())

    def _ack(self, call: Call | None, ack: SipRequest, now: float) -> None:
        if call is not None and call.dialog is not None and call.dialog.is_meant_by(ack):
            self._incoming.acked(call, ack, now)
        else:
            self.counts["stray ACK"] += 1

    def _is_refused(self, server: ServerTransaction, is_merged: bool, now: float) -> bool:
        """What is wrong with a request whoever it is for (RFC 3261 section 8.2)."""
        request, answer = server.request, self._context.answer
        method, asks_register = request.method, request.method == "REGISTER" and self._takes_registers
        if method not in KNOWN_METHODS:
            answer(server, 501, now, extra=[("Allow", ALLOW)])
        elif method == "SUBSCRIBE":
            answer(server, 489, now, extra=[("Allow-Events", "refer")])
        elif method not in ALLOWED and not asks_register:
            answer(server, 405, now, extra=[("Allow", ALLOW)])
        elif request.uri.scheme not in SCHEMES:
            answer(server, 416, now)
        elif method != "CANCEL" and (lacking := _lacking(request)):
            answer(server, 420, now, extra=[("Unsupported", ", ".join(lacking))])
        elif is_merged:
            answer(server, 482, now)
        else:
            return False
        return True

    @property
    def _takes_registers(self) -> bool:
        return self._context.settings.takes_registers

    def _dispatch(self, call: Call | None, server: ServerTransaction, flow: Flow, now: float) -> None:
        request = server.request
        if request.method == "CANCEL":
            self._cancel(server, now)
        elif call is not None:
            self._in_dialog.received(call, server, flow, now)
        elif request.to.tag is not None or request.method in ("BYE", "INFO", "UPDATE"):
            self._context.answer(server, 481, now)
        elif (refusal := self._welcome(request, flow, now)) is not None:
            server.respond(refusal, now)
        elif isinstance(server, InviteServer):
            self._incoming.invited(server, flow, now)
        else:
            self._alone(server, now)

    def _alone(self, server: ServerTransaction, now: float) -> None:
        """OPTIONS, REGISTER and NOTIFY outside of a call."""
        answer, abilities = self._context.answer, self._context.abilities()
        if server.request.method == "NOTIFY":
            answer(server, 489, now, extra=[("Allow-Events", "refer")])
        elif server.request.method == "REGISTER":
            contacts = [("Contact", contact) for contact in server.request.headers.all("Contact") if contact != "*"]
            expires = server.request.headers.get("Expires")
            answer(server, 200, now, extra=[*contacts, *([("Expires", expires)] if expires else [])])
        elif self.is_available:
            answer(server, 200, now, extra=[*abilities, ("Accept", SDP_TYPE)])
        else:
            answer(server, 503, now, extra=[*abilities, ("Retry-After", str(RETRY_AFTER))])

    def _cancel(self, server: ServerTransaction, now: float) -> None:
        """It is answered whatever becomes of it; after our final response it changes nothing (section 9.2)."""
        invite = self._context.transactions.find_invite(server.request)
        if invite is None:
            self._context.answer(server, 481, now)
            return
        call = self._context.owner_of(invite)
        self._context.answer(server, 200, now, tag=call.tag if call is not None else None)
        if call is None or invite.is_answered:
            return
        if call.invite is invite:
            self._incoming.cancelled(call, server.request, now)
        else:
            self._peer_offers.withdrawn(call, now)

    # --- small parts -----------------------------------------------------------------------------------------------
    def _call(self, key: CallKey) -> Call | None:
        return self._context.calls.get(key)

    def _credentials(self, flow: Flow) -> Credentials | None:
        registered = (each.credentials for each in self._registrations.values() if each.flow == flow)
        return next(registered, self._line_credentials)

    def _moved(self, before: Flow, flow: Flow, now: float) -> None:
        """A registration is up on another flow: the calls take it too, and tell the peer where we are."""
        for call in self._context.on_flow(before):
            self._hanging_up.move(call, flow)
            self._hanging_up.bye_if_wanted(call, now)
            self._own_offers.refresh(call, now)
            self._own_offers.continue_(call, now)


def _lacking(request: SipRequest) -> list[str]:
    """The extensions that a request cannot do without, and we do not know."""
    return [tag for tag in request.headers.all("Require") if tag and tag.lower() not in SUPPORTED]
