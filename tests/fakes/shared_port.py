"""A real server on a loopback port for the routes of transports, in the test's own loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from gateway.http.port import build_listener
from gateway.routes import SocketRoute, Webhook
from gateway.transports.sockets import MAX_MESSAGE_BYTES, PING_INTERVAL, PING_TIMEOUT


class SharedPort:
    """An ASGI application that knows socket routes by their path, or by a path's beginning, and webhooks."""

    def __init__(self, routes: Sequence[SocketRoute | Webhook]) -> None:
        self._apps = {route.path: route.app for route in routes if isinstance(route, SocketRoute)}
        self._hooks = build_listener([route for route in routes if isinstance(route, Webhook)])
        self.url = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._hooks(scope, receive, send)
            return
        assert scope["type"] == "websocket", scope["type"]
        path = scope["path"]
        await (self._apps.get(path) or next(app for p, app in self._apps.items() if path.startswith(p)))(
            scope, receive, send
        )


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application as the gateway does: uvicorn, websockets-sansio, uncompressed. Gives ``host:port``."""
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without, messages wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
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
        await server.shutdown(sockets=[listener])


@asynccontextmanager
async def shared_port(routes: Sequence[SocketRoute | Webhook]) -> AsyncIterator[SharedPort]:
    """Serve the routes of transports; `url` is ``ws://...``."""
    app = SharedPort(routes)
    async with served(app) as address:
        app.url = f"ws://{address}"
        yield app
