"""Calls placed as Asterisk does it: it dials the gateway, or waits on its own server for the gateway to come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.caller.asterisk import AsteriskPeer, Codec
from gateway.caller.connection import CLOSE_TIMEOUT, WebSocketConnection, open_socket
from gateway.caller.line import CallerLine, Sleep
from gateway.caller.peer import CallerAuth, basic_headers
from gateway.clock import Clock

SUBPROTOCOL = "media"


class AsteriskCaller:
    """Places calls on `asterisk` lines.

    Args:
        codec, is_json, answers_itself, is_old, keep: As for `AsteriskPeer`.
        clock, sleep, hear_every, background: As for `CallerLine`.
    """

    def __init__(
        self,
        *,
        codec: Codec = "ulaw",
        is_json: bool = True,
        answers_itself: bool = True,
        is_old: bool = False,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        hear_every: float | None = 0.1,
        background: bool = False,
        keep: float | None = None,
    ) -> None:
        self._codec = codec
        self._is_json = is_json
        self._answers_itself = answers_itself
        self._is_old = is_old
        self._clock = clock
        self._sleep = sleep
        self._hear_every = hear_every
        self._background = background
        self._keep = keep

    def connect(
        self,
        url: str,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        auth: CallerAuth | None = None,
    ) -> CallerLine:
        """See `CallerClient.connect`. Plain text has no variables: there the called number goes behind the path."""
        if called and not (self._is_json and not self._is_old):
            url = f"{url.rstrip('/')}/{called}"
        peer = self.peer(caller=caller, called=called, custom=custom)
        headers = basic_headers(auth)
        return CallerLine(
            peer,
            lambda: open_socket(url, headers, SUBPROTOCOL),
            clock=self._clock,
            sleep=self._sleep,
            hear_every=self._hear_every,
            background=self._background,
        )

    def peer(
        self,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        connection_id: str = "gateway",
    ) -> AsteriskPeer:
        """A channel of this kind, with the call's data in its variables."""
        given = {"from": caller, "to": called, **(custom or {})}
        return AsteriskPeer(
            codec=self._codec,
            is_json=self._is_json,
            answers_itself=self._answers_itself,
            is_old=self._is_old,
            variables={name: value for name, value in given.items() if value},
            connection_id=connection_id,
            keep=self._keep,
        )


class AsteriskServer:
    """Asterisk's HTTP server with `/media/<id>`: channels that wait for the gateway to connect.

    It serves while it is entered with ``async with``. Unknown ids are answered 404, a second connection 409.
    """

    def __init__(self, *, clock: Clock | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._waiting: dict[str, asyncio.Future[WebSocketConnection]] = {}
        self._server: Server | None = None
        self.url = ""

    def expect(self, client: AsteriskCaller, connection_id: str, *, caller: str = "", called: str = "") -> CallerLine:
        """A channel that waits for the gateway; entering the line waits with it. Wrap that in `asyncio.timeout`.

        Args:
            client: Makes the channel.
            connection_id: Known to nobody but who is to connect; a UUID, as a rule.
        """
        peer = client.peer(connection_id=connection_id, caller=caller, called=called)
        connection = asyncio.get_running_loop().create_future()
        self._waiting[connection_id] = connection
        return CallerLine(peer, lambda: connection, clock=self._clock, sleep=self._sleep)

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._judge,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT,
        )
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        waiting = self._waiting.get(_connection_id(request))
        if waiting is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such channel\n")
        return connection.respond(HTTPStatus.CONFLICT, "connected already\n") if waiting.done() else None

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        waiting = self._waiting[_connection_id(connection.request)]
        if waiting.done():
            await connection.close(1008)
            return
        waiting.set_result(WebSocketConnection(connection))
        await connection.wait_closed()


def _connection_id(request: Request) -> str:
    return request.path.partition("?")[0].removeprefix("/media/")
