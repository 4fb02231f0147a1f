"""A `sip` line in tests: where it listens, and where its audio is."""

from __future__ import annotations

import asyncio
import os

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
    transport_name = door._listening.transport
    return f"sip:127.0.0.1:{door.port}" + (f";transport={transport_name}" if transport_name != "udp" else "")


def rtp_ports() -> str:
    """A range of ports that no other process of the same test run uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20000 + 500 * (worker % 24)
    return f"{first}-{first + 499}"
