"""Whole calls with the lab's Haptik bot: through the gateway's real port, its webhook, and the platform's own HTTP."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.haptik import haptik_office, said_by_caller, typing
from tests.fakes.virtual_loop import virtual_time

GREETING = "Hello, this is Acme. What can I do for you?"
MENU = "For opening hours, press 1. For rooms, press 2. For telephone number, press 3. For speak to somebody, press 4."


@virtual_time
async def test_hp22_h10_a_caller_is_registered_greeted_and_answered(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), typing(office) as caller:
        await caller.hears(GREETING)
        await caller.hears(MENU)
        await caller.say("what about your opening hours")
        await caller.hears("We are open from nine to five, Monday to Friday.")
        await caller.say("goodbye")
        await caller.hears("Thank you for calling. Goodbye!")
        await caller.over()
    assert said_by_caller(lab) == ["Hi", "opening hours{task}", "goodbye"]
    assert office.outcome == ("completed", "bot")
