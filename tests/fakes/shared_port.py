"""A real server on a loopback port for the routes of transports, in the test's own loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from gateway.interfaces import SocketRoute, Webhook


class SharedPort:
    """An ASGI application that knows socket routes by their path, or by a path's beginning."""

    def __init__(self, routes: Sequence[SocketRoute | Webhook]) -> None:
        self._apps = {route.path: route.app for route in routes if isinstance(route, SocketRoute)}
        self.url = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket", scope["type"]
        path = scope["path"]
        await (self._apps.get(path) or next(app for p, app in self._apps.items() if path.startswith(p)))(
            scope, receive, send
        )


@asynccontextmanager
async def shared_port(routes: Sequence[SocketRoute | Webhook]) -> AsyncIterator[SharedPort]:
    """Serve the routes as the gateway does: uvicorn, websockets-sansio, no compression; `url` is ``ws://...``."""
    app = SharedPort(routes)
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without, messages wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    app.url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_ping_interval=10,
        ws_ping_timeout=10,
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
        yield app
    finally:
        server.force_exit = True
        await server.shutdown(sockets=[listener])
