"""The table of transactions (RFC 3261 section 17, RFC 6026): what came again, what answers what, and how many.

The machines themselves are in `server_transaction` and `client_transaction`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.transports.sip.client_transaction import ClientTransaction, InviteClient, OtherClient, Received
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import Headers, SipRequest, SipResponse
from gateway.transports.sip.server_transaction import InviteServer, OtherServer, ServerTransaction
from gateway.transports.sip.wire import Failure, Wire

COOKIE = "z9hG4bK"
"""Begins every branch that is unique (RFC 3261 section 8.1.1.7)."""


class TransactionKey(NamedTuple):
    """What makes a request the same one again. The last two are empty for peers that keep to RFC 3261."""

    branch: str
    sent_by: str
    method: str
    call_id: str = ""
    more: str = ""


class Identity(NamedTuple):
    """What makes a request the same one by another way (section 8.2.2.2)."""

    call_id: str
    from_tag: str
    number: int
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionLimits:
    """How many transactions there may be at once; beyond, requests get 503.

    A busy trunk is one flow: at 200 calls a second over UDP, and half a minute for each transaction, it holds 13,000.
    """

    total: int = 40_000
    per_flow: int = 20_000


def server_key(request: SipRequest, method: str | None = None) -> TransactionKey:
    """The key of a request's transaction (RFC 3261 section 17.2.3).

    Args:
        method: Instead of its own: an ACK and a CANCEL look for the INVITE.
    """
    via, method = request.vias[0], method or request.method
    if via.branch.startswith(COOKIE):
        return TransactionKey(via.branch, via.sent_by, method)
    # RFC 2543 had no unique branches: all that stays the same in a repetition, an ACK and a CANCEL tells instead.
    more = f"{request.uri} {request.from_.tag} {request.cseq.number} {via.params}"
    return TransactionKey(via.branch, via.sent_by, method, request.call_id, more)


def identity(request: SipRequest) -> Identity:
    """See `Identity`."""
    return Identity(request.call_id, request.from_.tag or "", request.cseq.number, request.method)


class Transactions:
    """All transactions of one user agent.

    Args:
        wire: Where they send, and their time.
        tokens: Gives a new unguessable word each time, for branches.
    """

    def __init__(self, wire: Wire, tokens: Callable[[], str], limits: TransactionLimits) -> None:
        self._wire = wire
        self._tokens = tokens
        self._limits = limits
        self._servers: dict[TransactionKey, ServerTransaction] = {}
        self._late: set[TransactionKey] = set()  # of INVITEs that are over
        self._identities: dict[Identity, TransactionKey] = {}
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._per_flow: Counter[Flow] = Counter()

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients) + len(self._late) + len(self._identities)

    # --- requests that come ----------------------------------------------------------------------------------------
    def absorb(self, request: SipRequest, now: float) -> bool:
        """Whether a request, but for ACK, has been dealt with because it was here before."""
        key = server_key(request)
        known = self._servers.get(key)
        if known is not None:
            known.repeat(now)
        return known is not None or key in self._late

    def absorb_ack(self, ack: SipRequest, now: float) -> bool:
        """Whether an ACK belongs to a refusal; one to a 2xx is the dialog's."""
        invite = self._servers.get(server_key(ack, "INVITE"))
        return isinstance(invite, InviteServer) and invite.acknowledge(now)

    def is_merged(self, request: SipRequest) -> bool:
        """Whether the same request is here by another way: to be answered with 482.

        What we have refused may come again: proxies try so, one way after the other.
        """
        if request.to.tag is not None:
            return False
        other = self._ongoing(identity(request))
        return other is not None and other != server_key(request)

    def _ongoing(self, known: Identity) -> TransactionKey | None:
        key = self._identities.get(known)
        return key if key is not None and self._servers[key].status < 300 else None

    def has_room(self, flow: Flow) -> bool:
        """Whether another transaction may be begun."""
        total = len(self._servers) + len(self._clients) + len(self._late)
        return total < self._limits.total and self._per_flow[flow] < self._limits.per_flow

    def serve(self, request: SipRequest, flow: Flow) -> ServerTransaction:
        """Begin the transaction of a request that is new."""
        key, known = server_key(request), identity(request)
        kind = InviteServer if request.method == "INVITE" else OtherServer

        def over(now: float) -> None:
            del self._servers[key]
            self._count(flow, -1)
            if self._identities.get(known) == key:
                del self._identities[known]
            if isinstance(server, InviteServer):
                self._remember(key, now)

        server = kind(request, flow, self._wire, over)
        self._servers[key] = server
        if self._ongoing(known) is None:
            self._identities[known] = key
        self._count(flow, 1)
        return server

    def _remember(self, key: TransactionKey, now: float) -> None:
        """A copy of an INVITE that arrives when its transaction is over would begin the call a second time."""
        self._late.add(key)
        self._wire.timers.start(now + self._wire.timing.give_up, lambda _: self._late.remove(key))

    def find_invite(self, cancel: SipRequest) -> InviteServer | None:
        """The transaction that a CANCEL means."""
        found = self._servers.get(server_key(cancel, "INVITE"))
        return found if isinstance(found, InviteServer) else None

    # --- requests of ours ------------------------------------------------------------------------------------------
    def ask(self, request: SipRequest, flow: Flow, received: Received, now: float) -> ClientTransaction:
        """Send a request other than ACK, and hear of every response to it, or of the failure to get one.

        Args:
            request: Without its Via, which is added, except a CANCEL, which has the Via of its INVITE.
            received: Called with each response that is no repetition (2xx to INVITE: with these too), or, as the last
                call, with a `Failure`. Not called from within `ask`.
        """
        if request.method != "CANCEL":
            request = with_via(request, flow, f"{COOKIE}{self._tokens()}")
        key = (request.vias[0].branch, request.method)

        def over(now: float) -> None:
            del self._clients[key]
            self._count(flow, -1)

        kind = InviteClient if request.method == "INVITE" else OtherClient
        client = kind(request, flow, self._wire, received, over)
        self._clients[key] = client
        self._count(flow, 1)
        client.begin(now)
        return client

    def cancel(self, invite: InviteClient, now: float) -> None:
        """Take an INVITE back of which something was heard; it is answered with 487, or in vain with 2xx, or it fails
        (section 9.1)."""
        self.ask(invite.cancel(now), invite.flow, _unheard, now)

    def respond(self, response: SipResponse, now: float) -> bool:
        """Give a response to the request it answers; False when there is none (any more)."""
        client = self._clients.get((response.vias[0].branch, response.cseq.method))
        if client is None:
            return False
        client.respond(response, now)
        return True

    def flow_closed(self, flow: Flow, now: float) -> None:
        """Requests that went out there will not be answered."""
        for client in [client for client in self._clients.values() if client.flow == flow]:
            client.fail(Failure.FLOW_CLOSED, now)

    def _count(self, flow: Flow, change: int) -> None:
        self._per_flow[flow] += change
        if not self._per_flow[flow]:
            del self._per_flow[flow]


def _unheard(_: SipResponse | Failure, __: float) -> None:
    """What is said of a CANCEL changes nothing."""


def with_via(request: SipRequest, flow: Flow, branch: str) -> SipRequest:
    """The same request with our station on top, instead of any other."""
    others = [(name, value) for name, value in request.headers.items() if name != "Via"]
    headers = Headers([("Via", str(flow.via(branch))), *others])
    return SipRequest(request.method, request.uri, headers, request.body)
