"""SIP over TCP, for trunks: connections that peers open, each one a flow (RFC 3261 section 18). The counterpart without
connections is `udp`.

We open none ourselves: what the core still has to say on a connection that is gone stays unsaid.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from config.base import Network
from gateway.clock import Clock, LoopClock
from gateway.routes import SocketRoute
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.framing import PONG_BYTES, KeepAlive, StreamFramer
from gateway.transports.sip.settings import Listening
from gateway.transports.sip.signalling import Hall
from gateway.transports.sip.trunks import Admission, bind, written

MAX_CONNECTIONS = 500
FIRST_MESSAGE_WITHIN = 30.0
IDLE_LIMIT = 15 * 60.0
"""Seconds without a whole message, or a keep-alive, after which a connection makes room for a new one where there are
too many. Else it stays: a call may last for hours without a word, and its end needs the connection."""
DEAD_AFTER = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
"""When the system gives up a connection whose peer is gone without a word: after two minutes of silence, or one in
which it has confirmed nothing of what we sent."""
STALL_LIMIT = 10.0
"""Seconds a peer that sends may take nothing of what we send."""
MAX_UNSENT_BYTES = 256 * 1024
"""What may wait for a peer to take it; more, and the connection is dropped."""
READ_BYTES = 16 * 1024
AT_A_TIME = 16
"""Messages of one connection that are handled before others have their turn."""

log = structlog.get_logger(__name__)


class TcpDoor:
    """A `Door`.

    Args:
        allow: Addresses of trunks; connections of others are closed before anything is read.
        line: The line's name, for the log.
        is_open: Everybody may speak to us, for lines with digest, or `auth: none`.
        tokens: Makes the ids of flows.
        announce: Our address as peers reach it, for a gateway behind 1:1 NAT. None: the one the peer has connected to.
    """

    def __init__(
        self,
        listening: Listening,
        allow: Sequence[Network],
        *,
        line: str,
        is_open: bool,
        tokens: Callable[[], str],
        announce: str | None = None,
        clock: Clock | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._listening = listening
        self._announce = announce
        self._tokens = tokens
        self._max_connections = max_connections
        self._clock = clock or LoopClock()
        self._log = log.bind(line=line, transport="tcp")
        self._admission = Admission(allow, line=line, is_open=is_open, clock=self._clock)
        self._connections: dict[Flow, _Connection] = {}
        self.port = listening.port
        """Where we listen; once `run` has begun, also where the port was left to the system."""
        self.is_up = asyncio.Event()

    @property
    def routes(self) -> Sequence[SocketRoute]:
        return ()

    @property
    def refused(self) -> int:
        """Connections of addresses that are not in `allow`."""
        return self._admission.refused

    async def run(self, hall: Hall) -> None:
        """Carry messages until cancelled.

        Raises:
            ConfigError: the socket cannot be had.
        """
        bound = bind(self._listening)
        self.port = bound.getsockname()[1]
        async with asyncio.TaskGroup() as serving:

            def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if self.is_up.is_set() and self._admits(writer, hall):
                    connection = _Connection(self._flow(writer), reader, writer, self._clock)
                    self._connections[connection.flow] = connection  # counted from now on
                    serving.create_task(self._serve(connection, hall))
                else:
                    writer.transport.abort()

            server = await asyncio.start_server(welcome, sock=bound, limit=READ_BYTES)
            self.is_up.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.is_up.clear()
                server.close()

    def send(self, flow: Flow, data: bytes) -> bool:
        connection = self._connections.get(flow)
        return connection is not None and connection.send(data)

    def _admits(self, writer: asyncio.StreamWriter, hall: Hall) -> bool:
        peer = writer.get_extra_info("peername")
        if peer is None or not self._admission.lets_in(peer[0]):
            return False
        if len(self._connections) < self._max_connections or self._make_room(hall):
            return True
        self._log.warning("too many connections", peer=peer[0], limit=self._max_connections)
        return False

    def _make_room(self, hall: Hall) -> bool:
        """Close the connection that has been idle for longest, if it has been for long, and no call is up on it: in
        mid-call, nothing is said for longer than that."""
        latest = self._clock.now() - IDLE_LIMIT
        idle = [it for it in self._connections.values() if it.heard_at <= latest and not it.is_closing]
        idle.sort(key=lambda it: it.heard_at)
        found = next((it for it in idle if not hall.is_used(it.flow)), None)
        if found is not None:
            found.leave("it was idle, and its place was needed")
        return found is not None

    def _flow(self, writer: asyncio.StreamWriter) -> Flow:
        peer, ours = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        return Flow(
            id=f"tcp {self._tokens()}",
            transport="tcp",
            peer=written(peer[0], peer[1]),
            local=written(self._announce or ours[0], self.port),
        )

    async def _serve(self, connection: _Connection, hall: Hall) -> None:
        flow = connection.flow
        try:
            try:
                hall.flow_opened(flow, self)
                why = await connection.carry(hall)
                self._log.info("connection closed", peer=flow.peer, reason=why)
            finally:
                del self._connections[flow]
                connection.drop()
                hall.flow_closed(flow)
        except Exception:  # the edge of one connection: the others go on
            self._log.exception("connection broken off", peer=flow.peer)


class _Connection:
    """One that a peer has opened."""

    def __init__(self, flow: Flow, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: Clock) -> None:
        self.flow = flow
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._framer = StreamFramer()
        self._has_spoken = False
        self._why = "the peer has closed it"
        self.heard_at = clock.now()
        """When there was a sign of life."""
        _watch(writer.get_extra_info("socket"))

    @property
    def is_closing(self) -> bool:
        return self._writer.transport.is_closing()

    def leave(self, why: str) -> None:
        self._why = why
        self.drop()

    def send(self, data: bytes) -> bool:
        transport = self._writer.transport
        if transport.is_closing():
            return False
        if transport.get_write_buffer_size() + len(data) > MAX_UNSENT_BYTES:
            transport.abort()
            return False
        self._writer.write(data)
        return True

    def drop(self) -> None:
        """Close; what the peer has not taken of what we have said is lost after a while, and nobody waits for it."""
        transport = self._writer.transport
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    async def carry(self, hall: Hall) -> str:
        """Until it ends; returns why, for the log."""
        try:
            async with asyncio.timeout(FIRST_MESSAGE_WITHIN) as patience:
                while await self._is_heeded():
                    data = await self._reader.read(READ_BYTES)
                    if not data:
                        return self._why
                    await self._take(data, hall)
                    if self._has_spoken:
                        patience.reschedule(None)
        except TimeoutError:
            return "nothing came in time"
        except SipParseError as wrong:
            return wrong.reason
        except OSError as error:
            return f"it broke ({type(error).__name__})"
        return "the peer takes nothing"

    async def _is_heeded(self) -> bool:
        """Whether the peer takes what we send; who does not is not listened to meanwhile."""
        try:
            async with asyncio.timeout(STALL_LIMIT):
                await self._writer.drain()
        except TimeoutError:
            return False
        return True

    async def _take(self, data: bytes, hall: Hall) -> None:
        """Pass on what is whole."""
        for number, item in enumerate(self._framer.feed(data), 1):
            self.heard_at = self._clock.now()
            if isinstance(item, bytes):
                self._has_spoken = True
                hall.received(item, self.flow)
            elif item is KeepAlive.PING:
                self.send(PONG_BYTES)
            if number % AT_A_TIME == 0:
                await asyncio.sleep(0)


def _watch(opened: Any) -> None:
    """Have the system find out when the peer is gone."""
    with suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in DEAD_AFTER.items():
            if hasattr(socket, name):  # not everywhere
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
