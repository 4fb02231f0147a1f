"""SIP over TCP and TLS, for trunks: connections that peers open, each one a flow (RFC 3261 section 18). The counterpart
without connections is `udp`.

We open none ourselves: what the core still has to say on a connection that is gone stays unsaid.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Unpack

from config.base import Network
from gateway.clock import Clock
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.flow import Flow, FlowTransport
from gateway.transports.sip.framing import PONG_BYTES, KeepAlive, StreamFramer
from gateway.transports.sip.seldom import Seldom
from gateway.transports.sip.settings import Listening
from gateway.transports.sip.signalling import Hall
from gateway.transports.sip.tls import ServerIdentity, reason_of
from gateway.transports.sip.trunks import DoorOptions, TrunkDoor, bind, written

MAX_CONNECTIONS = 500
MAX_OPENING = 100
"""Connections that shake hands at a time: each takes a processor for milliseconds, and who is slow holds a place."""
HANDSHAKE_WITHIN = 10.0
FAREWELL_WITHIN = 2.0
"""Seconds a peer has to agree to the end of TLS."""
ACCEPTS_AGAIN = 1.0
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


class TcpDoor(TrunkDoor):
    """A `Door`.

    Args:
        tokens: Makes the ids of flows.
        identity: Who we are, where TLS is spoken.
    """

    def __init__(
        self,
        listening: Listening,
        allow: Sequence[Network],
        *,
        tokens: Callable[[], str],
        identity: ServerIdentity | None = None,
        max_connections: int = MAX_CONNECTIONS,
        **options: Unpack[DoorOptions],
    ) -> None:
        super().__init__(listening, allow, **options)
        self._tokens = tokens
        self._identity = identity
        self._max_connections = max_connections
        self._failed_handshakes = Seldom(self._clock)
        self._connections: dict[Flow, _Connection] = {}
        self._raw: set[socket.socket] = set()  # accepted, and not begun with yet
        self._opening = 0  # with those, and those that shake hands

    async def run(self, hall: Hall) -> None:
        """Carry messages until cancelled.

        Raises:
            ConfigError: the socket cannot be had.
        """
        bound = bind(self._listening)
        self.port = bound.getsockname()[1]
        async with asyncio.TaskGroup() as serving:
            self.is_up.set()
            try:
                while True:
                    await self._accept(bound, serving, hall)
            finally:
                self.is_up.clear()
                bound.close()

    async def _accept(self, bound: socket.socket, serving: asyncio.TaskGroup, hall: Hall) -> None:
        """The next connection. Who may not come in is turned away before anything is read, or any key agreed on."""
        try:
            accepted, address = await asyncio.get_running_loop().sock_accept(bound)
        except OSError as error:  # the peer has gone, or there are no descriptors left
            self._log.warning("connection not accepted", reason=type(error).__name__)
            await asyncio.sleep(ACCEPTS_AGAIN)
            return
        if not self._admits(address[0], hall):
            accepted.close()
            return
        self._raw.add(accepted)
        self._opening += 1
        serving.create_task(self._welcome(accepted, address, hall)).add_done_callback(lambda _: self._close(accepted))

    async def _welcome(self, accepted: socket.socket, address: Any, hall: Hall) -> None:
        self._raw.discard(accepted)  # its transport closes it
        try:
            connection = await self._opened(accepted, address)
        except OSError as error:
            if times := self._failed_handshakes.due(address[0]):
                self._log.warning("TLS handshake refused", peer=address[0], reason=reason_of(error), times=times)
            return
        finally:
            self._opening -= 1
        self._connections[connection.flow] = connection
        await self._serve(connection, hall)

    async def _opened(self, accepted: socket.socket, address: Any) -> _Connection:
        """The connection, once keys are agreed on where TLS is spoken."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(READ_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        terms: dict[str, Any] = {}
        if self._identity is not None:
            terms = {
                "ssl": self._identity.context(),
                "ssl_handshake_timeout": HANDSHAKE_WITHIN,
                "ssl_shutdown_timeout": FAREWELL_WITHIN,
            }
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, **terms)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return _Connection(self._flow(address, writer), reader, writer, self._clock)

    def _close(self, accepted: socket.socket) -> None:
        """One that was accepted in the moment in which the door was shut."""
        if accepted in self._raw:
            self._raw.discard(accepted)
            accepted.close()

    def send(self, flow: Flow, data: bytes) -> bool:
        connection = self._connections.get(flow)
        return connection is not None and connection.send(data)

    def _admits(self, host: str, hall: Hall) -> bool:
        if not self._admission.lets_in(host):
            return False
        if self._opening >= MAX_OPENING:
            self._log.warning("too many connections at once", peer=host, limit=MAX_OPENING)
            return False
        if len(self._connections) + self._opening < self._max_connections or self._make_room(hall):
            return True
        self._log.warning("too many connections", peer=host, limit=self._max_connections)
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

    def _flow(self, address: Any, writer: asyncio.StreamWriter) -> Flow:
        transport: FlowTransport = "tcp" if self._identity is None else "tls"
        return Flow(
            id=f"{transport} {self._tokens()}",
            transport=transport,
            peer=written(address[0], address[1]),
            local=written(self._announce or writer.get_extra_info("sockname")[0], self.port),
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
