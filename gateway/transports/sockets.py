"""WebSockets as the media legs see them: messages in, messages out, and how it ended.

`ServerSocket` is the thin adapter on an ASGI server; `gateway.transports.dialled` has the one for sockets we open. A
leg knows neither. Both keep text and binary messages whole, unfragmented and uncompressed.

A frozen peer is the server's business: it pings every 10 s and waits 10 s for the pong (`ws_ping_interval` and
`ws_ping_timeout` of uvicorn, set where it is started; the same here for sockets we dial), so that the break is seen
within 20 s. Its `ws_per_message_deflate` is off, and `ws_max_size` not below `MAX_MESSAGE_BYTES`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from config.base import Network
from gateway.clock import Clock, LoopClock
from gateway.kit.http import HttpClient

MAX_MESSAGE_BYTES = 1 << 20
"""Longest message a peer may send. Twilio sends 0.4 kB, Asterisk up to 64 kB."""
MAX_REASON_BYTES = 123  # RFC 6455 section 5.5: a control frame carries at most 125 bytes, two of them the close code
PING_INTERVAL = PING_TIMEOUT = 10.0
REFUSAL_LINGER = 1.0
CLOSE_TIMEOUT = 2.0
CLOSED_CLEANLY = frozenset({1000, 1001, 1005})  # RFC 6455 section 7.4.1; 1005: a close frame without a code
CLOSE_OK, CLOSE_BAD_MESSAGE, CLOSE_POLICY, CLOSE_TOO_BIG = 1000, 1007, 1008, 1009

Message = str | bytes
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineContext:
    """What a transport is given beside its own settings.

    Attributes:
        public_url: `server.public_url`: what peers call and sign, with a proxy's path and without a slash at the end.
        trusted_proxies: `server.trusted_proxies`.
        country: `server.country`, for numbers in national form.
        new_id: Makes the id of a call.
        clock: Time of day, for what expires.
        http: The process' client, for lines that ask their carrier for something. None: they ask nobody.
    """

    new_id: Callable[[], str]
    public_url: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    country: str | None = None
    clock: Clock = field(default_factory=LoopClock)
    http: HttpClient | None = None


class SocketClosed(Exception):
    """The socket is gone; nothing can be sent or received.

    Attributes:
        code: Close code (RFC 6455 section 7.4), or None when the connection broke without one.
        is_clean: The peer closed it on purpose.
    """

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(f"{code or 'connection lost'} {reason}".strip())
        self.code = code
        self.reason = reason

    @property
    def is_clean(self) -> bool:
        return self.code in CLOSED_CLEANLY


class MediaSocket(Protocol):
    """One WebSocket that was accepted, or that we opened."""

    async def receive(self) -> Message:
        """The next message. Raises SocketClosed."""
        ...

    async def send(self, message: Message) -> None:
        """Send one message; waits while the peer's TCP window is full. Raises SocketClosed."""
        ...

    async def close(self, code: int = CLOSE_OK, reason: str = "") -> None:
        """Close it; harmless when it is closed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """A WebSocket handshake that was not answered yet.

    Attributes:
        target: Path and query as the client wrote them.
        headers: Names in lower case; repeated ones joined by ", ".
        peer: The client's address; empty on a Unix socket.
    """

    scheme: str
    path: str
    target: str
    headers: Mapping[str, str]
    peer: str = ""
    subprotocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an upgrade is not accepted.

    Attributes:
        challenge: `WWW-Authenticate` of a 401.
    """

    status: int
    reason: str
    challenge: str = ""


class ServerSocket:
    """A WebSocket of an ASGI server, before and after it is accepted.

    Raises:
        SocketClosed: from every method but `close`, when the peer has gone.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._closed: SocketClosed | None = None

    async def upgrade(self) -> Upgrade:
        """Wait for the handshake and read it."""
        message = await self._receive()
        if message["type"] != "websocket.connect":
            raise self._lost(message)
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._scope.get("headers", ()):
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        path = self._scope["path"]
        raw_path = (self._scope.get("raw_path") or path.encode()).decode("latin-1")
        query = self._scope.get("query_string", b"").decode("latin-1")
        client = self._scope.get("client")
        return Upgrade(
            scheme=self._scope.get("scheme", "ws"),
            path=path,
            target=f"{raw_path.partition('?')[0]}?{query}" if query else raw_path.partition("?")[0],
            headers=headers,
            peer=client[0] if client else "",
            subprotocols=tuple(self._scope.get("subprotocols", ())),
        )

    async def accept(self, subprotocol: str | None = None) -> None:
        await self._put({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def refuse(self, refusal: Refusal) -> None:
        """Answer the upgrade with an HTTP status instead (ASGI extension "WebSocket Denial Response")."""
        if "websocket.http.response" not in (self._scope.get("extensions") or {}):
            await self._put({"type": "websocket.close", "code": CLOSE_POLICY})  # the server makes this a 403
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if refusal.challenge:
            headers.append((b"www-authenticate", refusal.challenge.encode("latin-1")))
        await self._put({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        body = f"{HTTPStatus(refusal.status).phrase}: {refusal.reason}\n".encode()
        await self._put({"type": "websocket.http.response.body", "body": body})
        # uvicorn (0.40 to 0.54) logs an error about its application if it returns before the connection is closed; the
        # first disconnect tells of our own reply, the second of the connection.
        with suppress(TimeoutError):
            async with asyncio.timeout(REFUSAL_LINGER):
                await self._receive()
                await self._receive()

    async def receive(self) -> Message:
        message = await self._receive()
        data: Message | None = message.get("text")
        if data is None:
            data = message.get("bytes")
        if data is None:
            raise self._lost(message)
        if len(data) <= MAX_MESSAGE_BYTES:
            return data
        await self.close(CLOSE_TOO_BIG, "message too long")
        raise SocketClosed(CLOSE_TOO_BIG, "message too long")

    async def send(self, message: Message) -> None:
        key = "text" if isinstance(message, str) else "bytes"
        await self._put({"type": "websocket.send", key: message})

    async def close(self, code: int = CLOSE_OK, reason: str = "") -> None:
        if self._closed is not None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):  # a peer that does not read is left to the server's pings
                await self._put({"type": "websocket.close", "code": code, "reason": close_reason(reason)})
        except (SocketClosed, TimeoutError):
            return
        self._closed = SocketClosed(code, reason)

    def _lost(self, message: MutableMapping[str, Any]) -> SocketClosed:
        # A connection that was lost comes as 1005 too, but without the key of the reason (uvicorn 0.40 to 0.54).
        code = message.get("code")
        lost = code == 1006 or (code == 1005 and "reason" not in message)
        self._closed = SocketClosed(None if lost else code, message.get("reason") or "")
        return self._closed

    async def _put(self, message: MutableMapping[str, Any]) -> None:
        if self._closed is not None:
            raise self._closed
        try:
            await self._send(message)
        except OSError as error:  # ASGI specification 2.4: the client disconnected
            raise SocketClosed(None) from error
        except RuntimeError as error:  # the server closed it by itself, such as after a ping without a pong
            raise SocketClosed(None, "closed by the server") from error


def close_reason(text: str) -> str:
    """A reason cut to what a close frame holds, at a whole character."""
    return text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
