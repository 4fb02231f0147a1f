"""The least a server can do with a call: send every message back, on the same WebSocket server and the same port.

What the gateway costs beyond this is its own; what it cannot undercut is this.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop

Message = MutableMapping[str, Any]


async def echo(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """An ASGI application without anything around it."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def serve() -> None:
    config = uvicorn.Config(
        echo,
        host="127.0.0.1",
        port=0,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_config=None,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)  # nothing is worth waiting for
    await server.startup()
    print(json.dumps({"port": server.servers[0].sockets[0].getsockname()[1], "path": "/"}), flush=True)
    await server.main_loop()


if __name__ == "__main__":
    uvloop.run(serve())
