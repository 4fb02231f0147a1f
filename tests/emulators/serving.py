"""A loopback server for emulated vendors: HTTP and WebSocket on one port, and connections that can be torn down."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]


class Connections:
    """The open ones by the client's address, so that an emulator can break one off without a farewell."""

    def __init__(self) -> None:
        self.transports: dict[Address, asyncio.Transport] = {}

    def abort(self, scope: Mapping[str, Any]) -> None:
        """Reset the connection a request came by."""
        self.transports[tuple(scope["client"])].abort()

    def abort_all(self) -> None:
        """Reset every one."""
        for transport in self.transports.values():
            transport.abort()

    def write(self, scope: Mapping[str, Any], data: bytes) -> None:
        """Send bytes as they are, for what the server's library would not send."""
        self.transports[tuple(scope["client"])].write(data)


@asynccontextmanager
async def serving(app: Any, connections: Connections) -> AsyncIterator[str]:
    """Serve an ASGI application; yields ``127.0.0.1:PORT``."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as h11's own
            super().connection_made(transport)
            connections.transports[transport.get_extra_info("peername")[:2]] = transport

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.force_exit = True
        connections.abort_all()
        for connection in server.server_state.connections:
            if hasattr(connection, "close_sent"):  # a WebSocket that is closing would be closed once more, which raises
                connection.close_sent = True
        await server.shutdown(sockets=[listener])


async def send_body(
    receive: Any, send: Any, status: int, headers: Mapping[str, str], body: AsyncIterator[bytes]
) -> bool:
    """Answer a request with a body in pieces; whether all of it could be sent before the client left."""

    async def send_all() -> None:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def look() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    sending, looking = asyncio.create_task(send_all()), asyncio.create_task(look())
    try:
        await asyncio.wait([sending, looking], return_when=asyncio.FIRST_COMPLETED)
        is_complete = sending.done()
        if is_complete:
            sending.result()
        return is_complete
    finally:
        for task in (sending, looking):
            task.cancel()
        await asyncio.wait([sending, looking])


async def whole_body(receive: Any) -> bytes:
    """The body of a request."""
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(data)
