"""What carries a placed call: anything that sends and receives messages and can be closed; a WebSocket is one.

The other one is in `sip_sockets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection as WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.caller.peer import CallerTrust, Message

OPEN_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0
CLOSED_CLEANLY = frozenset({1000, 1001, 1005})


class LineClosed(Exception):
    """Nothing comes or goes any more.

    Attributes:
        code: What the far end said with it, if anything.
        is_clean: The far end closed it in good order.
    """

    def __init__(self, code: int | None = None, reason: str = "", *, is_clean: bool = False) -> None:
        super().__init__(reason or "closed")
        self.code = code
        self.reason = reason
        self.is_clean = is_clean


class Connection(Protocol):
    """See the module."""

    @property
    def subprotocol(self) -> str | None: ...
    async def send(self, message: Message) -> None:
        """Raises LineClosed."""
        ...

    async def recv(self) -> Message:
        """The next message. Raises LineClosed."""
        ...

    async def close(self, code: int | None = None, reason: str = "") -> None:
        """Give everything back. Calling it twice is harmless."""
        ...

    def abort(self) -> None:
        """Break it, without a word."""
        ...

    def freeze(self) -> None:
        """Read no more, and answer nothing."""
        ...


class WebSocketConnection:
    """A `Connection` on the `websockets` library."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    @property
    def subprotocol(self) -> str | None:
        return self._socket.subprotocol

    @property
    def local_address(self) -> str:
        """Of our end, without its port."""
        return str(self._socket.local_address[0])

    @property
    def remote_address(self) -> str:
        host, port = self._socket.remote_address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def send(self, message: Message) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def recv(self) -> Message:
        try:
            return await self._socket.recv()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self, code: int | None = None, reason: str = "") -> None:
        await self._socket.close(code or 1000, reason)

    def abort(self) -> None:
        self._socket.transport.abort()

    def freeze(self) -> None:
        self._socket.transport.pause_reading()


def _closed(closed: ConnectionClosed) -> LineClosed:
    frame = closed.rcvd
    code = frame.code if frame is not None else None
    return LineClosed(code, frame.reason if frame is not None else "", is_clean=code in CLOSED_CLEANLY)


async def open_socket(
    url: str,
    headers: Mapping[str, str],
    subprotocol: str | None = None,
    timeout: float = OPEN_TIMEOUT,
    trust: CallerTrust | None = None,
) -> WebSocketConnection:
    """Open a WebSocket as the carriers do: uncompressed, answering pings, sending none."""
    context = (trust or CallerTrust()).context() if url.startswith("wss:") else None
    socket = await connect(
        url,
        additional_headers=dict(headers),
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        compression=None,
        user_agent_header=None,
        proxy=None,
        open_timeout=timeout,
        close_timeout=CLOSE_TIMEOUT,
        ping_interval=None,
        max_size=1 << 20,
        ssl=context,
    )
    return WebSocketConnection(socket)
