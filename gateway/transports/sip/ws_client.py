"""SIP over a WebSocket that we open at a PBX, to register there (RFC 7118). The opposite is `ws_server`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.typing import Origin, Subprotocol

from gateway.clock import Clock
from gateway.routes import SocketRoute
from gateway.transports.dialled import ClientSocket
from gateway.transports.sip.flow import Flow, invalid_host
from gateway.transports.sip.settings import RegistrationSection
from gateway.transports.sip.signalling import Hall
from gateway.transports.sip.trunks import written
from gateway.transports.sip.unreached import NO_SUBPROTOCOL, why_not
from gateway.transports.sip.ws_flow import MAX_MESSAGE_BYTES, SUBPROTOCOL, Ending, WebSocketFlow
from gateway.transports.sockets import CLOSE_OK, CLOSE_TIMEOUT, close_reason

PRODUCT = "Talkpath"
CONNECT_WITHIN = 10.0
PING_INTERVAL, PING_TIMEOUT = 20.0, 10.0
"""Proxies cut what is idle for 30 to 60 s."""
FIRST_DELAY, LAST_DELAY = 1.0, 60.0
STEADY = 10.0
"""Seconds after which a connection counts as a good one: what was before it is forgotten."""
CLOSE_PROTOCOL = 1002  # RFC 6455 section 7.4.1

log = structlog.get_logger(__name__)


class Delays:
    """How long to wait before the next connection: not at all behind a drop; then, as long as none is steady, from 1 s
    to 60 s, doubling.

    Args:
        random: Gives numbers from 0 to 1; each delay is up to a fifth shorter or longer, so that many gateways do not
            come back at once.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._next = 0.0

    def after_drop(self, lasted: float) -> float:
        """Behind a connection that stood for some seconds."""
        if lasted >= STEADY:
            self._next = 0.0
        delay = min(LAST_DELAY, self._next * (0.8 + 0.4 * self._random()))
        self._next = min(LAST_DELAY, max(FIRST_DELAY, 2 * self._next))
        return delay

    def after_failure(self) -> float:
        """Behind one that did not come about."""
        self._next = max(FIRST_DELAY, self._next)
        return self.after_drop(0.0)


class ClientDoor:
    """A `Door`, to one registrar.

    Args:
        tokens: Makes host names and the ids of flows.
        on_up: Gets each new flow behind `Hall.flow_opened`, for the line to register on it.
        random: Gives numbers from 0 to 1, for delays.
        line: The line's name, for the log.
        product: Sent as User-Agent; empty: none.
        tls: For ``wss``. None: the system's certificate authorities.
    """

    def __init__(
        self,
        registration: RegistrationSection,
        *,
        tokens: Callable[[], str],
        clock: Clock,
        on_up: Callable[[Flow], None],
        random: Callable[[], float],
        line: str,
        product: str = PRODUCT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._registration = registration
        self._tokens = tokens
        self._clock = clock
        self._on_up = on_up
        self._delays = Delays(random)
        self._product = product
        self._tls = tls
        self.trouble: tuple[str, float] | None = None
        """Why there is no connection, and when the next one is tried; None while there is one, or it is tried."""
        self._connection: WebSocketFlow | None = None
        self._told = ""  # what the log has as the reason why there is no connection
        self._is_secure = urlsplit(registration.registrar).scheme == "wss"
        self._place = registration.place
        self._log = log.bind(line=line, registrar=self._place)

    @property
    def routes(self) -> Sequence[SocketRoute]:
        return ()

    def send(self, flow: Flow, data: bytes) -> bool:
        connection = self._connection
        return connection is not None and connection.flow == flow and connection.send(data)

    async def flush(self) -> None:
        if self._connection is not None:
            await self._connection.flush()

    async def run(self, hall: Hall) -> None:
        """Keep a connection until cancelled."""
        while True:
            delay = await self._once(hall)
            await asyncio.sleep(delay)

    async def _once(self, hall: Hall) -> float:
        """One connection, or the attempt at one; returns how long to wait before the next. The log has
        each reason once, and again only when it is another one."""
        try:
            connection = await self._connect()
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ValueError) as error:
            delay = self._delays.after_failure()
            reason = why_not(error, self._place, within=CONNECT_WITHIN)
            if reason != self._told:
                self._log.warning("no connection to the registrar", reason=reason, again_in=round(delay, 1))
            self._told = reason
            self.trouble = reason, self._clock.now() + delay
            return delay
        self.trouble, self._told = None, ""
        began = self._clock.now()
        ending = Ending("something is broken here", CLOSE_OK)
        try:
            ending = await self._carry(connection, hall)
        except Exception:  # the edge of one connection: the line's others go on
            self._log.exception("connection to the registrar broken off")
        finally:
            await _leave(connection, ending)
        delay = self._delays.after_drop(self._clock.now() - began)
        self._log.warning("connection to the registrar lost", reason=ending.reason, again_in=round(delay, 1))
        self.trouble = ending.reason, self._clock.now() + delay
        return delay

    async def _connect(self) -> ClientConnection:
        origin = self._registration.origin
        return await connect(
            self._registration.registrar,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            origin=Origin(origin) if origin else None,
            user_agent_header=self._product or None,
            compression=None,
            proxy=None,
            open_timeout=CONNECT_WITHIN,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            max_size=MAX_MESSAGE_BYTES,
            ssl=(self._tls or True) if self._is_secure else None,
        )

    async def _carry(self, connection: ClientConnection, hall: Hall) -> Ending:
        if connection.subprotocol != SUBPROTOCOL:
            return Ending(NO_SUBPROTOCOL, CLOSE_PROTOCOL)
        flow = self._flow(connection)
        carried = self._connection = WebSocketFlow(ClientSocket(connection), flow, clock=self._clock)
        self._log.info("connected to the registrar", peer=flow.peer)
        try:
            hall.flow_opened(flow, self)
            self._on_up(flow)
            return await carried.carry(hall)
        finally:
            self._connection = None
            hall.flow_closed(flow)

    def _flow(self, connection: ClientConnection) -> Flow:
        peer = connection.remote_address
        return Flow(
            id=f"ws {self._tokens()}",
            transport="wss" if self._is_secure else "ws",
            peer=written(peer[0], peer[1]) if peer else "",
            local=invalid_host(self._tokens),
        )


async def _leave(connection: ClientConnection, ending: Ending) -> None:
    """Close, and wait a moment for the peer to do so, too; one that takes nothing is dropped."""
    try:
        if not ending.is_stuck:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await connection.close(ending.code or CLOSE_OK, close_reason(ending.reason if ending.code else ""))
    except TimeoutError:
        pass
    finally:
        connection.transport.abort()
