"""Sessions of a TALKR bot: one per call, renewed where the bot has lost it, and the caller hears nothing of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.lab.server import LabReply, json_reply
from tests.fakes.callers import near, own_words, phone, request_times, typist
from tests.fakes.talkr import response
from tests.fakes.talkr_gateway import talkr_gateway
from tests.fakes.virtual_loop import virtual_time

WAIT, ANSWER, AGAIN = "Please wait...", "Final bot response", "Sorry, what did you say?"
APOLOGY = own_words("apology")
NUMBER = {"language": "fr-FR"}
LOST = {
    "400": LabReply(status=400),
    "404": LabReply(status=404),
    "code": json_reply({"code": 400}),
    "error": json_reply({"session": "", "code": 200, "variables": {"error": "Unknown SESSION"}, "data": {}}),
}


def welcome(session: str) -> dict[str, Any]:
    return {**response(messages=[{"content": "Welcome"}], has_background_text=0), "session": session, "variables": {}}


@pytest.mark.parametrize("lost", LOST)
@virtual_time
async def test_g12_tk29_tk31_a_lost_session_is_renewed_without_the_caller_hearing_it(lost: str, tmp_path: Path) -> None:
    first = {**welcome("new"), "name": "Renewed"}
    first["data"]["responses"] = [{"content": AGAIN, "tracking": "start"}]
    answers = response(), LOST[lost], first, {**response(), "session": "new"}, {**response(), "session": "new"}
    async with talkr_gateway(tmp_path, *answers) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(ANSWER)
        await caller.say("yes please")
        await caller.hears(ANSWER)
    assert caller.words == [WAIT, ANSWER] * 3
    bodies = gateway.bot.bodies
    assert [body.get("session") for body in bodies] == [None, "abc123...", None, "new", "new"]
    assert [body.get("message") for body in bodies] == [None, "my words", None, "my words", "yes please"]
    assert (bodies[2], bodies[3]["tracking"]) == ({}, "start")
    assert request_times(gateway, caller)[1:4] == [near(request_times(gateway, caller)[1])] * 3
    assert gateway.record()["failed_turns"] == 0


@virtual_time
async def test_g12_tk31_one_renewal_per_turn(tmp_path: Path) -> None:
    answers = response(), LOST["400"], welcome("new"), LOST["400"], response()
    async with talkr_gateway(tmp_path, *answers, number=NUMBER) as gateway, typist(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(APOLOGY)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert [body.get("session") for body in gateway.bot.bodies] == [None, "abc123...", None, "new", "new"]


@virtual_time
async def test_g12_tk31_three_renewals_per_call(tmp_path: Path) -> None:
    lost = [LOST["404"], welcome("new"), response()]
    answers = response(), *lost * 3, LOST["404"]
    async with talkr_gateway(tmp_path, *answers, number=NUMBER) as gateway, typist(gateway) as caller:
        await caller.hears(ANSWER)
        for _ in range(3):
            await caller.say("my words")
            await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(APOLOGY)
    assert [body for body in gateway.bot.bodies if not body] == [{}] * 4
    assert len(gateway.bot.bodies) == 11


@virtual_time
async def test_tk31_every_call_has_a_session_of_its_own(tmp_path: Path) -> None:
    answers = welcome("one"), welcome("two"), welcome("two"), welcome("one")
    async with talkr_gateway(tmp_path, *answers) as gateway, typist(gateway) as first:
        await first.hears("Welcome")
        async with typist(gateway) as second:
            await second.hears("Welcome")
            await second.say("second")
            await second.hears("Welcome")
        await first.say("first")
        await first.hears("Welcome")
    assert [(body.get("session"), body.get("message")) for body in gateway.bot.bodies] == [
        (None, None),
        (None, None),
        ("two", "second"),
        ("one", "first"),
    ]
