"""What every request on the shared port passes first: the prefix, the guard, the headers of our own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import structlog
from starlette.responses import RedirectResponse

from gateway.http.control import Control
from gateway.http.guard import CHALLENGE, INVITE, SOCKET, TALK, Guard
from gateway.http.login_page import login_page, wants_page
from gateway.http.replies import error

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSAL_LINGER = 1.0  # s for a refused client to close the connection
RETRY_AFTER = "5"  # s a refused PBX may wait before it asks again
OWN_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class PrefixMiddleware:
    """Takes the server's prefix off every path, so that nothing behind it knows of one.

    Args:
        prefix: Such as ``/talkpath``; empty: none.
    """

    def __init__(self, app: Asgi, *, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.prefix or scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = str(scope["path"])
        if path == self.prefix and scope["type"] == "http":  # relative links need the slash
            await RedirectResponse(f"{self.prefix}/", 308)(scope, receive, send)
        elif path.startswith(f"{self.prefix}/"):
            raw = scope.get("raw_path")
            size = len(self.prefix.encode())
            stripped = {"path": path[len(self.prefix) :], "raw_path": raw[size:] if raw else raw}
            await self.app({**scope, **stripped}, receive, send)
        elif scope["type"] == "websocket":
            await refuse_upgrade(scope, receive, send, 404, "there is nothing here")
        else:
            await error(404, "there is nothing here")(scope, receive, send)


class GuardMiddleware:
    """Lets requests pass that need no token: health and the plug-ins' own paths; guards all others.

    Args:
        guard: Decides.
        is_open: Whether a request, by the type of its scope, its path and its method, checks its sender itself.
    """

    def __init__(self, app: Asgi, *, guard: Guard, is_open: Callable[[str, str, str], bool]) -> None:
        self.app = app
        self.guard = guard
        self.is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        method = str(scope.get("method", SOCKET))
        if self.is_open(kind, str(scope["path"]), method):
            await self.app(scope, receive, send)
            return
        if (method, str(scope["path"])) == ("POST", INVITE):
            method = TALK
        headers, peer = headers_of(scope), scope.get("client")
        refusal = self.guard.refusal(peer[0] if peer else "", headers, method)
        if refusal is None:
            await self.app(scope, receive, _with_own_headers(send))
        elif kind == "websocket":
            await refuse_upgrade(scope, receive, send, *refusal)
        else:
            await self._refuse(scope, receive, _with_own_headers(send), *refusal, headers=headers)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, status: int, sentence: str, *, headers: dict[str, str]
    ) -> None:
        if status == 401 and self.guard.login is not None and wants_page(scope, headers):
            await login_page(str(scope["path"]))(scope, receive, send)
        else:
            await error(status, sentence, CHALLENGE if status == 401 else None)(scope, receive, send)


def _with_own_headers(send: Send) -> Send:
    """Our answers are what they say they are, tell other sites nothing, and are kept by nobody."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            added = [header for header in OWN_HEADERS if header[0] not in present]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case; repeated ones joined by a comma (RFC 9110 section 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def refuse_upgrade(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """Answer a WebSocket handshake with an HTTP status, where the server can; else by closing, which is a 403."""
    await receive()  # websocket.connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1013 if status == 503 else 1008, "reason": sentence[:120]})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER.encode()))
    if status == 401:
        headers.extend((name.encode(), value.encode()) for name, value in CHALLENGE.items())
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": sentence.encode()})
    # uvicorn (0.40 to 0.54) logs an error about its application if it returns before the connection is closed; the
    # first disconnect tells of our own reply, the second of the connection.
    with suppress(TimeoutError):
        async with asyncio.timeout(REFUSAL_LINGER):
            await receive()
            await receive()


class Admission:
    """Refuses media sockets before the upgrade while the gateway is full or draining, so that the PBX moves on."""

    def __init__(self, app: Asgi, control: Control) -> None:
        self.app = app
        self.control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self.control.refuses_calls()
        if reason is None:
            await self.app(scope, receive, send)
            return
        log.warning("call refused", reason=reason, path=scope["path"])
        await refuse_upgrade(scope, receive, send, 503, f"no more calls: {reason}")
