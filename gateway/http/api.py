"""The operator's API: JSON in, JSON out, behind the guard. Errors are ``{"error": sentence}``."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.http.control import Control, Refused, UnknownName
from gateway.http.guard import INVITE
from gateway.http.replies import HANG_UP, BodyRefused, body_of, error, json_object, reply

MAX_BODY = 64 * 1024
MAX_RECORDS = 500
NAMES = {"caller": "from", "called": "to"}
"""What the API calls parts of a record."""
JOURNAL_TYPE = "application/x-ndjson"  # one JSON value per line
RECORDING_TYPE = "audio/wav"  # 8 or 16 kHz, 16 bits; the caller left, the bot right

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


def _named(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call as the API shows it: who calls whom is `from` and `to`, as in what it takes."""
    return {NAMES.get(key, key): value for key, value in call.items()}


class Api:
    """Answers requests; `ROUTES` says which."""

    def __init__(self, control: Control) -> None:
        self.control = control

    async def status(self, _: Request) -> Response:
        return reply(self.control.status())

    async def lines(self, _: Request) -> Response:
        return reply(list(self.control.lines()))

    async def connect(self, request: Request) -> Response:
        body = await _body(request)
        called, caller = _text(body, "to"), _text(body, "from", default="")
        line, connection = request.path_params["line"], _text(body, "connection_id")
        await self.control.connect(line, connection, caller, called, _custom(body))
        return reply({"connected": True}, 202)

    # --- calls -----------------------------------------------------------------------------------------------------
    async def calls(self, request: Request) -> Response:
        leg = request.query_params.get("leg_id")
        found = [call for call in self.control.calls() if leg is None or call.get("leg_id") == leg]
        return reply([_named(call) for call in found])

    async def call(self, request: Request) -> Response:
        return reply(_named(self.control.call(request.path_params["call_id"])))

    async def hang_up(self, request: Request) -> Response:
        await self.control.hang_up(request.path_params["call_id"])
        return reply({"asked": True}, 202)

    async def transfer(self, request: Request) -> Response:
        body = await _body(request)
        await self.control.transfer(request.path_params["call_id"], _text(body, "target"))
        return reply({"asked": True}, 202)

    async def journal(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]
        lines = await self.control.journal(call_id)
        named = {"content-disposition": f'attachment; filename="{call_id}.jsonl"'}
        return Response(lines, headers=named, media_type=JOURNAL_TYPE)

    async def recording(self, request: Request) -> Response:
        path = await self.control.recording(request.path_params["call_id"])
        return FileResponse(path, media_type=RECORDING_TYPE, filename=path.name)

    # --- records and numbers ---------------------------------------------------------------------------------------
    async def records(self, request: Request) -> Response:
        query = request.query_params
        before = moment_of(query.get("before"))
        found = await self.control.records(limit=_limit(request), number=query.get("number"), before=before)
        return reply([_named(record) for record in found])

    async def record(self, request: Request) -> Response:
        return reply(_named(await self.control.record(request.path_params["call_id"])))

    async def numbers(self, _: Request) -> Response:
        return reply(list(self.control.numbers()))

    async def invite(self, request: Request) -> Response:
        """Where the page sends its offer is told as seen from here, so that proxies may put anything before it."""
        body = await _body(request)
        invitation = self.control.invite(_text(body, "number"), _text(body, "from", default=""))
        path = invitation.pop("path")
        return reply({**invitation, "url": f"../..{path}"}, 201)

    async def explain(self, request: Request) -> Response:
        return reply(list(self.control.explain(request.path_params["number"])))

    # --- operation -------------------------------------------------------------------------------------------------
    async def reload(self, _: Request) -> Response:
        done = await self.control.reload()
        told = {"problems": list(done.problems), "needs_restart": list(done.needs_restart)}
        return reply({"reloaded": not done.problems, **told}, 422 if done.problems else 200)

    async def drain(self, _: Request) -> Response:
        await self.control.drain()
        return reply({"draining": True}, 202)


ROUTES: tuple[tuple[str, str, Callable[[Api, Request], Awaitable[Response]]], ...] = (
    ("GET", "/api", Api.status),
    ("GET", "/api/lines", Api.lines),
    ("POST", "/api/lines/{line}/connect", Api.connect),
    ("GET", "/api/calls", Api.calls),
    ("GET", "/api/calls/{call_id}", Api.call),
    ("POST", "/api/calls/{call_id}/hangup", Api.hang_up),
    ("POST", "/api/calls/{call_id}/transfer", Api.transfer),
    ("GET", "/api/calls/{call_id}/journal", Api.journal),
    ("GET", "/api/calls/{call_id}/recording", Api.recording),
    ("GET", "/api/records", Api.records),
    ("GET", "/api/records/{call_id}", Api.record),
    ("GET", "/api/numbers", Api.numbers),
    ("GET", "/api/numbers/{number}", Api.explain),
    ("POST", INVITE, Api.invite),
    ("POST", "/api/reload", Api.reload),
    ("POST", "/api/drain", Api.drain),
)
"""Everything under ``/api``."""


def routes(control: Control) -> list[BaseRoute]:
    """`ROUTES`, served."""
    api = Api(control)
    return [Route(path, _answers(partial(handler, api)), methods=[method]) for method, path, handler in ROUTES]
