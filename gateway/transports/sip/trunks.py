"""What the doors for trunks have in common (`udp`, `tcp`): a bound socket, who may come in, and what we are called."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import structlog

from config.base import Network
from gateway.clock import Clock
from gateway.errors import ConfigError
from gateway.transports.sip.settings import Listening

LOG_EVERY = 60.0
"""Seconds between two lines of the log about one address that is turned away."""
MAX_REMEMBERED = 1_000
"""Addresses that are told apart; while there are more, the others are counted only."""

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
        self._clock = clock
        self._turned_away: dict[str, _TurnedAway] = {}
        self._room_after = 0.0
        self.refused = 0
        """How often somebody was turned away."""

    def lets_in(self, host: str) -> bool:
        """Whether an address may speak; one that may not is counted, and logged once a minute."""
        if self._is_open:
            return True
        address = ip_address(host)
        if any(address in network for network in self._allow):
            return True
        self.refused += 1
        self._note(host)
        return False

    def _note(self, host: str) -> None:
        now = self._clock.now()
        turned_away = self._turned_away.get(host)
        if turned_away is None:
            if not self._has_room(now):
                return
            turned_away = self._turned_away[host] = _TurnedAway(quiet_until=now)
        turned_away.times += 1
        if turned_away.quiet_until <= now:
            log.warning("address is not in `allow`", line=self._line, peer=host, times=turned_away.times)
            turned_away.quiet_until, turned_away.times = now + LOG_EVERY, 0

    def _has_room(self, now: float) -> bool:
        """Forgets who has not been here for a while; a flood of addresses makes us look for them once a second."""
        if len(self._turned_away) >= MAX_REMEMBERED and now >= self._room_after:
            self._room_after = now + 1
            self._turned_away = {host: it for host, it in self._turned_away.items() if it.quiet_until > now}
        return len(self._turned_away) < MAX_REMEMBERED


@dataclass(slots=True)
class _TurnedAway:
    """One address."""

    quiet_until: float
    times: int = 0


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
