"""What the parts of one user agent share: settings, time, transactions, calls, and the events for its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.transports.sip.asking import Asked, Credentials
from gateway.transports.sip.bodies import SDP_TYPE
from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.client_transaction import Received
from gateway.transports.sip.dialog import Dialog
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.message import NameAddress, SipRequest, SipResponse, response_to
from gateway.transports.sip.refer import ReferEvent
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction
from gateway.transports.sip.timers import Timers, Timing
from gateway.transports.sip.transaction import COOKIE, TransactionLimits, Transactions, with_via
from gateway.transports.sip.ua_events import ByeReceived, CallEnd, UserAgentEvent
from gateway.transports.sip.wire import Wire

Extra = Iterable[tuple[str, str]]
"""Headers to add."""

SUPPORTED = ("timer", "replaces")
"""Option tags (RFC 3261 section 19.2) that we say we know."""
UNDERSTOOD = frozenset({*SUPPORTED, "100rel"})
"""Those that a Require may name: nobody is to send us reliable provisional responses, which we only send."""
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, PRACK"
KNOWN_METHODS = frozenset({*ALLOW.split(", "), *("REFER", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH")})
"""What is known and not allowed gets 405, what is unknown 501."""
RETRY_AFTER = 5
"""Seconds, in refusals for want of room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAgentSettings:
    """How one line behaves.

    Attributes:
        user: Of our Contact in calls; where a flow was registered, the user of that registration takes its place.
        product: User-Agent and Server; empty to say nothing.
        has_outbound: Contacts on WebSockets ask for the flow to be kept (``ob``, RFC 5626).
        takes_registers: REGISTER is answered with 200 and kept nowhere; by itself it is refused.
        max_calls: More are refused with 503; the same again may still be remembered for a transfer.
    """

    user: str = "talkpath"
    product: str = "Talkpath"
    has_outbound: bool = True
    takes_registers: bool = False
    max_calls: int = 2000
    timing: Timing = field(default_factory=Timing)
    limits: TransactionLimits = field(default_factory=TransactionLimits)


