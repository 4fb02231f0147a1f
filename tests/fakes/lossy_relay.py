"""A network between two ends of a WebRTC path: real sockets on loopback, and media packets that get lost on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aioice import Candidate

HOST = "127.0.0.1"


class _Side(asyncio.DatagramProtocol):
    """What one end takes for the other."""

    def __init__(self, relay: LossyRelay) -> None:
        self._relay = relay
        self.end: Any = None  # the address of who sends here
        self.far: _Side | None = None
        self.dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.end = addr
        assert self.far is not None
        if self._relay.loses(data):
            self.dropped += 1
        elif self.far.end is not None:
            self.far.transport.sendto(data, self.far.end)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])


class LossyRelay:
    """Carries everything but a share of the media packets.

    Attributes:
        sides: The first is where the first end sends, so it is the second one's place in the first's eyes.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._draw = random.Random(seed)
        self.sides = (_Side(self), _Side(self))
        self.sides[0].far, self.sides[1].far = self.sides[1], self.sides[0]

    def loses(self, data: bytes) -> bool:
        """RTP alone, by its first two bytes (RFC 7983, RFC 5761): handshakes and reports arrive."""
        is_rtp = len(data) > 1 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223
        return is_rtp and self._draw.random() < self._share

    def between(self, candidates: tuple[str, ...], side: int) -> tuple[str, ...]:
        """An end's candidates as the other one is to see them; ``side``: of who sees them."""
        first = Candidate.from_sdp(candidates[0])
        self.sides[1 - side].end = (first.host, first.port)
        first.host, first.port = HOST, self.sides[side].port
        return (first.to_sdp(),)


@asynccontextmanager
async def lossy_relay(share: float, seed: int = 7) -> AsyncIterator[LossyRelay]:
    relay = LossyRelay(share, seed)
    loop = asyncio.get_running_loop()
    for side in relay.sides:
        await loop.create_datagram_endpoint(lambda it=side: it, local_addr=(HOST, 0))  # type: ignore[misc]  # the loop's variable
    try:
        yield relay
    finally:
        for side in relay.sides:
            side.transport.close()
        await asyncio.sleep(0)
