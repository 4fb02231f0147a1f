"""Who may use what on the shared port.

Health, vendor webhooks and media sockets check their callers themselves. Everything else needs `server.api_token`
as a bearer token (RFC 6750), or for reading a login made from it (`login`); where no token is configured it answers
this machine only, and then only what this machine meant to ask: a page in its browser that belongs to somebody else
reaches loopback addresses, too (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config.base import Network
from gateway.http.login import Login

CHALLENGE = {"www-authenticate": 'Bearer realm="talkpath"'}
SAFE_METHODS = ("GET", "HEAD")
INVITE = "/api/browser/token"
TALK = "TALK"  # stands for the method of a request for `INVITE`: a login may talk to the bots
SOCKET = "WEBSOCKET"  # stands for the method of an upgrade, which browsers let any page try
FORWARDED = ("forwarded", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
"""Headers that only something in between adds."""

Refusal = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Decides on one request.

    Attributes:
        token: The API token; None: only loopback peers are let in.
        trusted_proxies: Peers whose X-Forwarded-For is believed.
        login: Logins made from the token. None: there are none.
    """

    token: str | None = None
    trusted_proxies: Sequence[Network] = field(default_factory=tuple)
    login: Login | None = None

    def refusal(self, peer: str, headers: Mapping[str, str], method: str = "GET") -> Refusal | None:
        """Why a request is not let in, as status and sentence; None: let it in.

        Args:
            peer: Address of the socket's other end; empty where there is none, as on a Unix socket.
            headers: Names in lower case.
            method: Of the request; `SOCKET` for an upgrade, `TALK` for an invitation to a call.
        """
        if self.token is None:
            return self._local_refusal(peer, headers, method)
        if self._has_token(headers) or self._is_logged_in(headers, method):
            return None
        return 401, "needs the API token as a bearer token"

    def is_token(self, given: str) -> bool:
        """Whether somebody knows the token; takes the same time whatever is given."""
        wanted = None if self.token is None else self.token.encode()
        return wanted is not None and hmac.compare_digest(given.strip().encode(errors="surrogatepass"), wanted)

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        sent = given.encode("latin-1", "replace").decode(errors="replace")  # headers are bytes, ours are UTF-8
        return self.is_token(sent) and scheme.lower() == "bearer"

    def _is_logged_in(self, headers: Mapping[str, str], method: str) -> bool:
        """A login reads. It changes nothing, and opens sockets and places calls for our own pages only."""
        if self.login is None or not self.login.is_open(headers.get("cookie", "")):
            return False
        is_ours = "origin" in headers and is_own_origin(headers)
        return method in SAFE_METHODS or (method in (SOCKET, TALK) and is_ours)

    # --- without a token -------------------------------------------------------------------------------------------
    def _local_refusal(self, peer: str, headers: Mapping[str, str], method: str) -> Refusal | None:
        if not is_loopback(self.client(peer, headers)):
            return 403, "answers this machine only, because no server.api_token is configured"
        if not is_loopback_name(headers.get("host", "")):
            return 403, "without server.api_token it answers under a loopback name only, such as http://127.0.0.1"
        if method not in SAFE_METHODS and not is_own_origin(headers):
            return 403, "does not answer the pages of others"
        return None

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The real client behind trusted proxies: the last forwarded address that is no trusted proxy itself.

        Empty where something in between does not say whom it speaks for, or is not trusted to.
        """
        if "x-forwarded-for" not in headers:
            return "" if is_loopback(peer) and any(name in headers for name in FORWARDED) else peer
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


def is_loopback_name(host: str) -> bool:
    """Whether a Host header names this machine; one that is missing names nobody else."""
    name = _hostname(f"//{host}")
    return not host or name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from a page of ours, or from no page at all: browsers say where pages are from."""
    origin = headers.get("origin")
    return origin is None or _netloc(origin) == headers.get("host", "").lower()


def _netloc(url: str) -> str:
    """Host and port of an address, in lower case; empty where it is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
