"""Where SIP messages come from and go to, as the core sees it: an opaque value that a door makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NewType

from gateway.transports.sip.headers import Via
from gateway.transports.sip.uri import SipUri, parse_uri

CallKey = NewType("CallKey", str)
"""A call of the core's: ours, unique as long as the process, and no more than a name."""

FlowTransport = Literal["ws", "wss", "udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Flow:
    """This WebSocket, this TCP connection, or this UDP socket and remote address.

    What comes in by a flow is answered on it, and later requests of the same call take it too: the core never looks up
    a host. Two flows are the same when they are equal, so the door of UDP makes equal ones for one peer.

    Attributes:
        id: Unique among the flows of the process; a connection that is opened again is another flow.
        peer: Address and port, ``192.0.2.1:5060`` or ``[2001:db8::1]:5060``; for the log, and for Via's ``received``.
        local: What stands for us in Via and Contact: ``host:port``, or ``k3n9s0.invalid`` for a WebSocket we opened.
    """

    id: str
    transport: FlowTransport
    peer: str
    local: str

    @property
    def reliable(self) -> bool:
        """Nothing is lost or repeated on the way to the next station (RFC 3261 section 17)."""
        return self.transport != "udp"

    @property
    def is_framed(self) -> bool:
        """One WebSocket message is one SIP message, whatever its Content-Length says."""
        return self.transport in ("ws", "wss")

    @property
    def peer_address(self) -> tuple[str, int]:
        """The peer's host, IPv6 without brackets, and port; 0 when there is none."""
        host, colon, port = self.peer.rpartition(":")
        if not colon or not port.isdecimal() or (":" in host and not host.startswith("[")):
            return self.peer.strip("[]"), 0
        return host.strip("[]"), int(port)

    def via(self, branch: str) -> Via:
        """Our station, for a request that goes out here; answers shall come back to where it came from (RFC 3581)."""
        host, port = self._local_parts()
        return Via(self.transport.upper(), host, port, (("branch", branch), ("rport", None)))

    def contact(self, user: str, transport: str | None = None) -> SipUri:
        """Where we can be reached on this flow.

        Args:
            user: The user part, escaped where it has to be.
            transport: What the URI is to say; by itself ``ws`` for both kinds of WebSocket (RFC 7118 section 5.2), and
                nothing for UDP.
        """
        named = transport or {"ws": "ws", "wss": "ws", "tcp": "tcp", "tls": "tls", "udp": None}[self.transport]
        host, port = self._local_parts()
        return SipUri("sip", user, None, host, port, (("transport", named),) if named else ())

    def _local_parts(self) -> tuple[str, int | None]:
        uri = parse_uri(f"sip:{self.local}")
        return uri.host, uri.port


def invalid_host(tokens: Callable[[], str]) -> str:
    """A host name for a WebSocket client, which has no address to be reached at; a new one for each connection, so that
    a registrar does not take it for the one before (RFC 7118 appendix B.1)."""
    return f"{tokens()[:12].lower()}.invalid"
