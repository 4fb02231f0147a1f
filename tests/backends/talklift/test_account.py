"""A real account of TalkLift, with the gateway as its client: three requests, from code and from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.talklift.account import Account
from gateway.backends.talklift.settings import AccountSection
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabRequest, LabServer
from gateway.lab.talklift import LabTalkliftAccount
from tests.fakes.talklift import TOKEN, VECTORS, project

pytestmark = pytest.mark.asyncio

SAMPLE = VECTORS["send_message"]
WHO = {**VECTORS["token_request"], "org_id": 22121, "project_id": 2022}


@asynccontextmanager
async def account(faults: str = "", **settings: Any) -> AsyncIterator[tuple[Account, LabTalkliftAccount, list[float]]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with LabTalkliftAccount(faults=faults) as real, HttpClient() as http:
        section = AccountSection(**{"url": real.server.url, **WHO, **settings})
        yield Account("desk", section, http, sleep), real, waits


async def test_t1_tl01_tl02_tl24_tl25_tl27_the_samples_requests():
    async with account() as (mine, real, _):
        await mine.send_message(SAMPLE["session_id"], SAMPLE["text"], buttons=SAMPLE["buttons"])
        state = {key: VECTORS["update_from_webhook"][key] for key in VECTORS["update_from_webhook"]}
        assert await mine.update(state) == {key: state[key] for key in state if key not in ("project", "org")}
    login, message, update = real.server.requests
    assert login.json() == VECTORS["token_request"]
    assert message.json() == SAMPLE
    assert message.headers["authorization"] == update.headers["authorization"] == f"Token {TOKEN}"
    assert update.json() == {**VECTORS["update_from_webhook"], "project": 2022, "org": 22121}
    assert [request.path for request in real.server.requests] == [
        "/api-token-auth/",
        "/api/v1/sessions/send_message/",
        "/api/v1/session-slot-states/update_from_webhook/",
    ]


async def test_t14_tl27_a_token_that_is_refused_is_fetched_once_more():
    async with account() as (mine, real, _):
        await mine.token()
        real.token = "0" * 40
        await mine.send_message(29289, "x")
        assert [request.path for request in real.server.requests].count("/api-token-auth/") == 2
        assert len(real.messages) == 1
    async with account("ok,401,ok,401,ok") as (mine, real, _):
        with pytest.raises(VendorRejected) as caught:
            await mine.send_message(29289, "x")
        assert caught.value.status == 401
        assert len(real.server.requests) == 4


@pytest.mark.parametrize(("faults", "waits"), [("ok,429:7", [7.0]), ("ok,503,500", [1.0, 3.0]), ("ok,429", [1.0])])
async def test_t14_tl26_a_busy_server_is_asked_again(faults: str, waits: list[float]):
    async with account(faults) as (mine, real, waited):
        await mine.send_message(29289, "x")
        assert len(real.messages) == 1
    assert waited == waits


async def test_t14_tl26_three_tries_and_no_more():
    async with account("ok,503*5") as (mine, real, waited):
        with pytest.raises(VendorUnavailable):
            await mine.send_message(29289, "x")
        assert len(real.server.requests) == 4
    assert waited == [1.0, 3.0]


@pytest.mark.parametrize(("session", "org", "status"), [(1, 22121, 404), (29289, 1, 403)])
async def test_tl26_what_is_refused_is_not_tried_again(session: int, org: int, status: int):
    async with account(org_id=org) as (mine, real, _):
        with pytest.raises(VendorRejected) as caught:
            await mine.send_message(session, "x")
        assert caught.value.status == status
        assert len(real.server.requests) == 2


@pytest.mark.parametrize("body", [b"{ 'token' : '9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b' }", b'{"token":"t"}'])
async def test_t1_tl01_the_token_as_the_documentation_prints_it(body: bytes):
    async def handle(_: LabRequest) -> LabReply:
        return LabReply(body=body)

    async with LabServer(handle) as server, HttpClient() as http:
        found = await Account("desk", AccountSection(url=server.url, **WHO), http).token()
    assert found in (TOKEN, "t")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"token": 3}', b"{}"])
async def test_tl01_an_answer_without_a_token_is_an_error(body: bytes):
    async def handle(_: LabRequest) -> LabReply:
        return LabReply(body=body)

    async with LabServer(handle) as server, HttpClient() as http:
        with pytest.raises(VendorError):
            await Account("desk", AccountSection(url=server.url, **WHO), http).token()


async def talkpath(folder: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "gateway", "talklift", *arguments],
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return await process.wait(), out.decode()


async def test_tl27_from_the_command_line(tmp_path: Path):
    async with LabTalkliftAccount() as real:
        bot = project("http://127.0.0.1:1/", account={"url": real.server.url, **WHO})
        configuration = {
            "lines": {"pbx": {"transport": "asterisk", "auth": "none"}},
            "bots": {"desk": bot},
            "numbers": {"600": {"bot": "desk"}},
        }
        (tmp_path / "talkpath.yaml").write_text(json.dumps(configuration))
        code, out = await talkpath(tmp_path, "send", "29289", "Your claim is settled.", "--button", "Menu=main-menu")
        assert (code, out) == (0, "sent\n")
        assert real.messages[0]["text"] == "Your claim is settled."
        assert real.messages[0]["buttons"] == [{"type": "postback", "title": "Menu", "payload": "main-menu"}]
        code, out = await talkpath(tmp_path, "update", '{"id": 6981, "slot": 3442}', "209192092")
        assert code == 0
        assert real.updates[0] == {
            "id": 6981,
            "slot": 3442,
            "data": "209192092",
            "is_done": True,
            "waiting_response": False,
            "project": 2022,
            "org": 22121,
        }
        code, out = await talkpath(tmp_path, "send", "1", "x")
        assert (code, out) == (1, "talkpath: desk: send_message: status 404\n")
