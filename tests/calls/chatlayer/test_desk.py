"""Whole calls with the lab's Chatlayer bot, by speech and by key: what the caller hears, and what the books say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.lab import chatlayer_bot as desk
from tests.fakes.callers import own_words
from tests.fakes.chatlayer import said_to, travel_office
from tests.fakes.office import SOCKETS, Line, dial, texting
from tests.fakes.virtual_loop import virtual_time

on_each_line = pytest.mark.parametrize("line", SOCKETS)
MENU = (
    "For timetable, say timetable or press 1. For tickets, say tickets or press 2. "
    "For opening hours, say opening hours or press 3."
)
TRAINS = "For early, choose, say early, choose or press 1. For late, choose, say late, choose or press 2."
TICKETS = "For single, say single or press 1. For return, say return or press 2."


def words(name: str, variant: int = 0) -> str:
    return own_words(name, "en-GB", variant)


def clicked(body: dict[str, str]) -> str:
    caption: str = json.loads(body["text"])["caption"]
    return caption


@on_each_line
@virtual_time
async def test_cl18_cl19_a_menu_answered_by_voice_and_one_by_key(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, lab), dial(office, line) as caller:
        await caller.hears(desk.GREETING)
        await caller.hears(desk.QUESTION)
        await caller.hears(MENU)
        await caller.say("timetable")
        await caller.hears("early. At seven.")
        await caller.hears(TRAINS)
        await caller.press("2")
        await caller.hears(desk.TRAIN.format(train="late"))
        await caller.say("opening hours")  # no menu any more: words for the bot
        await caller.hears(desk.HOURS)
    bodies = said_to(lab)
    assert bodies[0]["text"] == "hi"
    assert [clicked(body) for body in bodies[1:3]] == ["timetable", "choose"]
    assert bodies[1]["text"] == desk.payload("timetable", "timetable")
    assert bodies[2]["text"] == desk.payload("timetable", "choose", train="late")
    assert bodies[3]["text"] == "opening hours"
    assert len({body["sender"]["id"] for body in bodies}) == 1
    assert [turn["kind"] for turn in office.record["exchange"]] == ["start", "choice", "choice", "speech"]
    assert office.outcome == ("completed", "caller")


@on_each_line
@virtual_time
async def test_cl12_quick_replies_answered_by_their_number_in_words(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, lab), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.press("2")
        await caller.hears(TICKETS)
        await caller.say("the second one")
        await caller.hears(desk.BOUGHT.format(ticket="return"))
    assert clicked(said_to(lab)[2]) == "return"


@on_each_line
@virtual_time
async def test_what_matches_no_option_is_for_the_bot(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, lab), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.say("something else entirely")
        await caller.hears(desk.UNKNOWN)
    assert said_to(lab)[1]["text"] == "something else entirely"
    assert said_to(lab)[1]["locale"] == "en"


@on_each_line
@virtual_time
async def test_a_word_over_the_menu_stops_it_and_chooses_from_it(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, lab), dial(office, line) as caller:
        await caller.hears(desk.QUESTION)
        await caller.wait(1.0)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
    assert clicked(said_to(lab)[1]) == "opening hours"
    assert office.record["exchange"][1]["barged_in"]


# --- silence -------------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_cl21_a_silent_caller_is_asked_again_then_the_bot_is_told_then_the_fallback(
    line: Line, tmp_path: Path
) -> None:
    bot = {"silence_dialogstate": desk.STATES["silence"]}
    number = {"no_input": {"then": "event", "retries": 1, "prompts": ["Are you there?"]}}
    async with travel_office(tmp_path, bot=bot, number=number) as (office, lab), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.hears("Are you there?")
        await caller.hears(desk.SILENCE)
        await caller.hears("Are you there?")
        await caller.over()
    assert caller.words[-1] == words("fallback_hangup")
    assert [request.path for request in lab.requests] == ["/api/webhookMessage/11", "/api/webview"]
    assert lab.requests[1].json()["action"] == {"nextDialogstate": "4000"}


# --- transfers -----------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_cl11_cl21_a_hand_off_that_fails_is_told_to_the_bot(line: Line, tmp_path: Path) -> None:
    bot = {"transfer_failed_dialogstate": desk.STATES["lost"]}
    number = {"transfer": {"allow": ["+32"]}}
    async with travel_office(tmp_path, bot=bot, number=number) as (office, lab), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.say("customer service")
        await caller.hears("Say or press 1: to be connected with customer service.")
        await caller.say("customer service")
        await caller.hears(desk.LOST)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
    assert lab.requests[2].json()["session"] == {"namespace": "call", "data": {"transfer_cause": "unsupported"}}
    assert [note["cause"] for note in office.notes("transfer_refused")] == ["unsupported"]


@virtual_time
async def test_nobody_is_sent_where_the_number_does_not_allow_it(tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, _), texting(office) as caller:
        await caller.hears(desk.GREETING)
        await caller.say("customer service")
        await caller.hears("Say or press 1: to be connected with customer service.")
        await caller.press("1")
        await caller.hears(words("transfer_failed"))
    assert [note["cause"] for note in office.notes("transfer_refused")] == ["not_allowed"]


@on_each_line
@virtual_time
async def test_the_bot_hangs_up_by_an_event_where_that_was_agreed(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path, bot={"obey_events": True}) as (office, _), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.say("goodbye")
        await caller.over()
    assert caller.words[-1] == desk.GOODBYE
    assert office.outcome == ("completed", "bot")


# --- when messages come --------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_cl19_messages_that_come_one_by_one_are_one_answer(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, _), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.say("three things")
        for said in ("One.", "Two.", "Three."):
            await caller.hears(said)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
    assert [turn["bot"] for turn in office.record["exchange"]][1:] == ["One. Two. Three.", desk.HOURS]


@virtual_time
async def test_listening_opens_when_no_message_came_for_the_gap(tmp_path: Path) -> None:
    number = {"batch_gap": 2.0, "no_input": {"timeout": 5, "prompts": ["Are you there?"]}}
    async with travel_office(tmp_path, number=number) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("opening hours")
        said = await caller.hears(desk.HOURS)
        again = await caller.hears("Are you there?")
    late = max(said.until, said.at + 2.0)
    assert again.at == pytest.approx(late + 5.0, abs=0.05)


@on_each_line
@virtual_time
async def test_cl19_what_the_bot_says_unasked_is_heard_and_listened_after(line: Line, tmp_path: Path) -> None:
    async with travel_office(tmp_path) as (office, lab), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.wait(2.0)
        await lab.push(said_to(lab)[0]["sender"]["id"], desk.text("Your train is late."))
        await caller.hears("Your train is late.")
        await caller.say("tickets")  # the menu still stands
        await caller.hears(TICKETS)
    assert clicked(said_to(lab)[1]) == "tickets"


# --- at the start --------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_cl21_cl23_a_call_begins_at_a_dialog_state_that_knows_the_caller(line: Line, tmp_path: Path) -> None:
    bot = {"start": {"dialogstate": desk.STATES["welcome"]}}
    async with travel_office(tmp_path, bot=bot) as (office, lab), dial(office, line) as caller:
        await caller.hears(desk.GREETING)
        await caller.say("opening hours")
        await caller.hears(desk.HOURS)
    ((_, user),) = lab.users.items()
    assert user.session["call"]["caller"] == "+33612345678"
    assert user.session["call"]["called"] == "+441632960000"
    assert user.session["call"]["call_id"] == office.record["call_id"]
    assert user.session["call"]["language"] == "en-GB"


@virtual_time
async def test_cl06_the_same_caller_goes_on_in_his_conversation(tmp_path: Path) -> None:
    bot = {"identity": "caller", "identity_secret": "s"}
    async with travel_office(tmp_path, bot=bot) as (office, lab):
        for caller_number in ("+33612345678", "+33612345678", "+33612345679"):
            async with texting(office, caller=caller_number) as caller:
                await caller.hears(desk.GREETING)
        senders = [body["sender"]["id"] for body in said_to(lab)]
    assert senders[0] == senders[1] != senders[2]
    assert all(len(sender) >= 32 and "612345" not in sender for sender in senders)
