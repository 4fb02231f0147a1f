"""How often an address may try: a page that calls in a circle, or somebody who guesses tokens, costs nobody else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from config.base import Network
from gateway.kit.budget import SlidingWindow
from gateway.routes import HttpRequest
from gateway.transports.auth import is_trusted

MAX_ADDRESSES = 1000
"""That are remembered; then the one that was not heard of for longest is forgotten."""
IPV6_PREFIX = 64  # what one household or office has


def client_of(request: HttpRequest, proxies: Sequence[Network]) -> str:
    """Whoever sent the request: the socket's other end, or, behind proxies we trust, the first that is none of them."""
    client = request.peer
    for address in reversed(request.headers.get("x-forwarded-for", "").split(",")):
        if not is_trusted(client, tuple(proxies)) or not address.strip():
            break
        client = address.strip()
    return client


class AddressLimit:
    """At most so many tries a minute for each address.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, per_minute: int, now: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._now = now
        self._windows: OrderedDict[str, SlidingWindow] = OrderedDict()

    def wait_for(self, address: str) -> float:
        """Count a try. Returns 0 where it may be made, else the seconds until one may."""
        key = _network_of(address)
        window = self._windows.pop(key, None) or SlidingWindow(self._per_minute, 60.0, self._now)
        self._windows[key] = window
        if len(self._windows) > MAX_ADDRESSES:
            self._windows.popitem(last=False)
        return 0.0 if window.take() else window.free_in()


def _network_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))
