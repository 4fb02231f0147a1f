"""Projects behind one address: told apart by the token and by the number that is asked for."""

from __future__ import annotations

import gc
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.actions import Say
from gateway.backends.talklift.client import TalkliftBackend
from gateway.backends.talklift.doors import Doors
from gateway.backends.talklift.settings import TalkliftBotSection
from gateway.caller_events import CallStarted
from gateway.http.port import build_listener
from gateway.kit.http import HttpClient
from gateway.routes import HttpRequest
from tests.fakes.shared_port import served
from tests.fakes.talklift import CALL, project, slots
from tests.fakes.virtual_loop import virtual_time

LISTEN = "127.0.0.1:8090"
LOGIN = "/api-token-auth/"
MESSAGE = "/api/v1/sessions/send_message/"
UPDATE = "/api/v1/session-slot-states/update_from_webhook/"
BOTH = {"username": "both@example.com", "password": "xxx"}
FIRST = {"username": "first@example.com", "password": "yyy"}
SECOND = {"username": "second@example.com", "password": "zzz"}


@dataclass
class House:
    """Two projects, a call with each, and a client of the listener they share. Sessions are 100 and 200."""

    rest: httpx.AsyncClient
    heard: list[list[str]]
    backends: list[TalkliftBackend]

    async def token(self, user: Mapping[str, str]) -> str:
        answer = await self.rest.post(LOGIN, json=user)
        assert answer.status_code == 200
        found: str = answer.json()["token"]
        return found

    async def post(self, path: str, token: str, **body: Any) -> int:
        return (await self.rest.post(path, json=body, headers={"Authorization": f"Token {token}"})).status_code


def backend(http: HttpClient, first_id: int, number: int, *users: Mapping[str, str]) -> TalkliftBackend:
    settings = project("http://127.0.0.1:1/", slots({"label": "Name?"}), project=number, listen=LISTEN, users=users)
    numbers = itertools.count(first_id)
    return TalkliftBackend(f"bot-{number}", TalkliftBotSection(**settings), http, ids=lambda kind: next(numbers))


@asynccontextmanager
async def house(*, second: int = 2) -> AsyncIterator[House]:
    async with HttpClient() as http:
        backends = [backend(http, 100, 1, BOTH, FIRST), backend(http, 200, second, BOTH, SECOND)]
        hooks = [hook for each in backends for hook in each.routes if hook.listen is not None]
        async with (
            served(build_listener(hooks)) as address,
            httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as rest,
            backends[0].open_chat(CALL, lambda key: None) as one,
            backends[1].open_chat(CALL, lambda key: None) as other,
        ):
            heard: list[list[str]] = []
            for chat in (one, other):
                await chat.send(CallStarted())
            yield House(rest, heard, backends)
            for chat in (one, other):
                await chat.close()
                actions = [action for batch in [each async for each in chat.actions()] for action in batch.actions]
                heard.append([action.text for action in actions if isinstance(action, Say)])


@virtual_time
async def test_tl01_a_user_of_two_projects_has_one_token_for_both() -> None:
    async with house() as both:
        token = await both.token(BOTH)
        assert await both.post(MESSAGE, token, session_id=100, text="to the first") == 200
        assert await both.post(MESSAGE, token, session_id=200, text="to the second") == 200
        assert await both.post(MESSAGE, token, session_id=300, text="to nobody") == 404
        assert await both.post(UPDATE, token, id=202, is_done=True, data="Ann", project=2, org=900) == 200
        assert await both.post(UPDATE, token, id=102, is_done=True, data="Ann", project=2, org=900) == 403
    assert both.heard == [["Name?", "to the first"], ["Name?", "to the second"]]


@virtual_time
async def test_tl02_a_token_is_good_for_its_users_projects_alone() -> None:
    async with house() as both:
        first, second = await both.token(FIRST), await both.token(SECOND)
        assert first != second
        assert await both.post(MESSAGE, first, session_id=100, text="x") == 200
        assert await both.post(MESSAGE, first, session_id=200, text="x") == 404
        assert await both.post(MESSAGE, second, session_id=200, text="x") == 200
        assert await both.post(MESSAGE, second, session_id=100, text="x") == 404
        assert await both.post(MESSAGE, "0" * 40, session_id=100, text="x") == 401


@virtual_time
async def test_two_bots_of_one_project_share_its_path() -> None:
    async with house(second=1) as both:
        token = await both.token(SECOND)
        paths = [{hook.path for hook in each.routes if hook.listen is None} for each in both.backends]
        assert paths[0] == paths[1]
        assert await both.post(MESSAGE, token, session_id=200, text="x") == 200


@virtual_time
async def test_a_call_that_is_elsewhere_is_named_by_its_project() -> None:
    async with HttpClient() as http:
        one = backend(http, 100, 1, BOTH)
        (hook,) = [hook for hook in one.routes if hook.path == "/talklift/1" + MESSAGE]
        login = next(hook for hook in one.routes if hook.path == LOGIN)
        asked = HttpRequest(method="POST", path=LOGIN, url="", headers={}, query={}, body=as_json(BOTH))
        token = (await login.handle(asked)).body.split(b'"')[3].decode()
        headers = {"authorization": f"Token {token}"}
        for about, key in (({}, "talklift 1 session 7"), ({"project_id": "2"}, "talklift 2 session 7")):
            body = as_json({"session_id": 7, "text": "x", **about})
            request = HttpRequest(method="POST", path=MESSAGE, url="", headers=headers, query={}, body=body)
            assert (await hook.handle(request)).unknown_call == key


def as_json(value: Any) -> bytes:
    return httpx.Request("POST", "http://x", json=value).content


def test_what_is_gone_is_behind_no_door() -> None:
    class Somebody:
        pass

    doors: Doors[Somebody] = Doors()
    old, new = Somebody(), Somebody()
    doors.join(("", "/a"), old)
    doors.join(("", "/a"), new)
    doors.join(("", "/a"), old)
    assert doors.behind(("", "/a")) == [old, new]
    assert doors.behind(("", "/b")) == []
    del old
    gc.collect()
    assert doors.behind(("", "/a")) == [new]