class Context:
    """See the module.

    Args:
        tokens: Gives a new unguessable word each time, letters and digits: tags, branches, Call-IDs, call keys.
        chance: Gives a number from 0 to below 1, for whatever must not happen at the same time everywhere.
        credentials: Ours on a flow.
        user: Of our Contact on a flow.
        contact_transport: What that says as ``transport``; see `flow.Flow.contact`.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        tokens: Callable[[], str],
        chance: Callable[[], float],
        credentials: Callable[[Flow], Credentials | None],
        user: Callable[[Flow], str],
        contact_transport: Callable[[Flow], str | None],
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.chance = chance
        self.wire = Wire(settings.timing)
        self.transactions = Transactions(self.wire, tokens, settings.limits)
        self.events: list[UserAgentEvent] = []
        self.calls: dict[CallKey, Call] = {}
        self._dialogs: dict[tuple[str, str], Call] = {}
        self._credentials = credentials
        self._user = user
        self._contact_transport = contact_transport

    @property
    def timers(self) -> Timers:
        return self.wire.timers

    @property
    def timing(self) -> Timing:
        return self.settings.timing

    def emit(self, *events: UserAgentEvent | ReferEvent) -> None:
        self.events.extend(events)

    def __len__(self) -> int:
        """Everything that is remembered and will be forgotten."""
        return len(self.timers) + len(self.transactions) + len(self.calls) + len(self._dialogs)

    # --- calls -----------------------------------------------------------------------------------------------------
    def add(self, call: Call) -> None:
        self.calls[call.key] = call
        self._dialogs[call.call_id, call.tag] = call

    def find(self, request: SipRequest) -> Call | None:
        """The call a request within a dialog belongs to."""
        return self.named(request.call_id, request.to.tag or "")

    def named(self, call_id: str, tag: str) -> Call | None:
        """The call with our tag; also one that is over, as long as its dialog is remembered."""
        return self._dialogs.get((call_id, tag))

    def owner_of(self, invite: InviteServer) -> Call | None:
        """The call, if it is not over, to which an INVITE of the peer's belongs."""
        for call in self.calls.values():
            if call.invite is invite or (call.theirs is not None and call.theirs.server is invite):
                return call
        return None

    def finish(self, call: Call, end: CallEnd, now: float) -> None:
        """The call is over: its owner is told, and nothing of it is left but, for a time, the ear for its transfer."""
        if call.state is CallState.ENDED:
            return
        call.state = CallState.ENDED
        call.stop_timers()
        if call.kept is not None:
            call.kept.stop()
        self._close_offers(call, now)
        self._close_transfer(call, end, now)
        del self.calls[call.key]
        self.emit(end)

    def _close_offers(self, call: Call, now: float) -> None:
        """No request of theirs is left without an answer, even if it can reach nobody: its transaction would stay."""
        if call.invite is not None and not call.invite.is_answered:
            self.answer(call.invite, 480, now, tag=call.tag)
        if call.theirs is not None:
            call.theirs.limit.cancel()
            self.answer(call.theirs.server, 487, now)
        if call.ours is not None and call.ours.retry is not None:
            call.ours.retry.cancel()
        call.theirs = call.ours = None

    def _close_transfer(self, call: Call, end: CallEnd, now: float) -> None:
        if call.refer is None:
            self.forget(call)
            return
        if call.refer.timer is not None:
            call.refer.timer.cancel()
        self.emit(*(call.refer.hung_up() if isinstance(end, ByeReceived) else call.refer.lost()))
        self.timers.start(now + self.timing.linger, lambda _: self.forget(call))

    def forget(self, call: Call) -> None:
        """Requests of its dialog are from now on those of no dialog."""
        self._dialogs.pop((call.call_id, call.tag), None)

    def on_flow(self, flow: Flow) -> list[Call]:
        """The calls whose signalling goes there."""
        return [call for call in self.calls.values() if call.flow == flow]

    # --- responses -------------------------------------------------------------------------------------------------
    def answer(
        self,
        server: ServerTransaction,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        tag: str | None = None,
        extra: Extra = (),
        sdp: bytes | None = None,
    ) -> SipResponse:
        """Respond to a request.

        Args:
            tag: Ours; None: a new one, where the request has none yet.
            extra: Headers to add.
        Returns:
            What was sent, for those who have to send it again.
        """
        response = response_to(server.request, status, reason, to_tag=tag or self.tokens())
        self.say_who(response, "Server")
        for name, value in extra:
            response.headers.add(name, value)
        if sdp is not None:
            response.headers.add("Content-Type", SDP_TYPE)
            response.body = sdp
        server.respond(response, now)
        return response

    def abilities(self) -> list[tuple[str, str]]:
        """What we can do, for whatever begins or changes a call."""
        return [("Allow", ALLOW), ("Supported", ", ".join(SUPPORTED))]

    def contact(self, call: Call) -> tuple[str, str]:
        """Our Contact in a call, on the flow it has come to."""
        flow = call.flow
        uri = flow.contact(self._user(flow), self._contact_transport(flow))
        if call.is_secure:
            uri = uri.as_secure()
        if self.settings.has_outbound and flow.is_framed:
            uri = uri.with_param("ob")
        return "Contact", str(NameAddress("", uri))

    # --- requests --------------------------------------------------------------------------------------------------
    def ask(self, request: SipRequest, flow: Flow, number: Callable[[], int], received: Received, now: float) -> Asked:
        """Send a request of ours, with our credentials where they are wanted; see `Asked`."""
        self.say_who(request, "User-Agent")
        asked = Asked(self.transactions, self._credentials(flow), number, received)
        asked.begin(request, flow, now)
        return asked

    def ask_in(self, call: Call, request: SipRequest, received: Received, now: float) -> Asked:
        """The same, within the dialog of a call."""
        assert call.dialog is not None
        return self.ask(request, call.flow, call.dialog.next_number, received, now)

    def acknowledge(self, invite: SipRequest, dialog: Dialog, flow: Flow) -> bytes:
        """Send the ACK to a 2xx to our INVITE, with the credentials of that (RFC 3261 section 13.2.2.4).

        Returns:
            The ACK, to be sent again for each repetition of the 2xx: it has no transaction.
        """
        ack = dialog.request("ACK", invite.cseq.number)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.fields(name):
                ack.headers.add(name, value)
        self.say_who(ack, "User-Agent")
        data = with_via(ack, flow, f"{COOKIE}{self.tokens()}").to_bytes()
        self.wire.send(flow, data)
        return data

    def say_who(self, message: SipRequest | SipResponse, header: str) -> None:
        if self.settings.product:
            message.headers.set(header, self.settings.product)
