"""Whole calls while the platform, or the way to it and back, misbehaves: what the caller hears then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.lab import chatlayer_bot as desk
from tests.fakes.callers import own_words
from tests.fakes.chatlayer import said_to, travel_office
from tests.fakes.office import SOCKETS, Line, dial, texting
from tests.fakes.virtual_loop import virtual_time

on_each_line = pytest.mark.parametrize("line", SOCKETS)
WORKS = {"script": {"hi": [desk.text("Welcome.")]}}


def words(name: str, variant: int = 0) -> str:
    return own_words(name, "en-GB", variant)


def near(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.05)


# --- answers that take their time ----------------------------------------------------------------------------------
@virtual_time
async def test_cl19_a_slow_bot_is_covered_by_fillers_at_the_number_s_times(tmp_path: Path) -> None:
    number = {"filler_after": 1.0, "filler_every": 2.0}
    async with travel_office(tmp_path, lab=WORKS, number=number) as (office, _), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        sent = await caller.say("think")
        first = await caller.hears(words("filler", 0))
        second = await caller.hears(words("filler", 1))
        answer = await caller.hears("I have thought about it.")
    assert first.at - sent.at == near(1.0)
    assert second.at - first.at >= 2.0
    assert answer.at >= sent.at + 4.0


@virtual_time
async def test_an_answer_that_never_comes_is_apologised_for_at_the_number_s_time(tmp_path: Path) -> None:
    number = {"filler_after": 60, "answer_timeout": 12}
    async with travel_office(tmp_path, lab=WORKS, number=number) as (office, lab), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        for _ in range(2):
            sent = await caller.say("say nothing")
            sorry = await caller.hears(words("apology"))
            assert sorry.at - sent.at == near(12.0)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)  # a late word does not count against it
        for _ in range(2):
            await caller.say("say nothing")
            await caller.hears(words("apology"))
        await caller.say("say nothing")
        await caller.hears(words("fallback_hangup"))
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")
    assert len(said_to(lab)) == 7


@virtual_time
async def test_a_bot_that_does_not_begin_leaves_the_caller_to_the_fallback(tmp_path: Path) -> None:
    lab = {"script": {"hi": []}}
    async with travel_office(tmp_path, lab=lab, number={"answer_timeout": 5}) as (office, _), texting(office) as caller:
        await caller.hears(words("fallback_hangup"))
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")


@virtual_time
async def test_an_answer_after_the_apology_is_still_heard(tmp_path: Path) -> None:
    number = {"filler_after": 60, "answer_timeout": 2}
    async with travel_office(tmp_path, lab=WORKS, number=number) as (office, _), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        await caller.say("think")
        await caller.hears(words("apology"))
        await caller.hears("I have thought about it.")


# --- requests that fail --------------------------------------------------------------------------------------------
FAULTS = ["500", "503", "drop", "slow:11"]


@pytest.mark.parametrize("fault", FAULTS)
@virtual_time
async def test_cl16_one_failure_of_the_platform_is_not_noticed(fault: str, tmp_path: Path) -> None:
    lab = {**WORKS, "faults": f"ok,{fault}"}
    number = {"filler_after": 60}
    async with travel_office(tmp_path, lab=lab, number=number) as (office, _), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
        await caller.wait(15)
    assert [word for word in caller.words if word == words("apology")] == []


@pytest.mark.parametrize("fault", ["500*2", "drop*2", "400", "401", "403", "404", "429"])
@on_each_line
@virtual_time
async def test_more_of_them_are_apologised_for_and_the_call_goes_on(fault: str, line: Line, tmp_path: Path) -> None:
    lab = {**WORKS, "faults": f"ok,{fault}"}
    async with travel_office(tmp_path, lab=lab) as (office, _), dial(office, line) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        await caller.say("opening hours")
        await caller.hears(words("apology"))
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
    assert office.record["failed_turns"] == 1


@pytest.mark.parametrize("fault", ["500*2", "drop*2", "401", "404"])
@virtual_time
async def test_on_the_first_request_they_lead_to_the_fallback(fault: str, tmp_path: Path) -> None:
    async with travel_office(tmp_path, lab={"faults": fault}) as (office, _), texting(office) as caller:
        await caller.hears(words("fallback_hangup"))
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")


@pytest.mark.parametrize("fault", ["garbage", "oversized", "deep", "drip:0.01", "slow:2", "cut"])
@virtual_time
async def test_cl17_whatever_a_receipt_looks_like_the_bot_s_word_counts(fault: str, tmp_path: Path) -> None:
    """The answer to a message holds nothing: it may even be none, when the bot has spoken meanwhile."""
    lab = {**WORKS, "is_eager": True, "faults": f"ok,{fault}"}
    async with travel_office(tmp_path, lab=lab) as (office, _), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        await caller.say("opening hours")
        if fault in ("slow:2", "drip:0.01", "cut"):
            await caller.hears(desk.HOURS)
        else:  # these come instead of the bot's work; one that is too long to be read counts as a failure
            await caller.hears(words("apology" if fault == "oversized" else "filler"))


# --- deliveries that go wrong --------------------------------------------------------------------------------------
@pytest.mark.parametrize("counts", [True, False], ids=["counted", "uncounted"])
@pytest.mark.parametrize("fault", ["garbage", "deep", "oversized", "drop", "slow:1", "reorder"])
@virtual_time
async def test_cl09_bad_deliveries_cost_nothing(fault: str, counts: bool, tmp_path: Path) -> None:
    lab = {"script": {"hi": [desk.text("One."), desk.text("Two.")]}, "webhook_faults": fault, "counts": counts}
    async with travel_office(tmp_path, lab=lab) as (office, _), texting(office) as caller:
        last = "One." if fault == "reorder" and not counts else "Two."  # without counters the order is lost
        await caller.hears(last)
        await caller.wait(3)
    assert sorted(caller.words) == ["One.", "Two."]


@on_each_line
@virtual_time
async def test_cl09_duplicates_and_wrong_order_all_through_a_call(line: Line, tmp_path: Path) -> None:
    lab = {"webhook_faults": "duplicate,reorder,duplicate,reorder,slow:0.2,duplicate*20"}
    async with travel_office(tmp_path, lab=lab) as (office, _), dial(office, line) as caller:
        await caller.hears(desk.GREETING)
        await caller.hears(desk.QUESTION)
        await caller.say("three things")
        for said in ("One.", "Two.", "Three."):
            await caller.hears(said)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
        await caller.wait(2)
    for said in (desk.GREETING, "One.", "Two.", "Three.", desk.HOURS):
        assert [word.text for word in caller.heard].count(said) == 1


@virtual_time
async def test_what_the_platform_gives_up_delivering_is_found_in_its_history(tmp_path: Path) -> None:
    lab = {**WORKS, "webhook_faults": "ok,wrong-token", "retry_after": 0.5}
    bot = {"recover_missed": True, "recover_after": 6.0}
    async with travel_office(tmp_path, lab=lab, bot=bot) as (office, lab_), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        sent = await caller.say("opening hours")
        said = await caller.hears(desk.HOURS)
    assert said.at - sent.at >= 6.0
    assert lab_.requests[-1].path.startswith("/api/bots/11/history/")


@virtual_time
async def test_a_conversation_that_the_platform_has_forgotten_goes_on_as_a_new_one(tmp_path: Path) -> None:
    lab = {**WORKS, "faults": "ok,expired"}
    async with travel_office(tmp_path, lab=lab) as (office, _), texting(office) as caller:
        await caller.hears("Welcome.")
        await caller.wait(1)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
        await caller.wait(1)
        await caller.say("customer service")
        await caller.hears("I can put you through.")


@on_each_line
@virtual_time
async def test_c21_answers_before_the_receipt_all_through_a_call(line: Line, tmp_path: Path) -> None:
    lab = {**WORKS, "is_eager": True, "faults": "slow:2*9"}
    async with travel_office(tmp_path, lab=lab) as (office, lab_), dial(office, line) as caller:
        await caller.hears("Welcome.")
        for _ in range(3):
            await caller.wait(0.8)
            await caller.say("opening hours")
            await caller.hears(desk.HOURS)
    assert [body["text"] for body in said_to(lab_)] == ["hi", *["opening hours"] * 3]
    assert office.record["failed_turns"] == 0


@virtual_time
async def test_a_caller_who_hangs_up_while_the_bot_thinks_leaves_nothing_behind(tmp_path: Path) -> None:
    async with (
        travel_office(tmp_path, lab={**WORKS, "faults": "ok,slow:5"}) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears("Welcome.")
        await caller.wait(1)
        await caller.say("think")
        await asyncio.sleep(0.5)
        await caller.hang_up()
        await caller.over()
        await office.calls_over()
        await asyncio.sleep(10)
    assert office.outcome == ("completed", "caller")
    assert {each.answer for each in lab.courier.log[1:]} <= {b'{"status": "ignored"}'}
