"""What the doors for trunks have in common (`udp`, `tcp`): a bound socket, who may come in, and what we are called."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Required, TypedDict, Unpack

import structlog

from config.base import Network
from gateway.clock import Clock, LoopClock
from gateway.errors import ConfigError
from gateway.routes import SocketRoute
from gateway.transports.sip.seldom import Seldom
from gateway.transports.sip.settings import Listening

BACKLOG = 100
"""Connections that the system keeps for us until we take them."""

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


class DoorOptions(TypedDict, total=False):
    """What every door for trunks is told.

    Attributes:
        line: The line's name, for the log.
        is_open: Everybody may speak to us, for lines with digest, certificates or `auth: none`.
        announce: Our address as peers reach it, for a gateway behind 1:1 NAT. None: that of the way to each peer.
    """

    line: Required[str]
    is_open: Required[bool]
    announce: str | None
    clock: Clock | None


class TrunkDoor:
    """A `Door` without what carries its messages.

    Args:
        allow: Addresses of trunks; those of others are turned away before they are read.
    """

    def __init__(self, listening: Listening, allow: Sequence[Network], **options: Unpack[DoorOptions]) -> None:
        self._listening = listening
        self._announce = options.get("announce")
        self._clock = options.get("clock") or LoopClock()
        self._log = log.bind(line=options["line"], transport=listening.transport)
        self._admission = Admission(allow, line=options["line"], is_open=options["is_open"], clock=self._clock)
        self.port = listening.port
        """Where we listen; once `run` has begun, also where the port was left to the system."""
        self.is_up = asyncio.Event()

    @property
    def routes(self) -> Sequence[SocketRoute]:
        return ()

    async def bound(self) -> Listening:
        """Where we listen, once that is so, with the port also where it was left to the system."""
        await self.is_up.wait()
        return self._listening._replace(port=self.port)

    @property
    def refused(self) -> int:
        """How many connections, or datagrams, were of addresses that are not in `allow`."""
        return self._admission.refused


def bind(listening: Listening) -> socket.socket:
    """The socket of a door, bound; IPv6 is IPv6 alone, so that both can be listened to on one port.

    Raises:
        ConfigError: it cannot be had, with what the system says about it.
    """
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    is_stream = listening.is_stream
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
        if is_stream:
            bound.listen(BACKLOG)
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
