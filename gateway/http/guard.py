"""Who may use what on the shared port.

Health, vendor webhooks and media sockets check their callers themselves. Everything else needs `server.api_token`
as a bearer token (RFC 6750); where none is configured it answers this machine only.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from config.base import Network

CHALLENGE = {"www-authenticate": 'Bearer realm="talkpath"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Decides on one request.

    Attributes:
        token: The API token; None: only loopback peers are let in.
        trusted_proxies: Peers whose X-Forwarded-For is believed.
    """

    token: str | None = None
    trusted_proxies: Sequence[Network] = field(default_factory=tuple)

    def refusal(self, peer: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Why a request is not let in, as status and sentence; None: let it in.

        Args:
            peer: Address of the socket's other end.
            headers: Names in lower case.
        """
        if self.token is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            matches = hmac.compare_digest(given.strip().encode(), self.token.encode())
            if scheme.lower() == "bearer" and matches:
                return None
            return 401, "needs the API token as a bearer token"
        if is_loopback(self.client(peer, headers)):
            return None
        return 403, "answers this machine only, because no server.api_token is configured"

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The real client behind trusted proxies: the last forwarded address that is no trusted proxy itself."""
        if "x-forwarded-for" not in headers:
            return peer
        if not self._is_proxy(peer):
            # Something forwarded the request and we do not know it: it is not of this machine, whatever it says.
            return "" if is_loopback(peer) else peer
        client = ""
        for address in reversed(headers["x-forwarded-for"].split(",")):
            client = address.strip()
            if not self._is_proxy(client):
                break
        return client

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted_proxies)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine; also an IPv4 one written as IPv6. No address (a Unix socket) is not."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback
