"""The account's budget: the proof is the platform's own timestamps, in every minute there is."""

from __future__ import annotations

import asyncio
import bisect
from pathlib import Path

import pytest

from gateway.backends.haptik.account import budget_of
from gateway.interfaces import AfterCall, AfterCallJob
from gateway.kit.http import HttpClient
from gateway.lab.haptik import LabHaptik
from gateway.lab.haptik_side import AGENT, HISTORY
from tests.fakes.haptik import haptik_office, only_user
from tests.fakes.office import Office, texting
from tests.fakes.virtual_loop import virtual_time

MENU_END = "or press 4."
LIMIT = 100
TEAM = {"team_name": "Support", "phrases": ["agent"]}
NOTICE = "I'm putting you through now. Please hold the line."
HOLD = "Please hold the line, somebody will be with you shortly."


def most_in_a_minute(lab: LabHaptik, *paths: str) -> int:
    """The most requests of these in any 60 seconds, by the platform's clock."""
    times = sorted(request.at for request in lab.requests if request.path in paths)
    return max(bisect.bisect_left(times, start + 60.0) - place for place, start in enumerate(times))


async def fetch(office: Office, user_name: str) -> None:
    backend = office.reception.house.backends["reception"]
    assert isinstance(backend, AfterCall)
    data = {"job": "history", "auth_id": "x", "user_name": user_name}
    await backend.after_call(AfterCallJob(key="k", kind="backend", data=data, call={}))


@virtual_time
async def test_h15_hp20_the_101st_request_to_a_side_api_in_a_minute_waits(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.wait(3)
        name = only_user(lab).name
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.gather(*(fetch(office, name) for _ in range(LIMIT)))
        assert loop.time() - begun < 1
        await fetch(office, name)
        assert loop.time() - begun == pytest.approx(60.0, abs=0.5)
    assert most_in_a_minute(lab, HISTORY) == LIMIT


@virtual_time
async def test_h15_hp20_hp21_a_caller_hears_that_he_waits_and_gets_his_turn(tmp_path: Path) -> None:
    """Transcripts of 250 calls are fetched while a caller asks for an agent: nothing is lost, nobody hears silence."""
    number = {"idle_limit": 600}
    async with (
        haptik_office(tmp_path, bot={"handoff": TEAM}, number=number) as (office, lab),
        texting(office) as caller,
    ):
        await caller.wait(3)
        name = only_user(lab).name
        fetching = asyncio.gather(*(fetch(office, name) for _ in range(250)))
        await caller.wait(15)
        await caller.say("agent")
        await caller.hears(NOTICE)
        await caller.hears(HOLD)
        await caller.say("is anybody there")
        await caller.hears(HOLD)
        await caller.hears("You are number one in the queue.", within=180)
        await fetching
    side = [request for request in lab.requests if request.path in (AGENT, HISTORY)]
    assert len(side) == 251
    assert most_in_a_minute(lab, AGENT, HISTORY) == LIMIT
    gaps = [later.at - earlier.until for earlier, later in zip(caller.heard, caller.heard[1:], strict=False)]
    assert max(gaps) < 31


@virtual_time
async def test_hp20_messages_are_counted_and_reported_but_never_delayed(tmp_path: Path) -> None:
    async with haptik_office(tmp_path, bot={"per_minute": 10}) as (office, lab):
        async with asyncio.TaskGroup() as callers:
            for _ in range(8):
                callers.create_task(_short_call(office))
        await office.calls_over()
        messages = [request for request in lab.requests if request.path.startswith("/v1.0/")]
        assert len(messages) == 16
        assert messages[-1].at - messages[0].at < 1


async def _short_call(office: Office) -> None:
    async with texting(office) as caller:
        await caller.hears("Hello, this is Acme. What can I do for you?")


@virtual_time
async def test_hp20_the_alarm_is_at_eighty_percent_and_once_a_minute() -> None:
    loop = asyncio.get_running_loop()
    async with HttpClient() as http:
        budget = budget_of(http, "client", 10, asyncio.sleep, loop.time)
        assert budget_of(http, "client", 10, asyncio.sleep, loop.time) is budget
        for count, alarms in ((7, 0), (1, 1), (10, 1)):
            for _ in range(count):
                budget.count_message()
            assert budget.alarms == alarms
        assert budget.wait() == 0.0
        await asyncio.sleep(61)
        for _ in range(8):
            budget.count_message()
        assert budget.alarms == 2
