"""A call whose bot offers more than one key can tell apart: read out in parts, and chosen from at any time."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.lab import chatlayer_bot as desk
from tests.fakes.chatlayer import said_to, travel_office
from tests.fakes.office import texting
from tests.fakes.virtual_loop import virtual_time

STOPS = ("Antwerp", "Bruges", "Calais", "Dover", "Ely", "Frome", "Ghent", "Hull", "Ipswich", "Jarrow", "Kent", "Leeds")
ASKED = desk.quick_replies("Where to?", "tickets", **{stop.lower(): stop for stop in STOPS})
SCRIPT = {"hi": (ASKED,), **{stop: (desk.text(f"To {stop}."),) for stop in STOPS}}


def read(*places: int) -> str:
    return " ".join(f"For {STOPS[at - 1]}, say {STOPS[at - 1]} or press {at // 10} {at % 10}." for at in places)


FIRST = read(*range(1, 6)) + " For more, say more or press star."
SECOND = read(*range(6, 11)) + " For more, say more or press star."
LAST = read(11, 12) + " To hear them again, say repeat or press star."


@virtual_time
async def test_a_caller_hears_all_of_a_long_menu_and_the_bot_only_of_the_choice(tmp_path: Path) -> None:
    async with travel_office(tmp_path, lab={"script": SCRIPT}) as (office, lab), texting(office) as caller:
        await caller.hears(FIRST)
        await caller.say("more")
        await caller.hears(SECOND)
        await caller.press("*")
        await caller.hears(LAST)
        await caller.press("07")
        await caller.wait(5)
    start, choice = said_to(lab)
    assert start["text"] == "hi"
    assert choice["text"] == ASKED["quick_replies"][6]["payload"]
    assert json.loads(choice["text"])["title"] == "Ghent"
    assert [turn["kind"] for turn in office.record["exchange"][:2]] == ["start", "choice"]
    assert [note["data"] for note in office.record["notes"] if note["kind"] == "menu_read_on"] == [
        {"group": 1},
        {"group": 2},
    ]
