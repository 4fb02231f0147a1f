"""``python -m tools.peers.line``: a SIP line that answers whatever comes, with nobody behind it.

What it can do is what the line itself costs: its sockets for signalling and audio, its transactions and dialogs.
"""

from __future__ import annotations

import asyncio
import itertools

from gateway.interfaces import Leg
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tools.peers.network import GATEWAY

PORT = 5070
LIVES = 300.0


async def answer(leg: Leg) -> None:
    """Answer, and stay until the caller hangs up."""
    await leg.answer()
    async for _ in leg.events():
        pass


async def serve() -> None:
    settings = SipLine.model_validate(
        {
            "listen": [f"udp:{GATEWAY}:{PORT}", f"tcp:{GATEWAY}:{PORT}"],
            "allow": "198.51.100.0/24",
            "rtp": {"ports": "23000-26999"},
        }
    )
    numbers = itertools.count(1)
    line = SipTransport("alone", settings, LineContext(new_id=lambda: f"{next(numbers):06}"))
    async with asyncio.timeout(LIVES):
        await line.serve(answer)


if __name__ == "__main__":
    asyncio.run(serve())
