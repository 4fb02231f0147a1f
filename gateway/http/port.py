"""The shared port: one ASGI application for health, API, metrics, console, vendor webhooks and media sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.http import api, console
from gateway.http.control import Control
from gateway.http.guard import CHALLENGE, Guard
from gateway.interfaces import HttpRequest, SocketRoute, Webhook

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/health/live", "/health/ready")
RETRY_AFTER = "5"  # s a refused PBX may wait before it asks again


class GuardMiddleware:
    """Lets requests pass that need no token: health and the plug-ins' own paths; guards all others."""

    def __init__(self, app: Asgi, *, guard: Guard, is_open: Callable[[str], bool]) -> None:
        self.app = app
        self.guard = guard
        self.is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self.is_open(str(scope["path"])):
            await self.app(scope, receive, send)
            return
        peer = scope.get("client")
        refusal = self.guard.refusal(peer[0] if peer else "", headers_of(scope))
        if refusal is None:
            await self.app(scope, receive, send)
            return
        status, sentence = refusal
        if scope["type"] == "websocket":
            await refuse_upgrade(scope, receive, send, status, sentence)
        else:
            await api.error(status, sentence, CHALLENGE if status == 401 else None)(scope, receive, send)


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
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": sentence.encode()})


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


def webhook_route(hook: Webhook, public_url: str | None) -> Route:
    """Serve a plug-in's webhook: bounded body, plain values in and out."""

    async def endpoint(request: Request) -> Response:
        body = b""
        try:
            async for piece in request.stream():
                body += piece
                if len(body) > hook.max_bytes:
                    return api.error(413, f"the body is longer than {hook.max_bytes} bytes")
        except ClientDisconnect:
            return Response(status_code=400)
        reply = await hook.handle(_plain(request, body, public_url))
        return Response(
            reply.body, status_code=reply.status, media_type=reply.content_type, headers=dict(reply.headers)
        )

    return Route(hook.path, endpoint, methods=list(hook.methods))


def _plain(request: Request, body: bytes, public_url: str | None) -> HttpRequest:
    query = f"?{request.url.query}" if request.url.query else ""
    path = request.url.path
    return HttpRequest(
        method=request.method,
        path=path,
        url=f"{public_url}{path}{query}" if public_url else str(request.url),
        headers=headers_of(request.scope),
        query=dict(request.query_params),
        path_params={name: str(value) for name, value in request.path_params.items()},
        body=body,
        peer=request.client.host if request.client else "",
    )


def build(
    control: Control,
    plugged: Iterable[Webhook | SocketRoute],
    *,
    guard: Guard,
    public_url: str | None = None,
    guarded_sockets: Iterable[SocketRoute] = (),
) -> Starlette:
    """The application behind the shared port.

    Args:
        control: The gateway.
        plugged: What transports and backends serve; they check their callers themselves.
        guard: Checks all others.
        public_url: What vendors call and sign.
        guarded_sockets: Sockets of the gateway's own, behind the guard.
    """
    routes: list[BaseRoute] = [*_health(control), *api.routes(control), *_pages(control)]
    open_routes: list[BaseRoute] = []
    for item in plugged:
        if isinstance(item, Webhook):
            open_routes.append(webhook_route(item, public_url))
        else:
            open_routes.append(WebSocketRoute(item.path, Admission(item.app, control)))
    routes.extend(WebSocketRoute(item.path, Admission(item.app, control)) for item in guarded_sockets)
    matchers = [route.path_regex for route in open_routes if isinstance(route, Route | WebSocketRoute)]

    def is_open(path: str) -> bool:
        return path in OPEN_PATHS or any(pattern.match(path) for pattern in matchers)

    middleware = [Middleware(GuardMiddleware, guard=guard, is_open=is_open)]
    return Starlette(routes=[*open_routes, *routes], middleware=middleware, exception_handlers=_exception_handlers())


def _exception_handlers() -> Mapping[Any, Any]:
    async def not_found(_: Request, __: Exception) -> Response:
        return api.error(404, "there is nothing here")

    async def wrong_method(_: Request, __: Exception) -> Response:
        return api.error(405, "not this way")

    return {404: not_found, 405: wrong_method}


def _health(control: Control) -> list[BaseRoute]:
    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        return JSONResponse({"ready": control.is_ready}, status_code=200 if control.is_ready else 503)

    return [Route("/health/live", live), Route("/health/ready", ready)]


def _pages(control: Control) -> list[BaseRoute]:
    async def metrics(_: Request) -> Response:
        return PlainTextResponse(control.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/metrics", metrics), *console.routes(control)]
