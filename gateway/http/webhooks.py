"""Webhooks of plug-ins: a bounded body and plain values in, plain values out, whatever the plug-in makes of them.

A plug-in is asked only when the whole body is there. What it says is sent at once: it hands actions to its call and
waits for nobody to speak them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import RemoteProtocolError
from gateway.http.middleware import headers_of
from gateway.http.replies import HANG_UP, BodyRefused, body_of, error
from gateway.kit.jsonbody import JsonRefused
from gateway.routes import HttpRequest, Webhook

log = structlog.get_logger()

HANDLE_WITHIN = 30.0  # s a plug-in has for one request
MAX_AT_ONCE = 100  # requests of one webhook, bodies that still come included; more are told to come again
COME_AGAIN = {"retry-after": "1", **HANG_UP}

Observe = Callable[[str, int, float], None]
"""Told of each request: the route's path, the status, and the seconds it took."""


def webhook_route(hook: Webhook, public_url: str | None, observe: Observe) -> Route:
    """Serve a plug-in's webhook."""
    return Route(hook.path, _Desk(hook, public_url, observe).serve, methods=list(hook.methods))


class _Desk:
    """Takes the requests of one webhook."""

    def __init__(self, hook: Webhook, public_url: str | None, observe: Observe) -> None:
        self._hook = hook
        self._public_url = public_url
        self._observe = observe
        self._busy = 0

    async def serve(self, request: Request) -> Response:
        now = asyncio.get_running_loop().time
        begun, status = now(), 500
        self._busy += 1
        try:
            response = await self._answer(request)
            status = response.status_code
            return response
        finally:
            self._busy -= 1
            self._observe(self._hook.path, status, now() - begun)

    async def _answer(self, request: Request) -> Response:
        if self._busy > MAX_AT_ONCE:
            log.warning("webhook refused", path=self._hook.path, reason="too many at once")
            return error(503, "too many requests at once", COME_AGAIN)
        try:
            body = await body_of(request, self._hook.max_bytes)
            async with asyncio.timeout(HANDLE_WITHIN):
                answer = await self._hook.handle(_plain(request, body, self._public_url))
        except BodyRefused as refused:
            return error(refused.status, str(refused), HANG_UP)
        except JsonRefused as refused:
            return error(400, refused.reason)
        except RemoteProtocolError as refused:
            log.warning("webhook refused", path=self._hook.path, reason=str(refused))
            return error(400, refused.hint)
        except RecursionError:  # some thousand brackets, for whatever the plug-in reads it with
            return error(400, "the body is nested too deeply")
        except TimeoutError:
            log.error("webhook took too long", path=self._hook.path)
            return error(504, "it took too long")
        return Response(answer.body, answer.status, dict(answer.headers), answer.content_type)


def _plain(request: Request, body: bytes, public_url: str | None) -> HttpRequest:
    raw_path: bytes | None = request.scope.get("raw_path")
    path = raw_path.decode("ascii", "replace") if raw_path else quote(request.scope["path"])
    query = f"?{request.url.query}" if request.url.query else ""
    base = public_url or f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"
    return HttpRequest(
        method=request.method,
        path=str(request.scope["path"]),
        url=f"{base}{path}{query}",
        headers=headers_of(request.scope),
        query=dict(request.query_params),
        path_params={name: str(value) for name, value in request.path_params.items()},
        body=body,
        peer=request.client.host if request.client else "",
    )
