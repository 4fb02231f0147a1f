"""What the doors for trunks have in common (`udp`, `tcp`): a bound socket, who may come in, and what we are called."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import structlog

from config.base import Network
from gateway.clock import Clock
from gateway.errors import ConfigError
from gateway.transports.sip.seldom import Seldom
from gateway.transports.sip.settings import Listening

log = structlog.get_logger(__name__)


class Admission:
    """Which addresses may speak to us; asked before anything is read of what they say.

    Args:
        allow: Networks of trunks.
        line: The line's name, for the log.
        is_open: Everybody may speak: the core challenges, or the operator has said `auth: none`.
    """

    def __init__(self, allow: Sequence[Network], *, line: str, is_open: bool, clock: Clock) -> None:
        self._allow = tuple(allow)
        self._line = line
        self._is_open = is_open
        self._turned_away = Seldom(clock)

    @property
    def refused(self) -> int:
        """How often somebody was turned away."""
        return self._turned_away.total

    def lets_in(self, host: str) -> bool:
        """Whether an address may speak; one that may not is counted, and logged once a minute."""
        if self._is_open:
            return True
        address = ip_address(host)
        if any(address in network for network in self._allow):
            return True
        if times := self._turned_away.due(host):
            log.warning("address is not in `allow`", line=self._line, peer=host, times=times)
        return False


def bind(listening: Listening) -> socket.socket:
    """The socket of a door, bound; IPv6 is IPv6 alone, so that both can be listened to on one port.

    Raises:
        ConfigError: it cannot be had, with what the system says about it.
    """
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    is_stream = listening.transport == "tcp"
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without, messages wait 40 ms.
    kind, protocol = (socket.SOCK_STREAM, socket.IPPROTO_TCP) if is_stream else (socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)
        if is_stream:  # for UDP it would let a second process take our calls
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((listening.host, listening.port))
    except OSError as error:
        bound.close()
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        where = f"{listening.transport}:{written(listening.host, listening.port)}"
        raise ConfigError(f"cannot listen on {where}: {why}", field="listen") from error
    return bound


def written(host: str, port: int) -> str:
    """``192.0.2.1:5060``, ``[2001:db8::1]:5060``; without the name of an interface."""
    host = host.partition("%")[0]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
