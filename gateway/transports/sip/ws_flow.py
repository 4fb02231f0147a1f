"""One WebSocket that carries SIP (RFC 7118), whoever has opened it: what `ws_client` and `ws_server` have in common.

A WebSocket message is a SIP message, or a keep-alive of line ends alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import structlog

from gateway.clock import Clock
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.framing import PONG_BYTES, KeepAlive, keep_alive
from gateway.transports.sip.signalling import Hall
from gateway.transports.sockets import CLOSE_POLICY, CLOSE_TOO_BIG, MediaSocket, Message, SocketClosed

SUBPROTOCOL = "sip"
MAX_MESSAGE_BYTES = 65_536
"""Longest message either way; what Asterisk's own limit is, too."""
MAX_UNSENT_BYTES = 256 * 1024
"""What may wait for a peer to take it; more, and the connection is dropped."""
STALL_LIMIT = 10.0
"""Seconds a peer may take nothing of what we send."""
AT_A_TIME = 16
"""Messages of one connection that are handled before others have their turn."""
CLOSE_FAULT = 1011  # RFC 6455 section 7.4.1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection carries nothing any more.

    Attributes:
        reason: For the log, and for the peer.
        code: To close it with; None when it is closed.
        is_stuck: The peer takes nothing, so that a farewell would not reach it.
    """

    reason: str
    code: int | None = None
    is_stuck: bool = False


class WebSocketFlow:
    """Carries until the connection ends, or `end` is called.

    Args:
        per_second: Messages that are taken in within one second; with more, the connection is closed. None: any number,
            from peers that we have chosen ourselves.
    """

    def __init__(self, socket: MediaSocket, flow: Flow, *, clock: Clock, per_second: int | None = None) -> None:
        self.flow = flow
        self._socket = socket
        self._clock = clock
        self._per_second = per_second
        self._second_began = clock.now()
        self._in_second = 0
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._has_unsent = asyncio.Event()
        self._has_left = asyncio.Event()  # everything that was to be sent, or the connection is over
        self._has_left.set()
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def send(self, data: bytes) -> bool:
        """Send without waiting; False when the connection is over. It is, if the peer leaves too much lying."""
        if self._over.done():
            return False
        if self._unsent_bytes + len(data) > MAX_UNSENT_BYTES:
            self.end(Ending("too much waits for the peer", is_stuck=True))
            return False
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        self._has_unsent.set()
        self._has_left.clear()
        return True

    async def flush(self) -> None:
        """Wait until everything was handed to the connection, or that is over."""
        await self._has_left.wait()

    def end(self, ending: Ending) -> None:
        """Stop carrying; the first ending counts."""
        self._has_left.set()
        if not self._over.done():
            self._over.set_result(ending)

    async def carry(self, hall: Hall) -> Ending:
        """Until it ends. Closing it is left to who has made it."""
        async with asyncio.TaskGroup() as helpers:
            tasks = [helpers.create_task(self._read(hall)), helpers.create_task(self._write())]
            for task in tasks:  # whatever ends one of them: there is no carrying with the other alone
                task.add_done_callback(lambda _: self.end(Ending("the connection is closed")))
            try:
                return await self._over
            finally:
                for task in tasks:
                    task.cancel()

    async def _read(self, hall: Hall) -> None:
        number = 0
        try:
            while not self._over.done():
                self._take(await self._socket.receive(), hall)
                number += 1
                if number % AT_A_TIME == 0:
                    await asyncio.sleep(0)
        except SocketClosed as closed:
            self.end(Ending(str(closed)))
        except Exception:  # the edge of one connection: the others go on
            log.exception("connection broken off", peer=self.flow.peer, transport=self.flow.transport)
            self.end(Ending("something is broken here", CLOSE_FAULT))

    def _take(self, message: Message, hall: Hall) -> None:
        """One WebSocket message."""
        data = message.encode() if isinstance(message, str) else message
        if len(data) > MAX_MESSAGE_BYTES:
            self.end(Ending("message too long", CLOSE_TOO_BIG))
            return
        if self._is_too_much():
            self.end(Ending(f"more than {self._per_second} messages in a second", CLOSE_POLICY))
            return
        beat = keep_alive(data)
        if beat is KeepAlive.PING:
            self.send(PONG_BYTES)
        elif beat is None and data:
            hall.received(data, self.flow)

    def _is_too_much(self) -> bool:
        now = self._clock.now()
        if now - self._second_began >= 1:
            self._second_began, self._in_second = now, 0
        self._in_second += 1
        return self._per_second is not None and self._in_second > self._per_second

    async def _write(self) -> None:
        try:
            while True:
                await self._has_unsent.wait()
                data = self._unsent.popleft()
                if not self._unsent:
                    self._has_unsent.clear()
                async with asyncio.timeout(STALL_LIMIT):
                    await self._socket.send(_as_text(data))
                self._unsent_bytes -= len(data)
                if not self._unsent_bytes:
                    self._has_left.set()
        except TimeoutError:
            self.end(Ending("the peer takes nothing", is_stuck=True))
        except SocketClosed as closed:
            self.end(Ending(str(closed)))


def _as_text(data: bytes) -> Message:
    """Text, because old browsers refuse binary; binary only where a body is no text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
