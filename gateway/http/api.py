"""The operator's API: JSON in, JSON out, behind the guard. Errors are ``{"error": sentence}``."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.http.control import Control, Refused, UnknownName
from gateway.http.replies import HANG_UP, BodyRefused, body_of, error, json_object, reply

MAX_BODY = 64 * 1024
MAX_RECORDS = 500

Handler = Callable[[Request], Awaitable[Response]]


def _answers(handler: Handler) -> Handler:
    """What the gateway refuses becomes a status and a sentence."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except UnknownName as unknown:
            return error(404, str(unknown))
        except Refused as refused:
            return error(409, str(refused))
        except BodyRefused as refused:
            return error(refused.status, str(refused), HANG_UP)
        except ValueError as bad:
            return error(400, str(bad))

    return answer


async def _body(request: Request) -> dict[str, Any]:
    return json_object(await body_of(request, MAX_BODY))


def _text(body: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise ValueError(f"needs {name!r}, a text")
    return value


def _custom(body: Mapping[str, Any]) -> dict[str, str]:
    custom = body.get("custom", {})
    if not isinstance(custom, dict) or not all(isinstance(value, str | int | float) for value in custom.values()):
        raise ValueError("custom is an object of texts")
    return {str(name): str(value) for name, value in custom.items()}


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "50")
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_RECORDS):
        raise ValueError(f"limit is a number from 1 to {MAX_RECORDS}")
    return int(text)


def moment_of(text: str | None) -> datetime.datetime | None:
    """A moment in ISO 8601, in UTC; without a zone it is UTC. A plus sign that came as a blank is mended.

    Raises:
        ValueError: It is none, with a sentence for the sender.
    """
    if text is None or not text.strip():
        return None
    clock = text.strip().partition("T")[2]
    mended = text.strip().replace(" ", "+") if " " in clock else text.strip()
    try:
        moment = datetime.datetime.fromisoformat(mended)
        return moment.astimezone(datetime.UTC) if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError) as bad:
        raise ValueError("before is a moment such as 2026-11-21T09:30:00Z") from bad


def routes(control: Control) -> list[BaseRoute]:
    """Everything under ``/api``."""

    async def status(_: Request) -> Response:
        return reply(control.status())

    async def lines(_: Request) -> Response:
        return reply(list(control.lines()))

    async def calls(_: Request) -> Response:
        return reply(list(control.calls()))

    async def call(request: Request) -> Response:
        return reply(control.call(request.path_params["call_id"]))

    async def hang_up(request: Request) -> Response:
        await control.hang_up(request.path_params["call_id"])
        return reply({"asked": True}, 202)

    async def transfer(request: Request) -> Response:
        body = await _body(request)
        await control.transfer(request.path_params["call_id"], _text(body, "target"))
        return reply({"asked": True}, 202)

    async def connect(request: Request) -> Response:
        body = await _body(request)
        called, caller = _text(body, "to"), _text(body, "from", default="")
        line, connection = request.path_params["line"], _text(body, "connection_id")
        await control.connect(line, connection, caller, called, _custom(body))
        return reply({"connected": True}, 202)

    async def explain(request: Request) -> Response:
        return reply(list(control.explain(request.path_params["number"])))

    async def records(request: Request) -> Response:
        query = request.query_params
        before = moment_of(query.get("before"))
        found = await control.records(limit=_limit(request), number=query.get("number"), before=before)
        return reply(list(found))

    async def record(request: Request) -> Response:
        return reply(await control.record(request.path_params["call_id"]))

    async def reload(_: Request) -> Response:
        done = await control.reload()
        told = {"problems": list(done.problems), "needs_restart": list(done.needs_restart)}
        return reply({"reloaded": not done.problems, **told}, 422 if done.problems else 200)

    async def drain(_: Request) -> Response:
        await control.drain()
        return reply({"draining": True}, 202)

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
