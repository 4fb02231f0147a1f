"""What is due when a call with a Chatlayer bot is over: its last dialog state, its history, and what if they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.lab import chatlayer_bot as desk
from tests.fakes.chatlayer import travel_office
from tests.fakes.jobs import jobs_at
from tests.fakes.office import texting
from tests.fakes.virtual_loop import virtual_time

BOT = {"hangup_dialogstate": desk.STATES["lost"], "record_namespaces": ["call"], "history_delay": 5.0}


@pytest.mark.parametrize("faults", ["", "ok*2,500,503,drop"], ids=["at-once", "after-failures"])
@virtual_time
async def test_c9_cl10_cl15_the_history_joins_the_record(faults: str, tmp_path: Path) -> None:
    bot = {**BOT, "start": {"dialogstate": desk.STATES["welcome"]}}
    async with travel_office(tmp_path, bot=bot, lab={"faults": faults}) as (office, lab), jobs_at(office) as jobs:
        async with texting(office) as caller:
            await caller.hears(desk.GREETING)
            await caller.say("opening hours")
            await caller.hears(desk.HOURS)
        await office.calls_over()
        assert len(lab.requests) == 2
        await jobs.done()
        assert jobs.store.states() == ["done", "done"]
    paths = [request.path for request in lab.requests]
    assert paths[2] == "/api/webview"
    assert any(path.startswith("/api/sessionData/11/") for path in paths)
    said = [note["text"] for note in office.notes("conversation")]
    asked = desk.payload("hours", "opening hours")  # what was chosen from the menu
    assert said[:4] == [desk.GREETING, desk.QUESTION, asked, desk.HOURS]
    assert [note["actor"] for note in office.notes("conversation")][:4] == ["bot", "bot", "user", "bot"]
    (variables,) = office.notes("variables")
    assert variables["namespace"] == "call"
    assert variables["data"]["caller"] == "+33612345678"
    moments = [request.at for request in lab.requests if "/history/" in request.path]
    assert moments[0] >= lab.requests[1].at + 5.0


@virtual_time
async def test_a_platform_that_refuses_our_token_leaves_the_call_s_own_record(tmp_path: Path) -> None:
    bot = {"access_token": "wrong"}
    async with travel_office(tmp_path, bot=bot) as (office, _), jobs_at(office) as jobs:
        async with texting(office) as caller:
            await caller.hears(desk.GREETING)
        await office.calls_over()
        await jobs.done()
        assert jobs.store.states() == ["given_up"]
    assert office.notes("conversation") == []
    assert office.outcome == ("abandoned", "caller")
