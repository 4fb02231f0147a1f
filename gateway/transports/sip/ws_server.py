"""SIP over WebSockets that peers open on our shared port (RFC 7118): browsers, telephones, proxies. The opposite is
`ws_client`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Literal

import structlog

from config.base import Network
from gateway.clock import Clock
from gateway.routes import SocketRoute
from gateway.transports.auth import Authenticator, is_trusted
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.signalling import Hall
from gateway.transports.sip.trunks import written
from gateway.transports.sip.uri import parse_uri
from gateway.transports.sip.ws_flow import SUBPROTOCOL, Ending, WebSocketFlow
from gateway.transports.sockets import Receive, Refusal, Scope, Send, ServerSocket, SocketClosed, Upgrade

MAX_CONNECTIONS = 1_000
MAX_PER_SECOND = 100
"""Messages of one connection; a telephone sends a few for a call."""
CLOSE_LEAVING = 1001  # RFC 6455 section 7.4.1
UNKNOWN_HOST = "talkpath.invalid"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

log = structlog.get_logger(__name__)


class ServerDoor:
    """A `Door`, and the ASGI application behind its route.

    Frozen peers are the server's business, which pings them (`gateway.transports.sockets`).

    Args:
        path: On the shared port.
        authenticate: Judges the upgrade. None: the core challenges each request itself (digest).
        line: The line's name, for the log.
        tokens: Makes the ids of flows.
        trusted_proxies: Peers whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        path: str,
        authenticate: Authenticator | None,
        *,
        line: str,
        tokens: Callable[[], str],
        clock: Clock,
        trusted_proxies: tuple[Network, ...] = (),
        max_connections: int = MAX_CONNECTIONS,
        per_second: int = MAX_PER_SECOND,
    ) -> None:
        self.routes: Sequence[SocketRoute] = (SocketRoute(path=path, app=self),)
        self._authenticate = authenticate
        self._tokens = tokens
        self._clock = clock
        self._trusted_proxies = trusted_proxies
        self._max_connections = max_connections
        self._per_second = per_second
        self._log = log.bind(line=line, transport="ws")
        self._open: dict[Flow, WebSocketFlow] = {}
        self._accepting = 0
        self._hall: Hall | None = None

    async def run(self, hall: Hall) -> None:
        """Let connections in until cancelled, and then take leave of them."""
        self._hall = hall
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._hall = None
            for flow in list(self._open):
                self._close(flow, hall, Ending("the line is closed", CLOSE_LEAVING))

    def send(self, flow: Flow, data: bytes) -> bool:
        connection = self._open.get(flow)
        return connection is not None and connection.send(data)

    async def flush(self) -> None:
        await asyncio.gather(*(connection.flush() for connection in self._open.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = ServerSocket(scope, receive, send)
        try:
            upgrade = await socket.upgrade()
            refusal = self._judge(upgrade)
            if refusal is not None:
                self._log.warning("connection refused", status=refusal.status, reason=refusal.reason, peer=upgrade.peer)
                await socket.refuse(refusal)
                return
            await self._accept(socket)
        except SocketClosed:
            self._log.info("peer left before its connection was accepted")
            return
        await self._serve(socket, self._flow(upgrade, scope))

    def _judge(self, upgrade: Upgrade) -> Refusal | None:
        if SUBPROTOCOL not in upgrade.subprotocols:
            return Refusal(400, "the sub-protocol sip is required")
        if self._authenticate is not None and (refusal := self._authenticate(upgrade)) is not None:
            return refusal
        if self._hall is None:
            return Refusal(503, "the line does not take calls")
        if len(self._open) + self._accepting >= self._max_connections:
            return Refusal(503, "there are too many connections")
        return None

    async def _accept(self, socket: ServerSocket) -> None:
        self._accepting += 1
        try:
            await socket.accept(SUBPROTOCOL)
        finally:
            self._accepting -= 1

    async def _serve(self, socket: ServerSocket, flow: Flow) -> None:
        hall = self._hall
        if hall is None:  # closed while we accepted
            await socket.close(CLOSE_LEAVING, "the line is closed")
            return
        connection = self._open[flow] = WebSocketFlow(socket, flow, clock=self._clock, per_second=self._per_second)
        try:
            hall.flow_opened(flow, self)
            ending = await connection.carry(hall)
            self._log.info("connection closed", peer=flow.peer, reason=ending.reason)
        finally:
            self._close(flow, hall, Ending("the connection is closed"))
        if ending.code is not None:
            await socket.close(ending.code, ending.reason)

    def _close(self, flow: Flow, hall: Hall, ending: Ending) -> None:
        """Once for each flow, however it ends."""
        connection = self._open.pop(flow, None)
        if connection is not None:
            connection.end(ending)
            hall.flow_closed(flow)

    # --- who it is -------------------------------------------------------------------------------------------------
    def _flow(self, upgrade: Upgrade, scope: Scope) -> Flow:
        return Flow(
            id=f"ws {self._tokens()}",
            transport=self._transport(upgrade),
            peer=self._peer(upgrade, scope),
            local=_our_name(upgrade, scope),
        )

    def _transport(self, upgrade: Upgrade) -> Literal["ws", "wss"]:
        forwarded = upgrade.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        believed = forwarded if forwarded and is_trusted(upgrade.peer, self._trusted_proxies) else upgrade.scheme
        return "wss" if believed in ("wss", "https") else "ws"

    def _peer(self, upgrade: Upgrade, scope: Scope) -> str:
        """Who it is behind trusted proxies: the last forwarded address that is no trusted proxy itself. Its port is not
        known, then."""
        client = upgrade.peer
        if is_trusted(client, self._trusted_proxies):
            for forwarded in reversed(upgrade.headers.get("x-forwarded-for", "").split(",")):
                address = _address(forwarded)
                client = address or client
                if address is None or not is_trusted(address, self._trusted_proxies):
                    break
        if client == upgrade.peer and scope.get("client"):
            return written(client, scope["client"][1])
        return written(client, 0)


def _address(forwarded: str) -> str | None:
    """An address as proxies write it, some with a port; None for anything else, such as ``unknown``."""
    text = forwarded.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _our_name(upgrade: Upgrade, scope: Scope) -> str:
    """What the peer has called us, where that fits into a SIP header; else the address it has reached."""
    host = upgrade.headers.get("host", "")
    if _HOST.fullmatch(host):
        with suppress(SipParseError):
            parse_uri(f"sip:{host}")
            return host
    server = scope.get("server")
    return written(server[0], server[1]) if server and server[1] else UNKNOWN_HOST
