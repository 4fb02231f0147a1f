"""Webhooks in a whole call: the platform has its answer long before the caller has heard what it brought."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.actions import ActionBatch, Say
from gateway.http.port import build_listener
from gateway.routes import HttpReply, HttpRequest, Webhook
from tests.fakes.backend import ScriptedBackend
from tests.fakes.office import LINES, Line, dial
from tests.fakes.shared_port import served
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

SAID = "This takes a caller quite some time to hear"


@pytest.mark.parametrize("line", LINES)
@virtual_time
async def test_the_platform_is_answered_before_the_caller_has_heard_it(line: Line, tmp_path: Path) -> None:
    bot = ScriptedBackend(["Hello"])

    async def push(request: HttpRequest) -> HttpReply:
        bot.chats[0].push(ActionBatch(actions=(Say(text=request.body.decode()),), turn=None))
        return HttpReply(status=202)

    hook = Webhook(path="/in/acme", methods=("POST",), handle=push)
    now = asyncio.get_running_loop().time
    async with (
        served(build_listener([hook])) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as platform,
        open_office(tmp_path) as office,
    ):
        office.reception.house = replace(office.reception.house, backends={"reception": bot})
        async with dial(office, line) as caller:
            await caller.hears("Hello")
            asked = now()
            assert (await platform.post("/in/acme", content=SAID)).status_code == 202
            answered = now()
            word = await caller.hears(SAID)
            assert answered - asked < 0.1
            assert now() - answered > 0.9 * (word.until - word.at) > 1
            await caller.hang_up()
