"""Webhooks of plug-ins: a bounded body and plain values in, plain values out, whatever the plug-in makes of them."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.middleware import headers_of
from gateway.http.replies import BodyRefused, body_of, error
from gateway.interfaces import HttpRequest, Webhook

log = structlog.get_logger()

HANDLE_WITHIN = 30.0  # s a plug-in has for one request


def webhook_route(hook: Webhook, public_url: str | None) -> Route:
    """Serve a plug-in's webhook."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await body_of(request, hook.max_bytes)
            async with asyncio.timeout(HANDLE_WITHIN):
                answer = await hook.handle(_plain(request, body, public_url))
        except BodyRefused as refused:
            return error(refused.status, str(refused))
        except RecursionError:  # some thousand brackets, for whatever the plug-in reads it with
            return error(400, "the body is nested too deeply")
        except TimeoutError:
            log.error("webhook took too long", path=hook.path)
            return error(504, "it took too long")
        return Response(answer.body, answer.status, dict(answer.headers), answer.content_type)

    return Route(hook.path, endpoint, methods=list(hook.methods))


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
