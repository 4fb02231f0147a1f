"""A connection to a Wyoming server: bounded in time, errors translated, gone at once when it is left."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from gateway.errors import RemoteProtocolError, VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.speech.wyoming.framing import Event, EventReader, encode

CONNECT_WITHIN = 3.0
READ_BYTES = 64 * 1024


class WyomingLine:
    """See `gateway.kit.warm_lines.Line`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, vendor: str, operation: str) -> None:
        self._reader = reader
        self._writer = writer
        self._vendor = vendor
        self._operation = operation
        self._events = EventReader()
        self._waiting: deque[Event] = deque()  # bounded by what one read brings

    async def send(self, event: Event) -> None:
        """Waits while the server takes nothing. Raises VendorUnavailable."""
        try:
            self._writer.write(encode(event))
            await self._writer.drain()
        except OSError as error:
            raise self._unavailable("the connection broke") from error

    async def receive(self, within: float | None = None) -> Event | None:
        """The next event; None when the server has hung up between two.

        Raises:
            VendorUnavailable: The connection broke, or nothing came in time.
            VendorReplyInvalid: It does not speak Wyoming.
        """
        try:
            async with asyncio.timeout(within):
                while not self._waiting:
                    data = await self._reader.read(READ_BYTES)
                    if not data:
                        self._check_end()
                        return None
                    self._waiting += self._events.feed(data)
        except TimeoutError as error:
            raise self._unavailable("nothing came in time") from error
        except OSError as error:
            raise self._unavailable("the connection broke") from error
        except RemoteProtocolError as error:
            raise VendorReplyInvalid(str(error), vendor=self._vendor, operation=self._operation) from error
        return self._waiting.popleft()

    async def is_alive(self, within: float) -> bool:
        """Whether it answers ``describe``, which every server does, as not every one does ``ping``."""
        try:
            async with asyncio.timeout(within):
                await self.send(Event("describe"))
                while (event := await self.receive()) is not None:
                    if event.type == "info":
                        return True
        except (TimeoutError, VendorError):
            pass
        return False

    def _check_end(self) -> None:
        if not self._events.is_between_events:
            raise self._unavailable("it hung up in the middle of an event")

    def _unavailable(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor=self._vendor, operation=self._operation)


@asynccontextmanager
async def open_line(vendor: str, address: str, operation: str) -> AsyncIterator[WyomingLine]:
    """Connect; leaving the block drops the connection.

    Args:
        address: ``tcp://host:port`` or ``unix:///path``.

    Raises:
        VendorUnavailable: no connection; later also from the line's methods.
    """
    parts = urlsplit(address)
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            if parts.scheme == "unix":
                reader, writer = await asyncio.open_unix_connection(parts.path)
            else:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError) as error:
        reason = f"no connection ({type(error).__name__})"
        raise VendorUnavailable(reason, vendor=vendor, operation=operation) from error
    try:
        yield WyomingLine(reader, writer, vendor, operation)
    finally:
        writer.transport.abort()
