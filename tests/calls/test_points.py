"""The bot goes, or the caller does, at the points of a call that `test_whole_calls` leaves out; on both media lines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from gateway.caller.peer import basic_headers
from gateway.kit.signature import twilio_signature
from gateway.lab.talkr import LabTalkr
from gateway.lab.talkr_bot import BOTS
from gateway.speech.scripted.signal import duration_of
from tests.fakes.callers import Phone, own_words
from tests.fakes.office import SOCKETS, TWILIO_TOKEN, Line, Office, auth_of, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

BOT = BOTS["en"]
SAYS = {topic.name: topic.says for topic in BOT.topics}
WAITING = next(topic.waiting for topic in BOT.topics if topic.name == "lookup")
LOOKUP = "information about your last call"
FRAME = 0.025
on_each_line = pytest.mark.parametrize("line", SOCKETS)


def words(name: str) -> str:
    return own_words(name, "en-GB")


# --- the bot goes --------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_a_bot_that_fails_on_what_interrupts_its_greeting(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path, faults="ok,403") as office, dial(office, line) as caller:
        await caller.until(1.0)
        await caller.say("location")
        await caller.hears(words("apology"))
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert not caller.heard[0].whole
    assert office.outcome == ("completed", "caller")
    assert office.record["failed_turns"] == 1


@on_each_line
@virtual_time
async def test_a_bot_that_goes_away_in_its_greeting_and_comes_back(line: Line, tmp_path: Path) -> None:
    """Nobody listens on its port any more, and connections that were kept are closed."""
    lab = LabTalkr()
    async with lab, open_office(tmp_path, bot=lab) as office, dial(office, line) as caller:
        await caller.until(1.0)
        await lab.server.stop()
        await caller.hears(BOT.greeting)  # what it has said is heard
        await caller.say("location")
        await caller.hears(words("apology"))
        await lab.server.start()
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert office.record["failed_turns"] == 1


@on_each_line
@virtual_time
async def test_a_bot_that_goes_away_for_good_leaves_the_caller_to_the_fallback(line: Line, tmp_path: Path) -> None:
    lab = LabTalkr()
    async with lab, open_office(tmp_path, bot=lab) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await lab.server.stop()
        for _ in range(2):
            await caller.say("location")
            await caller.hears(words("apology"))
        await caller.say("location")
        await caller.over()
    assert caller.words[-1] == words("fallback_hangup")
    assert office.outcome == ("bot_failed", "gateway")


@on_each_line
@virtual_time
async def test_a_bot_that_goes_away_while_its_last_words_are_heard_is_not_missed(line: Line, tmp_path: Path) -> None:
    lab = LabTalkr()
    async with lab, open_office(tmp_path, bot=lab) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("goodbye")
        await caller.begins_to_hear(SAYS["goodbye"])
        await lab.server.stop()
        await caller.hears(SAYS["goodbye"])
        await caller.over()
    assert office.outcome == ("no_input", "gateway")  # how a TALKR tree ends a call
    assert office.record["failed_turns"] == 0


@on_each_line
@virtual_time
async def test_a_bot_that_fails_on_the_goodbye_may_be_told_again(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path, faults="ok,cut") as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("goodbye")
        await caller.hears(words("apology"))
        await caller.say("goodbye")
        await caller.hears(SAYS["goodbye"])
        await caller.over()
    assert office.outcome == ("no_input", "gateway")


# --- the caller goes -----------------------------------------------------------------------------------------------
async def _in_the_waiting_message(caller: Phone, office: Office) -> None:
    await caller.hears(BOT.greeting)
    await caller.say(LOOKUP)
    await caller.begins_to_hear(WAITING)


async def _after_the_waiting_message(caller: Phone, office: Office) -> None:
    await _in_the_waiting_message(caller, office)
    await caller.hears(WAITING)


async def _in_the_answer_behind_it(caller: Phone, office: Office) -> None:
    await _after_the_waiting_message(caller, office)
    await caller.begins_to_hear(SAYS["lookup"])


async def _with_a_code_half_typed(caller: Phone, office: Office) -> None:
    await caller.hears(BOT.greeting)
    await caller.say("password")
    await caller.hears(SAYS["code"])
    await caller.press("12")


async def _in_a_question_asked_again(caller: Phone, office: Office) -> None:
    await caller.hears(BOT.greeting)
    await caller.begins_to_hear(BOT.again)


async def _in_an_apology(caller: Phone, office: Office) -> None:
    await caller.hears(BOT.greeting)
    await caller.say("location")
    await caller.begins_to_hear(words("apology"))


async def _in_the_bots_last_words(caller: Phone, office: Office) -> None:
    await caller.hears(BOT.greeting)
    await caller.say("goodbye")
    await caller.begins_to_hear(SAYS["goodbye"])


Point = Callable[[Phone, Office], Awaitable[None]]
POINTS: dict[str, tuple[Point, str]] = {
    "in an apology": (_in_an_apology, "completed"),
    "in the waiting message": (_in_the_waiting_message, "completed"),
    "after the waiting message": (_after_the_waiting_message, "completed"),
    "in the answer behind it": (_in_the_answer_behind_it, "completed"),
    "with a code half typed": (_with_a_code_half_typed, "completed"),
    "in a question that is asked again": (_in_a_question_asked_again, "abandoned"),
    "in the bot's last words": (_in_the_bots_last_words, "completed"),
}


@pytest.mark.parametrize("vanishes", [False, True], ids=["hangs up", "vanishes"])
@pytest.mark.parametrize("point", POINTS)
@on_each_line
@virtual_time
async def test_a_caller_may_go_at_any_point(point: str, vanishes: bool, line: Line, tmp_path: Path) -> None:
    reach, result = POINTS[point]
    faults = "ok,403" if reach is _in_an_apology else ""
    async with open_office(tmp_path, faults=faults) as office, dial(office, line) as caller:
        office.is_truth_checked = not vanishes
        await reach(caller, office)
        left = caller.now()
        asked = len(office.bot.requests)
        if vanishes:
            caller.line.vanish()
        else:
            await caller.hang_up()
        await office.calls_over()
        assert caller.now() - left < 0.1
    assert office.outcome == (("leg_failed", "gateway") if vanishes else (result, "caller"))
    assert office.record["seconds"] == pytest.approx(left, abs=0.05)
    assert len(office.bot.requests) == asked  # nobody is left to answer to


@pytest.mark.parametrize("at", [0.5, 1.0, 2.5])
@on_each_line
@virtual_time
async def test_a_caller_may_go_while_the_fallback_is_said(at: float, line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path, faults="403") as office, dial(office, line) as caller:
        await caller.until(min(at, duration_of(words("fallback_hangup")) - 0.1))
        await caller.hang_up()
    assert office.outcome[0] == "bot_failed"  # whoever hung up, the bot was the reason
    assert len(office.bot.requests) == 1


@on_each_line
@virtual_time
async def test_a_caller_who_goes_before_the_call_has_begun_leaves_no_record(line: Line, tmp_path: Path) -> None:
    """The socket is open, nobody has said yet who calls: the caller hung up while it rang."""
    async with open_office(tmp_path) as office:
        url = office.url_of(line)
        signed = {"X-Twilio-Signature": twilio_signature(TWILIO_TOKEN, url)}
        headers = signed if line == "cloud" else dict(basic_headers(auth_of(line)))
        for is_polite in (True, False):
            socket = await connect(url, additional_headers=headers, compression=None, proxy=None, ping_interval=None)
            if is_polite:
                await socket.close()
            else:
                socket.transport.abort()
                await socket.wait_closed()
        await asyncio.sleep(0.1)
        assert len(office.registry) == 0
        async with dial(office, line) as caller:  # and the line takes the next call
            await caller.hears(BOT.greeting)
    assert len(office.records) == 1
    assert len(office.bot.requests) == 1
