"""A SIP dialog (RFC 3261 section 12): who talks to whom, which way, and in what order."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.transports.sip.message import Headers, NameAddress, SipRequest, SipResponse, SipUri

MAX_HOPS = "70"
"""Max-Forwards of whatever we send (RFC 3261 section 8.1.1.6)."""


@dataclass(slots=True, kw_only=True)
class Dialog:
    """One dialog, early or not.

    Attributes:
        local: We, with our tag.
        remote: The peer, with its tag where it has one (RFC 2543 had none).
        target: Where the peer says it can be reached, all parameters kept.
        routes: The way there: every Record-Route, unchanged, in the order of use.
        local_number: CSeq of our last request in it; 0 before the first.
        remote_number: CSeq of the peer's last request in it; None before the first.
        owns_call_id: We have begun the call; decides who waits longer after a glare.
    """

    call_id: str
    local: NameAddress
    remote: NameAddress
    target: SipUri
    routes: tuple[NameAddress, ...] = ()
    local_number: int = 0
    remote_number: int | None = None
    owns_call_id: bool = False

    @classmethod
    def as_callee(cls, invite: SipRequest, tag: str) -> Dialog:
        """The dialog that our response to an INVITE makes (section 12.1.1); the INVITE has a Contact."""
        return cls(
            call_id=invite.call_id,
            local=invite.to.with_param("tag", tag),
            remote=invite.from_,
            target=invite.contacts[0].uri,
            routes=tuple(invite.record_routes),
            remote_number=invite.cseq.number,
        )

    @classmethod
    def as_caller(cls, invite: SipRequest, response: SipResponse) -> Dialog:
        """The dialog that a response to our INVITE makes (section 12.1.2): the way back is the way there, reversed."""
        contacts = response.contacts
        return cls(
            call_id=invite.call_id,
            local=invite.from_,
            remote=response.to,
            target=contacts[0].uri if contacts else invite.uri,
            routes=tuple(reversed(response.record_routes)),
            local_number=invite.cseq.number,
            owns_call_id=True,
        )

    def is_meant_by(self, request: SipRequest) -> bool:
        """Whether a request with our tag has the peer's too."""
        return (request.from_.tag or None) == (self.remote.tag or None)

    def take_number(self, request: SipRequest) -> bool:
        """Whether a request follows on those before it; gaps are fine, steps back are not (section 12.2.2)."""
        number = request.cseq.number
        if self.remote_number is not None and number <= self.remote_number:
            return False
        self.remote_number = number
        return True

    def refresh_target(self, message: SipRequest | SipResponse) -> None:
        """What INVITE, UPDATE and their 2xx may change: where the peer can be reached. The way there stays."""
        contacts = message.contacts
        if contacts:
            self.target = contacts[0].uri

    def next_number(self) -> int:
        """A CSeq for our next request."""
        self.local_number += 1
        return self.local_number

    def request(self, method: str, number: int | None = None) -> SipRequest:
        """A request within the dialog, still without Via and Contact.

        Args:
            number: Its CSeq; None: the next one. An ACK has that of its INVITE.
        """
        number = self.next_number() if number is None else number
        uri, routes = self._way()
        headers = Headers([("Route", str(route)) for route in routes])
        headers.add("Max-Forwards", MAX_HOPS)
        headers.add("From", str(self.local))
        headers.add("To", str(self.remote))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{number} {method}")
        return SipRequest(method, uri, headers)

    def _way(self) -> tuple[SipUri, list[NameAddress]]:
        """Request-URI and Route (section 12.2.1.1): a first station that knows no loose routing wants to be the URI."""
        if not self.routes or self.routes[0].uri.param("lr") is not None:
            return self.target, list(self.routes)
        return self.routes[0].uri, [*self.routes[1:], NameAddress("", self.target)]


def asks_for_security(invite: SipRequest) -> bool:
    """Whether an INVITE wants ``sips`` for all of its dialog, and so in our Contact (RFC 3261 section 12.1.1)."""
    way_back = (invite.record_routes or invite.contacts)[0].uri
    return "sips" in (invite.uri.scheme, way_back.scheme)
