"""Requests as they come in: repeated, merged, refused, and handed to whoever deals with them (RFC 3261 section 8.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gateway.transports.sip.bodies import SDP_TYPE
from gateway.transports.sip.call_state import Call
from gateway.transports.sip.context import ALLOW, KNOWN_METHODS, RETRY_AFTER, UNDERSTOOD, Context, Extra
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.in_dialog import InDialog
from gateway.transports.sip.incoming import Incoming
from gateway.transports.sip.message import SipRequest, SipResponse, mark_received, response_to
from gateway.transports.sip.peer_offers import PeerOffers
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction

Welcome = Callable[[SipRequest, Flow, float], SipResponse | None]
"""Judges requests outside of calls, other than ACK and CANCEL: None when the peer may ask this, else what it gets, such
as the 401 of `digest.DigestServer.refuse`. Given the request, its flow, and the time."""

SCHEMES = frozenset({"sip", "sips", "tel"})
ALLOWED = frozenset(ALLOW.split(", "))


def everybody(_: SipRequest, __: Flow, ___: float) -> None:
    """The door has seen to it that only those come who may."""


class Reception:
    """Takes the requests of one user agent.

    Attributes:
        is_available: See `user_agent.UserAgent`, also for `counts`.
    """

    def __init__(
        self, context: Context, incoming: Incoming, peer_offers: PeerOffers, in_dialog: InDialog, welcome: Welcome
    ) -> None:
        self.is_available = True
        self.counts: Counter[str] = Counter()
        self._context = context
        self._incoming = incoming
        self._peer_offers = peer_offers
        self._in_dialog = in_dialog
        self._welcome = welcome

    def received(self, request: SipRequest, flow: Flow, now: float) -> None:
        """Take in one request."""
        mark_received(request, *flow.peer_address)
        call, transactions = self._context.find(request), self._context.transactions
        if request.method == "ACK":
            if not transactions.absorb_ack(request, now):
                self._ack(call, request, now)
        elif transactions.absorb(request, now):
            self.counts["repetition"] += 1
        elif call is not None and call.dialog is None and not flow.reliable:
            self.counts["too early"] += 1  # it has overtaken the 200 that makes the dialog; it will come again
        elif call is None and self._is_strangers(request, flow, now):
            self.counts["stranger"] += 1
        elif not transactions.has_room(flow):
            self.counts["no room"] += 1
            self._say(request, flow, 503, [("Retry-After", str(RETRY_AFTER))])
        else:
            is_merged = transactions.is_merged(request)
            server = transactions.serve(request, flow)
            if not self._is_refused(server, is_merged, now):
                self._dispatch(call, server, flow, now)

    def _is_strangers(self, request: SipRequest, flow: Flow, now: float) -> bool:
        """Whether somebody speaks of a call that is none, or has to say first who he is.

        He is told so once for each copy of the request, and nothing of it is kept: strangers shall neither fill our
        memory nor have us send much to an address that they made up (RFC 3261 section 8.2.7).
        """
        if request.method == "CANCEL":
            return False
        if request.to.tag is not None:
            self._say(request, flow, 481)
            return True
        refusal = self._welcome(request, flow, now)
        if refusal is not None:
            self._context.wire.send(flow, refusal.to_bytes())
        return refusal is not None

    def _say(self, request: SipRequest, flow: Flow, status: int, extra: Extra = ()) -> None:
        """Respond without a transaction."""
        response = response_to(request, status, to_tag=self._context.tokens())
        for name, value in extra:
            response.headers.add(name, value)
        self._context.wire.send(flow, response.to_bytes())

    def _ack(self, call: Call | None, ack: SipRequest, now: float) -> None:
        if call is not None and call.dialog is not None and call.dialog.is_meant_by(ack):
            self._in_dialog.acked(call, ack, now)
        else:
            self.counts["stray ACK"] += 1

    def _is_refused(self, server: ServerTransaction, is_merged: bool, now: float) -> bool:
        """What is wrong with a request whoever it is for (RFC 3261 section 8.2)."""
        request, answer = server.request, self._context.answer
        method, asks_register = request.method, request.method == "REGISTER" and self._context.settings.takes_registers
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
        elif method not in ("INVITE", "CANCEL") and "Replaces" in request.headers:
            answer(server, 400, now, reason="Replaces Outside Of INVITE")  # RFC 3891 section 3
        else:
            return False
        return True

    def _dispatch(self, call: Call | None, server: ServerTransaction, flow: Flow, now: float) -> None:
        request = server.request
        if request.method == "CANCEL":
            self._cancel(server, now)
        elif call is not None:
            self._in_dialog.received(call, server, flow, now)
        elif request.method in ("BYE", "INFO", "UPDATE", "PRACK"):
            self._context.answer(server, 481, now)
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
        cancel = server.request
        invite = self._context.transactions.find_invite(cancel)
        if invite is None:
            self._context.answer(server, 481, now)
            return
        call = self._context.owner_of(invite)
        self._context.answer(server, 200, now, tag=call.tag if call is not None else None)
        if call is None or invite.is_answered:
            return
        if call.invite is invite:
            self._incoming.cancelled(call, cancel, now)
        else:
            self._peer_offers.withdrawn(call, now)


def _lacking(request: SipRequest) -> list[str]:
    """The extensions that a request cannot do without, and we do not know."""
    return [tag for tag in request.headers.all("Require") if tag and tag.lower() not in UNDERSTOOD]
