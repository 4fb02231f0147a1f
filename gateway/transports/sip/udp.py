"""SIP over UDP, for trunks: one socket, and a flow for each peer that speaks to it (RFC 3261 section 18).

The counterpart for connections is `tcp`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Unpack, cast

import structlog

from config.base import Network
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.framing import PONG_BYTES, KeepAlive, keep_alive
from gateway.transports.sip.settings import Listening
from gateway.transports.sip.signalling import Hall
from gateway.transports.sip.trunks import DoorOptions, TrunkDoor, bind, written

MAX_PEERS = 10_000
"""Flows that are known at a time. The one that was heard of least recently makes room for a new one, so only a flood
of forged addresses, on a line that is open to everybody, costs a peer its flow."""
MAX_UNSENT_BYTES = 1 << 20
"""What waits while the network takes nothing; more is lost, as datagrams may be."""
MAX_DATAGRAM_BYTES = 65_507  # RFC 768 and 791: 65,535 less the headers
BUFFER_BYTES = 1 << 20
"""What the kernel keeps for us while the process is held up: some seconds of a busy trunk."""

log = structlog.get_logger(__name__)


class UdpDoor(TrunkDoor):
    """A `Door`.

    Each datagram is handled in a turn of the event loop of its own (with uvloop, at most 32 of them), so that a flood
    delays other work and does not stop it.
    """

    def __init__(self, listening: Listening, allow: Sequence[Network], **options: Unpack[DoorOptions]) -> None:
        super().__init__(listening, allow, **options)
        self._transport: Any = None  # a DatagramTransport; its `get_write_buffer_size` is not declared
        self._hall: Hall | None = None
        self._flows: dict[Any, Flow] = {}  # by the peer's address as the socket has it; heard of last, last
        self._peers: dict[Flow, Any] = {}

    async def run(self, hall: Hall) -> None:
        """Carry messages until cancelled.

        Raises:
            ConfigError: the socket cannot be had.
        """
        bound = bind(self._listening)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Socket(self), sock=bound)
        self.port = bound.getsockname()[1]
        self._transport, self._hall = transport, hall
        self.is_up.set()
        try:
            await loop.create_future()
        finally:
            self._transport = self._hall = None
            self.is_up.clear()
            transport.close()
            for address in list(self._flows):
                self._forget(address, hall)

    def send(self, flow: Flow, data: bytes) -> bool:
        address = self._peers.get(flow)
        if address is None or self._transport is None:
            return False
        self._send_to(address, data)
        return True

    def _send_to(self, address: Any, data: bytes) -> None:
        if self._transport is None:
            return
        if len(data) > MAX_DATAGRAM_BYTES:
            self._log.warning("message is too long for UDP", peer=address[0], length=len(data))
        elif self._transport.get_write_buffer_size() + len(data) > MAX_UNSENT_BYTES:
            self._log.warning("datagram lost, the network takes nothing", peer=address[0])
        else:
            self._transport.sendto(data, address)

    def received(self, data: bytes, address: Any) -> None:
        """One datagram."""
        hall = self._hall
        if hall is None or not data or not self._admission.lets_in(address[0]):
            return
        beat = keep_alive(data)
        if beat is KeepAlive.PING:
            self._send_to(address, PONG_BYTES)
        if beat is not None:
            return
        try:
            hall.received(data, self._flow(address, hall))
        except Exception:  # the edge of one datagram: the other peers of the socket go on
            self._log.exception("datagram broken off", peer=address[0])

    def _flow(self, address: Any, hall: Hall) -> Flow:
        """The peer's, which is known from now on."""
        flow = self._flows.pop(address, None)
        if flow is not None:
            self._flows[address] = flow
            return flow
        if len(self._flows) >= MAX_PEERS:
            self._forget(next(iter(self._flows)), hall)
        flow = self._flows[address] = self._new_flow(address)
        self._peers[flow] = address
        hall.flow_opened(flow, self)
        return flow

    def _new_flow(self, address: Any) -> Flow:
        peer = written(address[0], address[1])
        ours = written(self._listening.host, self.port)
        host = self._announce or _our_address(self._listening.host, address)
        return Flow(id=f"udp {ours} {peer}", transport="udp", peer=peer, local=written(host, self.port))

    def _forget(self, address: Any, hall: Hall) -> None:
        flow = self._flows.pop(address)
        del self._peers[flow]
        hall.flow_closed(flow)


class _Socket(asyncio.DatagramProtocol):
    """What asyncio calls."""

    def __init__(self, door: UdpDoor) -> None:
        self._door = door

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._door.received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """An earlier datagram could not be delivered (ICMP), or not be sent: the socket goes on."""
        log.debug("datagram not delivered", error=type(exc).__name__)


def _our_address(bound: str, peer: Any) -> str:
    """What the peer reaches us by: the address we listen on, or that of the way to it. Nothing is sent for that."""
    if not ip_address(bound).is_unspecified:
        return bound
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(peer)
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return cast(str, probe.getsockname()[0])
