"""The operator's API: JSON in, JSON out, behind the guard. Errors are ``{"error": sentence}``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.http.control import Control, Refused, UnknownName

MAX_BODY = 64 * 1024
MAX_RECORDS = 500

Handler = Callable[[Request], Awaitable[Response]]


def error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status_code=status, headers=dict(headers or {}))


def _answers(handler: Handler) -> Handler:
    """What the gateway refuses becomes a status and a sentence."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except UnknownName as unknown:
            return error(404, str(unknown))
        except Refused as refused:
            return error(409, str(refused))
        except ValueError as bad:
            return error(400, str(bad))

    return answer


async def _body(request: Request) -> dict[str, Any]:
    """A JSON object, bounded; an empty body is an empty object. Raises ValueError."""
    raw = b""
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY:
            raise ValueError(f"the body is longer than {MAX_BODY} bytes")
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as bad:
        raise ValueError("the body is no JSON") from bad
    if not isinstance(value, dict):
        raise ValueError("the body is no JSON object")
    return value


def _text(body: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise ValueError(f"needs {name!r}, a text")
    return value


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "50")
    if not text.isdecimal() or not 1 <= int(text) <= MAX_RECORDS:
        raise ValueError(f"limit is a number from 1 to {MAX_RECORDS}")
    return int(text)


def routes(control: Control) -> list[BaseRoute]:
    """Everything under ``/api``."""

    async def status(_: Request) -> Response:
        return JSONResponse(control.status())

    async def lines(_: Request) -> Response:
        return JSONResponse(list(control.lines()))

    async def calls(_: Request) -> Response:
        return JSONResponse(list(control.calls()))

    async def call(request: Request) -> Response:
        return JSONResponse(control.call(request.path_params["call_id"]))

    async def hang_up(request: Request) -> Response:
        await control.hang_up(request.path_params["call_id"])
        return JSONResponse({"asked": True}, status_code=202)

    async def transfer(request: Request) -> Response:
        body = await _body(request)
        await control.transfer(request.path_params["call_id"], _text(body, "target"))
        return JSONResponse({"asked": True}, status_code=202)

    async def connect(request: Request) -> Response:
        body = await _body(request)
        custom = body.get("custom", {})
        if not isinstance(custom, dict):
            raise ValueError("custom is an object of texts")
        await control.connect(
            request.path_params["line"],
            _text(body, "connection_id"),
            _text(body, "from", default=""),
            _text(body, "to"),
            {str(name): str(value) for name, value in custom.items()},
        )
        return JSONResponse({"connected": True}, status_code=202)

    async def explain(request: Request) -> Response:
        return JSONResponse(list(control.explain(request.path_params["number"])))

    async def records(request: Request) -> Response:
        query = request.query_params
        found = await control.records(limit=_limit(request), number=query.get("number"), before=query.get("before"))
        return JSONResponse(list(found))

    async def record(request: Request) -> Response:
        return JSONResponse(await control.record(request.path_params["call_id"]))

    async def reload(_: Request) -> Response:
        problems = list(await control.reload())
        return JSONResponse({"reloaded": not problems, "problems": problems}, status_code=422 if problems else 200)

    async def drain(_: Request) -> Response:
        await control.drain()
        return JSONResponse({"draining": True}, status_code=202)

    table: list[tuple[str, str, Handler]] = [
        ("GET", "/api", status),
        ("GET", "/api/lines", lines),
        ("POST", "/api/lines/{line}/connect", connect),
        ("GET", "/api/calls", calls),
        ("GET", "/api/calls/{call_id}", call),
        ("POST", "/api/calls/{call_id}/hangup", hang_up),
        ("POST", "/api/calls/{call_id}/transfer", transfer),
        ("GET", "/api/numbers/{number}", explain),
        ("GET", "/api/records", records),
        ("GET", "/api/records/{call_id}", record),
        ("POST", "/api/reload", reload),
        ("POST", "/api/drain", drain),
    ]
    return [Route(path, _answers(handler), methods=[method]) for method, path, handler in table]
