"""Many calls at the same time: every message reaches its own caller, once, and nobody is kept waiting."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from gateway.lab import chatlayer_bot as desk
from gateway.lab.chatlayer_bot import Delayed
from tests.fakes.chatlayer import said_to, travel_office
from tests.fakes.office import Office, texting
from tests.fakes.virtual_loop import VirtualLoop, run_virtual

CALLS = int(os.environ.get("TALKPATH_TEST_CALLS", "25"))
REAL_SECONDS = 5.0 * CALLS
TURNS = ("opening hours", "three things", "sorry", "opening hours")
SAYS = {
    topic: [str(item["text"]) for item in answer if not isinstance(item, Delayed) and "text" in item]
    for topic, answer in desk.TOPICS.items()
}


async def one(office: Office, place: int) -> list[str]:
    """A call that begins at its own moment. Returns what the caller heard."""
    await asyncio.sleep(place % 50 * 0.1)
    async with texting(office, caller=f"+3361234{place:04d}") as caller:
        await caller.hears(f"Welcome, you are number {place}.")
        for topic in TURNS:
            await caller.wait(1.0)
            await caller.say(topic)
            for said in SAYS[topic]:
                await caller.hears(said)
        return caller.words


async def calls(folder: Path, count: int) -> tuple[list[list[str]], Office, Any]:
    session = {"start": {"dialogstate": "9"}, "session_data": {"caller": "{from}"}}
    lab_settings = {"script": {"9": ()}, "webhook_faults": "duplicate,ok,reorder,slow:0.1,ok*7," * (count // 10)}
    server = {"max_calls": count}
    async with travel_office(folder, bot=session, lab=lab_settings, server=server) as (office, lab):
        welcomed = asyncio.create_task(_welcome_each(lab, count))
        heard = await asyncio.gather(*(one(office, place) for place in range(count)))
        await welcomed
    return heard, office, lab


async def _welcome_each(lab: Any, count: int) -> None:
    """Tell every caller who he is, by the number that came with his call: nobody hears another's."""
    welcomed: set[str] = set()
    async with asyncio.timeout(60):
        while len(welcomed) < count:
            await lab.server.received(len(welcomed) + 1)
            for name, user in list(lab.users.items()):
                if name not in welcomed and user.session:
                    welcomed.add(name)
                    place = int(user.session["call"]["caller"][-4:])
                    await lab.push(name, desk.text(f"Welcome, you are number {place}."))
            await asyncio.sleep(0.1)


def patient() -> VirtualLoop:
    return VirtualLoop(real_limit=REAL_SECONDS, max_jumps=1_000_000)


def test_cl20_every_call_has_its_own_messages(tmp_path: Path) -> None:
    count = CALLS
    heard, office, lab = run_virtual(calls(tmp_path, count), patient)
    expected = [said for topic in TURNS for said in SAYS[topic]]
    for place, words in enumerate(heard):
        assert words == [f"Welcome, you are number {place}.", *expected]
    assert len(office.records) == count
    assert {record["result"] for record in office.records} == {"completed"}
    assert sum(record["failed_turns"] for record in office.records) == 0
    assert len(said_to(lab)) == count * len(TURNS)
    assert len({body["sender"]["id"] for body in said_to(lab)}) == count
    assert {each.status for each in lab.courier.log} == {200}
