"""Listening sockets, and a server on them: for the shared port, and for the listeners that webhooks ask for."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from gateway.errors import ConfigError

GRACE = 5  # s for requests that run when the server is told to stop
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
UNREAD_LIMIT = 60.0
"""Seconds a peer may take nothing of what we have sent; then the system ends the connection, whoever still holds it:
the server would wait for ever to send the rest of what an application has closed."""


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port``, an IPv6 address in brackets.

    Raises:
        ConfigError: It is no such thing.
    """
    found = _ADDRESS.fullmatch(listen.strip())
    if found is None or int(found["port"]) > 65535:
        raise ConfigError(f"{listen!r} is no address to listen on, such as 0.0.0.0:8090")
    return found["v6"] or found["host"], int(found["port"])


async def bind(host: str, port: int, *, field: str | None = None) -> list[socket.socket]:
    """Sockets bound to every address a host name stands for.

    Raises:
        ConfigError: One of them cannot be had, with what the system says about it.
    """
    sockets: list[socket.socket] = []
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sockets.append(_bound(family, kind, protocol, address))
    except (OSError, UnicodeError) as error:
        close_all(sockets)
        raise ConfigError(f"cannot listen on {host}:{port}: {_why(error)}", field=field) from error
    return sockets


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without, messages wait 40 ms.
    opened = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; what is accepted inherits it
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_LIMIT))
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return "that is no host name"


def close_all(sockets: Sequence[socket.socket]) -> None:
    for opened in sockets:
        opened.close()


def port_of(sockets: Sequence[socket.socket]) -> int:
    """The port a socket really has, where port 0 was asked for."""
    return int(sockets[0].getsockname()[1])


class Server(uvicorn.Server):
    """Serves an ASGI application until `should_exit`; leaves signals to `app`.

    uvicorn's own handlers would close every WebSocket at the first signal; ours let calls finish.
    """

    def __init__(self, app: Any, sockets: Sequence[socket.socket], **more: Any) -> None:
        self._sockets = list(sockets)
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
            **more,
        )
        super().__init__(config)
        self.is_up = asyncio.Event()

    @property
    def port(self) -> int:
        return port_of(self._sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A WebSocket that its peer is just closing would be closed once more, which raises (uvicorn 0.40 to 0.54).
        for connection in self.server_state.connections:
            if hasattr(connection, "close_sent") and connection.transport.is_closing():
                connection.close_sent = True
        await super().shutdown(sockets)

    async def run_until_told(self) -> None:
        """Serve; the sockets are closed when it ends."""
        try:
            await self.serve(self._sockets)
        finally:
            self.close()

    def close(self) -> None:
        """Give the sockets back."""
        close_all(self._sockets)
