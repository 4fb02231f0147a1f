"""The SIP user agent of one line: messages in, messages and events out; no socket, no clock (RFC 3261).

Its owner gives it what its doors receive (`UserAgent.receive`), calls `timeout` when `next_timeout` has come, and after
each call drains `outgoing` and `events`. What a call is about is said by commands, which name it by its key; a command
for a call that has ended meanwhile does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.transports.sip.asking import Credentials
from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.context import Context, Extra, UserAgentSettings
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.in_dialog import InDialog
from gateway.transports.sip.incoming import Incoming
from gateway.transports.sip.message import Message, NameAddress, SipParseError, SipResponse, SipUri, parse
from gateway.transports.sip.outgoing import Outgoing
from gateway.transports.sip.own_offers import OwnOffers
from gateway.transports.sip.peer_offers import PeerOffers
from gateway.transports.sip.reception import Reception, Welcome, everybody
from gateway.transports.sip.registration import Registration, RegistrationSettings
from gateway.transports.sip.replacing import can_be_sent_to_another_call, invitation_to_replace
from gateway.transports.sip.sessions import Sessions
from gateway.transports.sip.standing import Standing
from gateway.transports.sip.transferring import Transferring
from gateway.transports.sip.ua_events import UserAgentEvent


class UserAgent:
    """See the module.

    Args:
        tokens: Gives a new unguessable word each time, letters and digits.
        chance: Gives a number from 0 to below 1.
        welcome: See `reception.Welcome`.
        credentials: Ours, for flows without a registration.
        registrations: What `register` may name, each with its credentials.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        *,
        tokens: Callable[[], str],
        chance: Callable[[], float],
        welcome: Welcome = everybody,
        credentials: Credentials | None = None,
        registrations: Sequence[tuple[RegistrationSettings, Credentials | None]] = (),
    ) -> None:
        self._line_credentials = credentials
        context = self._context = Context(
            settings, tokens, chance, self._credentials, self._user, self._contact_transport
        )
        self._hanging_up = HangingUp(context)
        sessions = Sessions(context, self._hanging_up, lambda call, now: self._own_offers.refresh(call, now))
        self._incoming = Incoming(context, self._hanging_up, sessions)
        self._outgoing = Outgoing(context, self._hanging_up, sessions)
        self._own_offers = OwnOffers(context, self._hanging_up, sessions)
        self._peer_offers = PeerOffers(context, self._incoming, self._own_offers, sessions)
        self._transferring = Transferring(context, self._hanging_up)
        self._in_dialog = InDialog(
            context, self._hanging_up, self._incoming, self._own_offers, self._peer_offers, self._transferring
        )
        self._reception = Reception(context, self._incoming, self._peer_offers, self._in_dialog, welcome)
        self._registrations = {
            each.name: Registration(context, each, secret, self._moved) for each, secret in registrations
        }

    def __len__(self) -> int:
        """How much is remembered that will be forgotten: calls, transactions, timers; 0 when all is over."""
        return len(self._context)

    @property
    def counts(self) -> Counter[str]:
        """Of messages that came to nothing, by why; for metrics."""
        return self._reception.counts

    @property
    def is_available(self) -> bool:
        """While False, OPTIONS are answered with 503: peers that ask so send no calls."""
        return self._reception.is_available

    @is_available.setter
    def is_available(self, is_available: bool) -> None:
        self._reception.is_available = is_available

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
            self._reception.received(message, flow, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A connection is gone. Its calls wait for `Timing.flow_grace` to be taken up by another flow."""
        self._hanging_up.flow_closed(flow, now)
        for registration in self._registrations.values():
            registration.flow_closed(flow, now)
        self._context.transactions.flow_closed(flow, now)

    def has_calls(self, flow: Flow) -> bool:
        """Whether there are calls whose messages take a flow."""
        return bool(self._context.on_flow(flow))

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
        self,
        target: SipUri,
        sdp: bytes,
        flow: Flow,
        *,
        sender: NameAddress,
        headers: Extra = (),
        ring_limit: float | None = None,
        now: float,
    ) -> CallKey:
        """Call somebody. `Ringing` may follow, and `Answered` or the end of the call do.

        Args:
            ring_limit: Seconds until it is given up; None: those of `Timing`.
        """
        routes = next((each.service_route for each in self._registrations.values() if each.flow == flow), ())
        call, request = self._outgoing.invite(target, flow, sender, sdp, routes, headers)
        self._outgoing.begin(call, request, now, ring_limit)
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

    def consult(
        self,
        call: CallKey,
        target: SipUri,
        sdp: bytes,
        *,
        display: str = "",
        headers: Extra = (),
        ring_limit: float | None = None,
        now: float,
    ) -> CallKey | None:
        """For an attended transfer: call somebody by the way by which a call came, as whom it called. None where that
        call is not up, or its peer does not say that it can be referred to another call.

        Args:
            display: What the target is to read of who calls.
            ring_limit: As for `invite`.
        """
        known = self._call(call)
        if known is None or known.dialog is None or not can_be_sent_to_another_call(known):
            return None
        registered = (each.settings.aor for each in self._registrations.values() if each.flow == known.flow)
        sender, plain = NameAddress(display, next(registered, known.dialog.local.uri)), replace(target, headers=())
        return self.invite(plain, sdp, known.flow, sender=sender, headers=headers, ring_limit=ring_limit, now=now)

    def replacing(self, call: CallKey) -> SipUri | None:
        """For an attended transfer: the target that lets whoever calls it take our place in a call that is up. None
        for a call that is not up, or whose far side does not say that it can do that."""
        known = self._call(call)
        return invitation_to_replace(known) if known is not None else None

    def info(self, call: CallKey, content_type: str, body: bytes, *, now: float) -> None:
        """Send an INFO, while the call is up."""
        if (known := self._call(call)) is not None:
            self._in_dialog.tell(known, "INFO", (), content_type, body, now)

    def notify(self, call: CallKey, headers: Extra, content_type: str, body: bytes, *, now: float) -> None:
        """Send a NOTIFY, while the call is up: how far a transfer is that the peer has asked for.

        Args:
            headers: Event and Subscription-State.
        """
        if (known := self._call(call)) is not None:
            contact = self._context.contact(known)
            self._in_dialog.tell(known, "NOTIFY", (contact, *headers), content_type, body, now)

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

    def standing(self, registration: str) -> Standing:
        """How a registration is."""
        return self._registrations[registration].standing

    # --- small parts -----------------------------------------------------------------------------------------------
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

    def _call(self, key: CallKey) -> Call | None:
        return self._context.calls.get(key)

    def _credentials(self, flow: Flow) -> Credentials | None:
        registered = (each.credentials for each in self._registrations.values() if each.flow == flow)
        return next(registered, self._line_credentials)

    def _user(self, flow: Flow) -> str:
        registered = (each.settings.user for each in self._registrations.values() if each.flow == flow)
        return next(registered, self._context.settings.user)

    def _contact_transport(self, flow: Flow) -> str | None:
        return next((it.settings.contact_transport for it in self._registrations.values() if it.flow == flow), None)

    def _moved(self, before: Flow, flow: Flow, now: float) -> None:
        """A registration is up on another flow: the calls take it too, and tell the peer where we are."""
        for call in self._context.on_flow(before):
            self._hanging_up.move(call, flow)
            self._hanging_up.bye_if_wanted(call, now)
            self._own_offers.refresh(call, now)
            self._own_offers.continue_(call, now)
