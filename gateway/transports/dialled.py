"""WebSockets that we open, for lines where the peer waits for us; the opposite of `sockets.ServerSocket`."""

from __future__ import annotations

from collections.abc import Mapping

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from gateway.errors import VendorRejected, VendorUnavailable
from gateway.transports.sockets import (
    CLOSE_OK,
    CLOSE_TIMEOUT,
    MAX_MESSAGE_BYTES,
    PING_INTERVAL,
    PING_TIMEOUT,
    Message,
    SocketClosed,
    close_reason,
)


class ClientSocket:
    """A WebSocket that we opened."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> Message:
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def send(self, message: Message) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self, code: int = CLOSE_OK, reason: str = "") -> None:
        await self._connection.close(code, close_reason(reason))


async def dial(url: str, *, line: str, subprotocol: str, timeout: float, headers: Mapping[str, str]) -> ClientSocket:
    """Open a WebSocket to a peer that waits for us.

    Args:
        line: Named in errors.
    Raises:
        VendorRejected: the peer answered the upgrade with an HTTP status that will not change.
        VendorUnavailable: it did not answer, or with a 5xx.
    """
    try:
        connection = await connect(
            url,
            subprotocols=[Subprotocol(subprotocol)],
            additional_headers=dict(headers),
            compression=None,
            user_agent_header=None,
            proxy=None,
            open_timeout=timeout,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            max_size=MAX_MESSAGE_BYTES,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        kind = VendorUnavailable if status >= 500 else VendorRejected
        raise kind(f"the upgrade was answered {status}", vendor=line, operation="connect", status=status) from error
    except (InvalidHandshake, OSError, TimeoutError) as error:
        raise VendorUnavailable("no connection", vendor=line, operation="connect") from error
    return ClientSocket(connection)


def _closed(closed: ConnectionClosed) -> SocketClosed:
    received = closed.rcvd
    if received is None:
        return SocketClosed(None)
    return SocketClosed(received.code, received.reason)
