"""Where a `sip` line listens whose ports were left to the system."""

from __future__ import annotations

import asyncio

from gateway.interfaces import Transport
from gateway.transports.sip.tcp import TcpDoor
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sip.udp import UdpDoor


async def trunk_url(transport: Transport) -> str:
    """The address of the first socket for trunks, once it is open."""
    assert isinstance(transport, SipTransport)
    door = next(door for door in transport._doors if isinstance(door, UdpDoor | TcpDoor))
    async with asyncio.timeout(5):
        await door.is_up.wait()
    return f"sip:127.0.0.1:{door.port}" + (";transport=tcp" if isinstance(door, TcpDoor) else "")
