"""A vendor's WebSocket refuses, stalls, breaks off, babbles: each is an error the core knows, and none stays open."""

from __future__ import annotations

import asyncio
import http
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.errors import VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.vendor_socket import open_socket

Handle = Callable[[ServerConnection], Awaitable[None]]
pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def vendor(handle: Handle, status: int | None = None, body: str = "") -> AsyncIterator[str]:
    """A WebSocket server; yields its address."""

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(http.HTTPStatus(status), body) if status else None

    async with serve(handle, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_what_is_sent_arrives_as_what_it_was() -> None:
    async with vendor(echo) as url, open_socket("acme", url, operation="listen") as socket:
        for message in ("text", b"\x00bytes"):
            await socket.send(message)
            assert await socket.receive(within=5) == message


async def test_the_headers_are_sent() -> None:
    seen: list[str] = []

    async def look(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers["Authorization"])

    async with (
        vendor(look) as url,
        open_socket("acme", url, operation="listen", headers={"Authorization": "Token k"}) as socket,
    ):
        assert await socket.receive(within=5) is None
    assert seen == ["Token k"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, VendorRejected), (401, VendorRejected), (402, VendorRejected), (403, VendorRejected),
        (404, VendorRejected), (408, VendorUnavailable), (429, VendorUnavailable), (500, VendorUnavailable),
        (503, VendorUnavailable),
    ],
)  # fmt: skip
async def test_a_refusal_says_whether_it_may_work_later(status: int, kind: type[Exception]) -> None:
    async with vendor(echo, status, "because\nof it") as url:
        with pytest.raises(kind, match=rf"^acme: listen: status {status}: because of it$"):
            async with open_socket("acme", url, operation="listen"):
                pass


async def test_nobody_there_may_work_later() -> None:
    async with vendor(echo) as url:
        pass
    with pytest.raises(VendorUnavailable, match="no connection"):
        async with open_socket("acme", url, operation="listen"):
            pass


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:9/", "ws://"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(VendorRejected, match="the address is no WebSocket address"):
        async with open_socket("acme", url, operation="listen"):
            pass


@asynccontextmanager
async def plain_server(answer: bytes) -> AsyncIterator[str]:
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if answer:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for writer in writers:
        writer.close()


async def test_a_server_of_another_kind_is_told_apart() -> None:
    async with plain_server(b"HTTP/1.1 101 Switching\r\nUpgrade: soup\r\n\r\n") as url:
        with pytest.raises(VendorReplyInvalid, match="it does not speak WebSocket"):
            async with open_socket("acme", url, operation="listen"):
                pass


async def test_a_handshake_that_does_not_end_is_given_up() -> None:
    async with plain_server(b"") as url:
        with pytest.raises(VendorUnavailable, match="no connection in time"):
            async with open_socket("acme", url, operation="listen", within=0.05):
                pass


async def test_a_silence_that_is_too_long_is_an_error() -> None:
    async with vendor(echo) as url, open_socket("acme", url, operation="listen") as socket:
        with pytest.raises(VendorUnavailable, match="nothing came in time"):
            await socket.receive(within=0.02)


async def test_a_connection_that_is_closed_in_order_just_ends() -> None:
    async def say_goodbye(connection: ServerConnection) -> None:
        await connection.send("bye")

    async with vendor(say_goodbye) as url, open_socket("acme", url, operation="listen") as socket:
        assert [message async for message in socket.messages()] == ["bye"]


async def test_a_vendors_reason_for_closing_is_passed_on() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(1011, "NET-0001")

    async with vendor(close) as url, open_socket("acme", url, operation="listen") as socket:
        with pytest.raises(VendorUnavailable, match=r"the vendor closed with 1011 \(NET-0001\)"):
            await socket.receive(within=5)
        with pytest.raises(VendorUnavailable, match="1011"):
            await socket.send("more")


async def test_a_connection_that_breaks_is_an_error() -> None:
    async def drop(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with vendor(drop) as url, open_socket("acme", url, operation="listen") as socket:
        with pytest.raises(VendorUnavailable, match="the connection broke"):
            await socket.receive(within=5)


async def test_a_message_that_is_too_long_breaks_the_connection() -> None:
    async def babble(connection: ServerConnection) -> None:
        await connection.send("x" * 2000)
        await connection.wait_closed()

    async with vendor(babble) as url, open_socket("acme", url, operation="listen", max_bytes=1000) as socket:
        with pytest.raises(VendorUnavailable):
            await socket.receive(within=5)


@pytest.mark.parametrize("reads", [True, False], ids=["farewell", "no-farewell"])
async def test_whoever_is_cancelled_in_the_middle_leaves_nothing_open(reads: bool) -> None:
    opened, closed, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def watch(connection: ServerConnection) -> None:
        opened.set()
        if not reads:
            connection.transport.pause_reading()
            await release.wait()
            connection.transport.resume_reading()
        await connection.wait_closed()
        closed.set()

    async with vendor(watch) as url:

        async def listen() -> None:
            async with open_socket("acme", url, operation="listen") as socket:
                await socket.receive()

        task = asyncio.create_task(listen())
        await asyncio.wait_for(opened.wait(), 5)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
        release.set()
        await asyncio.wait_for(closed.wait(), 5)
