"""A `sip` line in tests: where it listens, and where its audio is."""

from __future__ import annotations

import asyncio
import os
import zlib

from gateway.interfaces import Transport
from gateway.transports.sip.transport import SipTransport


async def trunk_url(transport: Transport) -> str:
    """The address of the first socket for trunks, once it is open."""
    assert isinstance(transport, SipTransport)
    async with asyncio.timeout(5):
        first = (await transport.bound())[0]
    return f"sip:127.0.0.1:{first.port}" + (f";transport={first.transport}" if first.is_stream else "")


def rtp_ports() -> str:
    """A range of ports that no other process of the same test run uses, and those of another one hardly."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    run = zlib.crc32(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid())).encode())
    first = 20000 + 500 * ((run + worker) % 24)
    return f"{first}-{first + 499}"
