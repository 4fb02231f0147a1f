"""A WebSocket to a speech vendor: bounded in time and size, errors translated, gone at once when it is left.

Vendors bill and count what stays open. So leaving the block in the middle, as a barge-in or a hang-up does, closes the
connection without waiting for the vendor's farewell; an adapter that wants one says goodbye first and reads to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.turn_protocol import Message

CONNECT_WITHIN = 3.0
FAREWELL_WITHIN = 0.1
"""Seconds for the closing handshake; then the connection is dropped."""
MAX_MESSAGE_BYTES = 4 << 20
MAX_WAITING = 64
"""Messages of the vendor that wait to be read; then it waits."""
MAX_SAID = 200
"""Characters of a vendor's own words on why it refused."""
PROPER_ENDS = frozenset({1000, 1001, 1005})
"""Codes of a vendor that closes as one closes (RFC 6455 section 7.4.1); 1005 stands for a close frame without one."""
TRY_LATER = frozenset({408, 425, 429})


class VendorSocket:
    """An open connection, a `gateway.kit.warm_lines.Line`. One reader at a time; sending may go on beside it."""

    def __init__(self, connection: ClientConnection, vendor: str, operation: str) -> None:
        self._connection = connection
        self._vendor = vendor
        self._operation = operation

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the vendor's answer to the handshake; where its request id is."""
        response = self._connection.response
        return dict(response.headers.raw_items()) if response is not None else {}

    async def send(self, message: Message) -> None:
        """Text as text, bytes as binary; waits while the vendor takes nothing. Raises VendorUnavailable."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise self._broken(error) from error

    async def receive(self, within: float | None = None) -> Message | None:
        """The next message; None when the vendor has closed as one closes.

        Args:
            within: Seconds it may take. None: whatever it takes, for those who have a deadline of their own.

        Raises:
            VendorUnavailable: the connection broke, or nothing came in time.
        """
        try:
            async with asyncio.timeout(within):
                return await self._connection.recv()
        except TimeoutError as error:
            raise self._error("nothing came in time") from error
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code in PROPER_ENDS:
                return None
            raise self._broken(error) from error

    async def is_alive(self, within: float) -> bool:
        """Whether the vendor answers a ping in time, for a connection that has been idle."""
        try:
            async with asyncio.timeout(within):
                await (await self._connection.ping())
            return True
        except (TimeoutError, ConnectionClosed):
            return False

    async def messages(self) -> AsyncIterator[Message]:
        """Everything until the vendor closes. Raises VendorUnavailable."""
        while (message := await self.receive()) is not None:
            yield message

    def _broken(self, error: ConnectionClosed) -> VendorUnavailable:
        if error.rcvd is None:
            return self._error("the connection broke")
        said = f" ({error.rcvd.reason[:MAX_SAID]})" if error.rcvd.reason else ""
        return self._error(f"the vendor closed with {error.rcvd.code}{said}")

    def _error(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor=self._vendor, operation=self._operation)


@asynccontextmanager
async def open_socket(
    vendor: str,
    url: str,
    *,
    operation: str,
    headers: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] = (),
    within: float = CONNECT_WITHIN,
    max_bytes: int = MAX_MESSAGE_BYTES,
    keep_alive: float | None = 20.0,
) -> AsyncIterator[VendorSocket]:
    """Connect, and close when the block is left.

    Args:
        vendor: Its name in the configuration, for errors.
        operation: What is asked of it, such as ``listen``; for errors.
        within: Seconds for the connection and the handshake together.
        max_bytes: A longer message of the vendor breaks the connection.
        keep_alive: Seconds between WebSocket pings; None: none.

    Raises:
        VendorUnavailable: no connection, 5xx or 429; later also from the socket's methods.
        VendorRejected: the vendor refuses: the key, the request, the account.
        VendorReplyInvalid: it does not speak WebSocket.
    """
    protocols = [Subprotocol(name) for name in subprotocols] or None
    try:
        connection = await connect(
            url,
            additional_headers=dict(headers or {}),
            subprotocols=protocols,
            compression=None,
            open_timeout=within,
            close_timeout=FAREWELL_WITHIN,
            ping_interval=keep_alive,
            max_size=max_bytes,
            max_queue=MAX_WAITING,
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ValueError) as error:
        raise _refused(error, vendor, operation) from error
    try:
        yield VendorSocket(connection, vendor, operation)
    finally:
        await _leave(connection)


async def _leave(connection: ClientConnection) -> None:
    """Close; where we are being cancelled, without the handshake that would take time nobody has."""
    try:
        async with asyncio.timeout(FAREWELL_WITHIN):
            await connection.close()
    except TimeoutError:
        pass
    finally:
        connection.transport.abort()


def _refused(error: Exception, vendor: str, operation: str) -> VendorError:
    where: dict[str, Any] = {"vendor": vendor, "operation": operation}
    match error:
        case InvalidStatus(response=response):
            status = response.status_code
            said = _words(response.body)
            if status >= 500 or status in TRY_LATER:
                return VendorUnavailable(f"status {status}{said}", status=status, **where)
            return VendorRejected(f"status {status}{said}", status=status, **where)
        case InvalidURI() | ValueError():
            return VendorRejected("the address is no WebSocket address", **where)
        case TimeoutError():
            return VendorUnavailable("no connection in time", **where)
        case InvalidHandshake():
            return VendorReplyInvalid("it does not speak WebSocket", **where)
        case _:
            return VendorUnavailable(f"no connection ({type(error).__name__})", **where)


def _words(body: bytes | bytearray | None) -> str:
    """What the vendor says about a refusal, made fit for one line of a log."""
    said = " ".join(bytes((body or b"")[: 4 * MAX_SAID]).decode("utf-8", "replace").split())
    return f": {said[:MAX_SAID]}" if said and said.isprintable() else ""
