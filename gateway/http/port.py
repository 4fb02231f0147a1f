"""The shared port: one ASGI application for health, API, metrics, console, vendor webhooks and media sockets.

Beside it, an application for each listener of its own that webhooks ask for, which serves those webhooks alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.errors import ConfigError
from gateway.http import api, console
from gateway.http.control import Control
from gateway.http.guard import Guard
from gateway.http.metrics import CONTENT_TYPE
from gateway.http.middleware import Admission, GuardMiddleware, PrefixMiddleware
from gateway.http.replies import error, reply
from gateway.http.webhooks import Observe, webhook_route
from gateway.routes import SocketRoute, Webhook

OPEN_PATHS = ("/health/live", "/health/ready")
OWN_PATHS = re.compile(r"/?(\{.*|(api|calls|health|metrics|talk)(/.*)?)?")
"""Paths of the gateway's own, which no plug-in may take; also such that begin with a parameter, and would take all."""


def build(
    control: Control,
    plugged: Iterable[Webhook | SocketRoute],
    *,
    guard: Guard,
    public_url: str | None = None,
    prefix: str = "",
    guarded_sockets: Iterable[SocketRoute] = (),
    observe: Observe = lambda *_: None,
) -> Starlette:
    """The application behind the shared port.

    Args:
        control: The gateway.
        plugged: What transports and backends serve; they check their callers themselves.
        guard: Checks all others.
        public_url: What vendors call and sign.
        prefix: Before every path, such as ``/talkpath``.
        guarded_sockets: Sockets of the gateway's own, behind the guard.
        observe: Told of each request to a webhook.

    Raises:
        ConfigError: A plug-in's path is one of the gateway's own.
    """
    open_routes = [_open_route(item, control, public_url, observe) for item in plugged if not _is_elsewhere(item)]
    own_sockets = [WebSocketRoute(item.path, Admission(item.app, control)) for item in guarded_sockets]
    own_routes = [*_health(control), *api.routes(control), _metrics(control)]
    own_pages = console.routes(control, guard, is_https=(public_url or "").startswith("https:"), prefix=prefix)
    is_open = _openness(open_routes, has_login=guard.login is not None)
    app = Starlette(
        routes=[*open_routes, *own_routes, *own_pages, *own_sockets],
        middleware=[
            Middleware(PrefixMiddleware, prefix=prefix),
            Middleware(GuardMiddleware, guard=guard, is_open=is_open),
        ],
        exception_handlers=_exception_handlers(),
    )
    app.router.redirect_slashes = False
    return app


def build_listener(hooks: Iterable[Webhook], *, observe: Observe = lambda *_: None) -> Starlette:
    """The application behind a listener of webhooks' own: they check their senders themselves; nothing else is there.

    The URL that a request names is what its sender has signed; the shared port's public address and prefix are not its.
    """
    app = Starlette(
        routes=[webhook_route(hook, None, observe) for hook in hooks], exception_handlers=_exception_handlers()
    )
    app.router.redirect_slashes = False
    return app


def _is_elsewhere(item: Webhook | SocketRoute) -> bool:
    """Whether a webhook has only the listener of its own, because its path here is the gateway's."""
    return isinstance(item, Webhook) and item.listen is not None and OWN_PATHS.fullmatch(item.path) is not None


def _open_route(
    item: Webhook | SocketRoute, control: Control, public_url: str | None, observe: Observe
) -> Route | WebSocketRoute:
    if OWN_PATHS.fullmatch(item.path):
        raise ConfigError(f"the path {item.path!r} is the gateway's own", field="lines")
    if isinstance(item, Webhook):
        return webhook_route(item, public_url, observe)
    return WebSocketRoute(item.path, Admission(item.app, control))


def _openness(open_routes: Iterable[Route | WebSocketRoute], *, has_login: bool) -> Callable[[str, str, str], bool]:
    """Which requests check their sender themselves, by the type of the scope, the path and the method."""
    patterns = [("http" if isinstance(route, Route) else "websocket", route.path_regex) for route in open_routes]

    def is_open(kind: str, path: str, method: str) -> bool:
        if kind == "http" and (path in OPEN_PATHS or (has_login and path == "/" and method == "POST")):
            return True
        return any(kind == wanted and pattern.match(path) for wanted, pattern in patterns)

    return is_open


def _exception_handlers() -> Mapping[Any, Any]:
    """Errors are JSON, too. What nobody expected is logged by the server, with its traceback."""

    async def not_found(_: Request, __: Exception) -> Response:
        return error(404, "there is nothing here")

    async def wrong_method(_: Request, wrong: HTTPException) -> Response:
        return error(405, "not this way", wrong.headers)

    async def broken(_: Request, __: Exception) -> Response:
        return error(500, "something is broken here; the log says what")

    return {404: not_found, 405: wrong_method, Exception: broken}


def _health(control: Control) -> list[BaseRoute]:
    async def live(_: Request) -> Response:
        return reply({"live": True})

    async def ready(_: Request) -> Response:
        return reply({"ready": control.is_ready}, 200 if control.is_ready else 503)

    return [Route("/health/live", live), Route("/health/ready", ready)]


def _metrics(control: Control) -> BaseRoute:
    async def metrics(_: Request) -> Response:
        return Response(control.metrics(), media_type=CONTENT_TYPE)

    return Route("/metrics", metrics)
