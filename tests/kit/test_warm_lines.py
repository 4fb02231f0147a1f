"""Connections that wait for their next turn: taken by whoever wants the same, kept alive, given up in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import open_socket
from gateway.kit.warm_lines import HeldLine, WarmLines, hold

SIGN = "still here"
TIMEOUT = 30
pytestmark = pytest.mark.asyncio


class Vendor:
    """Takes everything down; ``arrived`` gets each message, ``left`` each end of a connection."""

    def __init__(self) -> None:
        self.url = ""
        self.connections: list[ServerConnection] = []
        self.arrived: asyncio.Queue[str | bytes] = asyncio.Queue(1000)
        self.left: asyncio.Queue[ServerConnection] = asyncio.Queue(1000)

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for message in connection:
            self.arrived.put_nowait(message)
        self.left.put_nowait(connection)


@asynccontextmanager
async def vendor() -> AsyncIterator[Vendor]:
    office = Vendor()
    async with serve(office.handle, "127.0.0.1", 0) as server, asyncio.timeout(TIMEOUT):
        office.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield office


async def opened(office: Vendor) -> HeldLine[Message]:
    return await hold(open_socket("acme", office.url, operation="listen"))


async def test_what_was_kept_is_taken_by_whoever_wants_the_same() -> None:
    async with vendor() as office:
        warm = WarmLines[Message](SIGN)
        held = await opened(office)
        await warm.keep(office.url, held)
        assert await warm.take("another") is None
        assert await warm.take(office.url) is held
        assert await warm.take(office.url) is None
        await held.line.send("a turn")
        assert await office.arrived.get() == "a turn"
        await held.close()
        await office.left.get()


async def test_the_vendor_is_told_that_somebody_is_there() -> None:
    async with vendor() as office:
        warm = WarmLines[Message](SIGN, every=0.01)
        await warm.keep(office.url, await opened(office))
        assert [await office.arrived.get() for _ in range(3)] == [SIGN] * 3
        await warm.close()
        await office.left.get()


async def test_one_waits_only_so_long() -> None:
    async with vendor() as office:
        warm = WarmLines[Message](kept_for=0.02)
        await warm.keep(office.url, await opened(office))
        await office.left.get()
        assert await warm.take(office.url) is None
        assert warm.waiting == 0


async def test_no_more_wait_than_may() -> None:
    async with vendor() as office:
        warm = WarmLines[Message](most=1)
        first, second = await opened(office), await opened(office)
        await warm.keep(office.url, first)
        await warm.keep(office.url, second)
        assert await office.left.get() is office.connections[1]
        assert await warm.take(office.url) is first
        await first.close()


async def test_one_that_the_vendor_has_closed_is_not_taken() -> None:
    async with vendor() as office:
        warm = WarmLines[Message]()
        await warm.keep(office.url, await opened(office))
        await office.connections[0].close()
        await office.left.get()
        assert await warm.take(office.url) is None


async def test_one_that_has_waited_is_asked_whether_it_is_alive() -> None:
    async with vendor() as office:
        warm = WarmLines[Message](fresh=0.0)
        held = await opened(office)
        await warm.keep(office.url, held)
        assert await warm.take(office.url) is held
        await warm.keep(office.url, held)
        office.connections[0].transport.pause_reading()  # gone without a word, as through a NAT that forgot
        assert await warm.take(office.url) is None
        office.connections[0].transport.abort()


async def test_after_the_end_none_is_kept() -> None:
    async with vendor() as office:
        warm = WarmLines[Message]()
        await warm.close()
        await warm.keep(office.url, await opened(office))
        await office.left.get()
        assert warm.waiting == 0
