"""UDP sockets from a configured range of ports, so that a firewall can let them through.

The range is gone through in order, so that a port rests as long as possible before the next call gets it: packets of
the call before may still be on their way.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.transports.media.path import PathFailed

RECEIVE_BUFFER = 1 << 18
"""Bytes the kernel keeps for us: a second of Opus or G.711 and more, should the process be held up."""
_TAKEN = frozenset({errno.EADDRINUSE, errno.EACCES})


class PortRange:
    """Ports of one line, or of several: whatever is taken is passed over.

    Args:
        first: Lowest port.
        last: Highest port. Both 0: any port the system gives.

    Raises:
        ValueError: for a range that holds no pair of ports.
    """

    def __init__(self, first: int = 0, last: int = 0) -> None:
        if (first, last) != (0, 0) and not 0 < first + first % 2 < last <= 65535:
            raise ValueError(f"no pair of an even and an odd port lies in {first}-{last}")
        self.first, self.last = first, last
        self._next = first

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.first else "any"

    def bind(self, address: str) -> socket.socket:
        """A socket on the next free port of a local address.

        Raises:
            PathFailed: when all are taken, or the address is not ours.
        """
        for port in self._ports():
            if (bound := _bind(address, port)) is not None:
                return bound
        raise PathFailed(f"no UDP port of {self} is free on {address}")

    def bind_pair(self, address: str) -> tuple[socket.socket, socket.socket]:
        """Sockets for RTP, on an even port, and for RTCP, on the one above (RFC 3550 section 11).

        Raises:
            PathFailed: when all are taken, or the address is not ours.
        """
        for port in self._ports():
            if self.first and (port % 2 or port == self.last):
                continue
            if (rtp := _bind(address, port)) is None:
                continue
            even = rtp.getsockname()[1]
            rtcp = _bind(address, even + 1) if even % 2 == 0 else None
            if rtcp is not None:
                self._next = self._after(even + 1)
                return rtp, rtcp
            rtp.close()
        raise PathFailed(f"no pair of UDP ports of {self} is free on {address}")

    def _ports(self) -> Iterator[int]:
        """Every port once, beginning behind the one that was taken last."""
        for _ in range(self.last - self.first + 1 if self.first else 100):
            port = self._next
            self._next = self._after(port)
            yield port

    def _after(self, port: int) -> int:
        if not self.first:
            return 0
        return port + 1 if port < self.last else self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """How a line's media is received.

    Attributes:
        ports: Where the sockets are opened.
        addresses: Local addresses to open them on. Empty: for WebRTC all of the machine, else ``0.0.0.0``; plain RTP
            takes the first one of the peer's kind, IPv4 or IPv6.
        announce: What the peer is told instead, for a gateway behind 1:1 NAT; an address.
        timeout: Seconds for ICE and DTLS together.
    """

    ports: PortRange
    addresses: tuple[str, ...] = ()
    announce: str | None = None
    timeout: float = 10.0


def _bind(address: str, port: int) -> socket.socket | None:
    """A socket on exactly this port, or None when it is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if error.errno in _TAKEN:
            return None
        raise PathFailed(f"cannot receive on {address}: {error.strerror}") from error
    return bound
