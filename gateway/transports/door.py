"""The way in for calls that come as a WebSocket: authenticate, accept, read who calls, offer, and see it closed.

What differs between protocols comes as functions; `gateway.transports.auth` has the usual checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.errors import RemoteProtocolError, Unwelcome
from gateway.interfaces import Leg
from gateway.transports.auth import Authenticator
from gateway.transports.sockets import (
    CLOSE_BAD_MESSAGE,
    CLOSE_POLICY,
    MediaSocket,
    Receive,
    Refusal,
    Scope,
    Send,
    ServerSocket,
    SocketClosed,
    Upgrade,
)

Offer = Callable[[Leg], Awaitable[None]]


class Rejoined:
    """A socket that belongs to a call which is there already: its caller has come back.

    Args:
        call_id: That call's.
    """

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self._over = asyncio.Event()

    def end(self) -> None:
        """The call has no use for the socket any more."""
        self._over.set()

    async def until_over(self) -> None:
        await self._over.wait()


Begin = Callable[[MediaSocket, Upgrade], Awaitable[Leg | Rejoined]]

log = structlog.get_logger(__name__)


class SocketDoor:
    """The ASGI application of one line.

    Args:
        line: The line's name, for the log.
        authenticate: Judges the upgrade.
        begin: Reads a socket's first messages and makes the leg. Raises RemoteProtocolError or SocketClosed.
        start_timeout: Seconds `begin` may take.
        subprotocol: Echoed where the peer offers it.
    """

    def __init__(
        self,
        *,
        line: str,
        authenticate: Authenticator,
        begin: Begin,
        start_timeout: float,
        subprotocol: str | None = None,
    ) -> None:
        self._log = log.bind(line=line)
        self._authenticate = authenticate
        self._begin = begin
        self._start_timeout = start_timeout
        self._subprotocol = subprotocol
        self._offer: Offer | None = None

    async def serve(self, offer: Offer) -> None:
        """Let calls in until cancelled. Calls that are running go on."""
        self._offer = offer
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._offer = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = ServerSocket(scope, receive, send)
        try:
            upgrade = await socket.upgrade()
            refusal = self._authenticate(upgrade)
            offer = self._offer
            if refusal is None and offer is None:
                refusal = Refusal(503, "the line does not take calls")
            if refusal is not None or offer is None:
                await self._refuse(socket, upgrade, refusal or Refusal(503, ""))
                return
            offered = self._subprotocol in upgrade.subprotocols
            await socket.accept(self._subprotocol if offered else None)
        except SocketClosed:
            self._log.info("peer left before the media socket was accepted")
            return
        begun = await self.welcome(socket, self._begin(socket, upgrade), upgrade.peer)
        if begun is not None:
            await self.conduct(begun, socket, offer)

    async def _refuse(self, socket: ServerSocket, upgrade: Upgrade, refusal: Refusal) -> None:
        self._log.warning("media socket refused", status=refusal.status, reason=refusal.reason, peer=upgrade.peer)
        await socket.refuse(refusal)

    async def welcome(
        self, socket: MediaSocket, beginning: Awaitable[Leg | Rejoined], peer: str = ""
    ) -> Leg | Rejoined | None:
        """Read who calls; None when that fails, and then the socket is closed and the log says why."""
        try:
            async with asyncio.timeout(self._start_timeout):
                return await beginning
        except TimeoutError:
            reason, code = f"no start within {self._start_timeout:g} s", CLOSE_POLICY
        except SocketClosed as closed:
            reason, code = f"closed before the start: {closed}", CLOSE_POLICY
        except Unwelcome as error:
            reason, code = error.hint, CLOSE_POLICY
        except RemoteProtocolError as error:
            reason, code = error.hint, CLOSE_BAD_MESSAGE
        self._log.warning("media socket closed before the call", reason=reason, code=code, peer=peer)
        await socket.close(code, reason)
        return None

    async def conduct(self, begun: Leg | Rejoined, socket: MediaSocket, offer: Offer) -> None:
        """Offer a leg, and leave nothing open behind the call. A socket of another call's lasts as long as that."""
        try:
            if isinstance(begun, Rejoined):
                await begun.until_over()
                return
            try:
                await offer(begun)
            finally:
                await begun.hang_up("normal")
        finally:
            await socket.close()
