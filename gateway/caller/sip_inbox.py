"""How a placed call by SIP says and hears: signalling over UDP, TCP or a WebSocket, into one inbox with the media."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from gateway.caller.connection import LineClosed, WebSocketConnection
from gateway.caller.peer import Message
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.framing import KeepAlive, StreamFramer

MAX_WAITING = 4096
"""Messages nobody has read; then media are dropped."""
READ_BYTES = 1 << 14
SAID_WITHIN = 0.2
"""Seconds for what waits to be sent, when a WebSocket is to be closed."""


class Part(Protocol):
    """Signalling or media."""

    def send(self, message: bytes) -> None: ...
    def abort(self) -> None: ...
    async def close(self) -> None: ...


class Inbox:
    """What has come and was not read, from both parts."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._news = asyncio.Event()
        self._closed: LineClosed | None = None
        self.is_frozen = False

    def signalled(self, data: bytes) -> None:
        if not self.is_frozen and data.strip(b"\r\n\0 "):  # else a keep-alive
            self._put(data.decode(errors="surrogateescape"))

    def heard(self, data: bytes) -> None:
        if not self.is_frozen and len(self._messages) < MAX_WAITING:
            self._put(data)

    def media_up(self) -> None:
        self._put("")

    def close(self, closed: LineClosed) -> None:
        """The first to say why is right."""
        self._closed = self._closed or closed
        self._news.set()

    @property
    def closed(self) -> LineClosed | None:
        return self._closed

    async def get(self) -> Message:
        while not self._messages:
            if self._closed is not None:
                raise self._closed
            self._news.clear()
            await self._news.wait()
        return self._messages.popleft()

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._news.set()


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket of either part."""

    def __init__(self, inbox: Inbox, *, is_media: bool) -> None:
        self._inbox = inbox
        self._put = inbox.heard if is_media else inbox.signalled
        self._is_media = is_media
        self._open: Callable[[bytes], bytes | None] | None = None
        self.transport: Any = None

    def opened_by(self, open: Callable[[bytes], bytes | None]) -> None:
        """What comes goes through this first; None of it is dropped."""
        self._open = open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        opened = data if self._open is None else self._open(data)
        if opened is not None:
            self._put(opened)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there (ICMP): for signalling the end, for media perhaps a moment too early."""
        if not self._is_media:
            self._inbox.close(LineClosed(reason=f"nothing listens there ({type(exc).__name__})"))

    def send(self, message: bytes) -> None:
        self.transport.sendto(message)

    def abort(self) -> None:
        self.transport.abort()

    async def close(self) -> None:
        self.transport.close()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn


class Stream:
    """A TCP connection."""

    def __init__(self, inbox: Inbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._inbox = inbox
        self._reader = reader
        self._writer = writer
        self._framer = StreamFramer()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        reason = "the far side closed the connection"
        try:
            while data := await self._reader.read(READ_BYTES):
                for item in self._framer.feed(data):
                    if not isinstance(item, KeepAlive):
                        self._inbox.signalled(item)
        except (OSError, SipParseError) as error:
            reason = f"the connection broke ({type(error).__name__})"
        self._inbox.close(LineClosed(reason=reason))

    def send(self, message: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(message)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class WebSocketPart:
    """SIP over a WebSocket (RFC 7118)."""

    def __init__(self, inbox: Inbox, socket: WebSocketConnection) -> None:
        self._inbox = inbox
        self._socket = socket
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.recv()
                self._inbox.signalled(message.encode() if isinstance(message, str) else message)
        except LineClosed as closed:
            self._inbox.close(closed)

    async def _write(self) -> None:
        with suppress(LineClosed):
            while True:
                message = await self._unsent.get()
                await self._socket.send(message.decode(errors="replace"))
                self._unsent.task_done()

    def send(self, message: bytes) -> None:
        with suppress(asyncio.QueueFull):  # nobody reads at the other end
            self._unsent.put_nowait(message)

    def abort(self) -> None:
        self._socket.abort()

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SAID_WITHIN):
                await self._unsent.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._socket.close()
