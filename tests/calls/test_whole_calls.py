"""Whole calls on every kind of line, with the lab's bot: what a caller does, what he hears, and what the books say."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from gateway.lab.talkr_bot import BOTS
from gateway.speech.scripted.signal import duration_of
from tests.fakes.callers import Phone, own_words
from tests.fakes.office import LINES, SOCKETS, Line, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

BOT = BOTS["en"]
SAYS = {topic.name: topic.says for topic in BOT.topics}
WAITING = next(topic.waiting for topic in BOT.topics if topic.name == "lookup")
FRAME = 0.025
on_each_line = pytest.mark.parametrize("line", LINES)


def words(name: str, variant: int = 0) -> str:
    return own_words(name, "en-GB", variant)


@on_each_line
@virtual_time
async def test_greeting_speech_turn_key_turn_and_goodbye(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(SAYS["location"])
        await caller.say("password")
        await caller.hears(SAYS["code"])
        await caller.press("1234#")
        await caller.hears(BOT.code_heard.format(code="1 2 3 4"))
        await caller.say("goodbye")
        await caller.hears(SAYS["goodbye"])
        await caller.over()
    assert office.outcome == ("no_input", "gateway")  # how a TALKR tree ends a call: nothing more is asked
    assert [turn["kind"] for turn in office.record["exchange"]] == ["start", "speech", "speech", "digits", "speech"]
    assert [turn["caller"] for turn in office.record["exchange"]][1:] == ["location", "password", "1234", "goodbye"]


@on_each_line
@virtual_time
async def test_a_word_over_the_bot_stops_it_and_is_the_answer(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.until(2.0)
        began = caller.now()
        await caller.say("opening hours")
        await caller.hears(SAYS["hours"])
        greeting = caller.heard[0]
    assert not greeting.whole
    assert greeting.until == pytest.approx(began + 0.25 + 0.02, abs=FRAME)  # min_speech, and the frame it is known by
    first, second = office.record["exchange"]
    assert first["bot_cut"]
    assert first["bot_seconds"] == pytest.approx(greeting.until - greeting.at, abs=FRAME)
    assert BOT.greeting.startswith(first["bot"])
    assert second["barged_in"]
    assert second["caller"] == "opening hours"


@on_each_line
@virtual_time
async def test_a_key_over_the_bot_stops_it_at_once(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.until(2.0)
        pressed = caller.now()
        await caller.press("12#")
        await caller.hears(BOT.unknown)
        greeting = caller.heard[0]
    assert not greeting.whole
    assert greeting.until == pytest.approx(pressed, abs=FRAME)
    assert office.record["exchange"][1]["kind"] == "digits"
    assert office.record["exchange"][1]["barged_in"]


@on_each_line
@virtual_time
async def test_a_silent_caller_is_asked_again_and_then_let_go(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path, number={"idle_limit": 12}) as office, dial(office, line) as caller:
        ended = await caller.over()
    heard = caller.heard
    # The lab's bot brings its own question for silence, twice, and leaves the end to the number.
    assert [word.text for word in heard] == [BOT.greeting, BOT.again, BOT.again, words("fallback_hangup")]
    waits = [after.at - before.until for before, after in itertools.pairwise(heard)]
    assert waits == [pytest.approx(wait, abs=FRAME) for wait in (7.0, 7.0, 7.0 + 12.0)]
    assert ended == pytest.approx(heard[-1].until, abs=0.1)
    assert office.outcome == ("no_input", "gateway")
    assert office.record["no_inputs"] == 3
    assert len(office.bot.requests) == 1


@on_each_line
@virtual_time
async def test_background_answers_come_after_the_waiting_message(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("information about your last call")
        waiting = await caller.hears(WAITING)
        answer = await caller.hears(SAYS["lookup"])
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert answer.at > waiting.until
    assert office.outcome == ("completed", "caller")


@on_each_line
@virtual_time
async def test_two_languages_in_one_call(line: Line, tmp_path: Path) -> None:
    french = {topic.name: topic.says for topic in BOTS["fr"].topics}
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("speak french")
        await caller.hears(SAYS["language"])
        await caller.say("endroit")
        await caller.hears(french["location"])
    used = {request.language for request in office.vendors["local"].synthesizer.requests}
    assert used == {"en-GB", "fr-FR"}


# --- the bot fails -------------------------------------------------------------------------------------------------
FAULTS = ["403", "code:500*3", "garbage*3", "cut", "oversized", "deep*3", "500*3", "429*3", "drop*3"]


@pytest.mark.parametrize("fault", FAULTS)
@on_each_line
@virtual_time
async def test_a_bot_that_fails_on_the_first_request_leaves_the_caller_to_the_fallback(
    fault: str, line: Line, tmp_path: Path
) -> None:
    async with open_office(tmp_path, faults=fault) as office, dial(office, line) as caller:
        await caller.over()
    assert caller.words[-1] == words("fallback_hangup")
    assert office.outcome == ("bot_failed", "gateway")


@pytest.mark.parametrize("fault", FAULTS)
@virtual_time
async def test_a_bot_that_fails_later_is_apologised_for_and_asked_again(fault: str, tmp_path: Path) -> None:
    async with open_office(tmp_path, faults=f"ok,{fault}") as office, dial(office) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(words("apology"))
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert office.outcome == ("completed", "caller")
    assert office.record["failed_turns"] == 1


@on_each_line
@virtual_time
async def test_a_bot_that_fails_three_times_in_a_row_is_given_up(line: Line, tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, faults="ok,403*3", number={"fallback": {"say": "Call again tomorrow."}}) as office,
        dial(office, line) as caller,
    ):
        await caller.hears(BOT.greeting)
        for _ in range(2):
            await caller.say("location")
            await caller.hears(words("apology"))
        await caller.say("location")
        await caller.over()
    assert caller.words[-1] == "Call again tomorrow."
    assert office.outcome == ("bot_failed", "gateway")


@virtual_time
async def test_a_bot_that_never_answers_is_covered_by_fillers_and_given_up(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, faults="ok,slow:300", bot_settings={"timeout": 100}) as office,
        dial(office) as caller,
    ):
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(words("filler"))
        await caller.hears(words("apology"), within=60)
        silence = [after.at - before.until for before, after in zip(caller.heard[1:], caller.heard[2:], strict=False)]
    assert max(silence) < 10
    assert office.record["failed_turns"] == 1


# --- the caller leaves ---------------------------------------------------------------------------------------------
def leaving_points() -> dict[str, tuple[float, str]]:
    """Moments of the call of `test_a_caller_may_hang_up_at_any_moment`, and who ended it how."""
    return {
        "as it is answered": (0.0, "abandoned"),
        "before the greeting": (0.01, "abandoned"),
        "in the greeting": (1.0, "abandoned"),
        "just before the end of the greeting": (duration_of(BOT.greeting) - 0.01, "abandoned"),
        "while listened to": (duration_of(BOT.greeting) + 0.5, "abandoned"),
        "while speaking": (duration_of(BOT.greeting) + 1.2, "abandoned"),
        "while closing": (duration_of(BOT.greeting) + 1.0 + duration_of("location") + 0.4, "abandoned"),
        "while the bot thinks": (duration_of(BOT.greeting) + 1.0 + duration_of("location") + 1.5, "completed"),
        "in a filler": (duration_of(BOT.greeting) + 1.0 + duration_of("location") + 2.6, "completed"),
        "in the answer": (duration_of(BOT.greeting) + 1.0 + duration_of("location") + 8.0, "completed"),
    }


async def _say_at(caller: Phone, text: str, at: float) -> None:
    await caller.until(at)
    await caller.say(text)


@pytest.mark.parametrize("point", leaving_points())
@on_each_line
@virtual_time
async def test_a_caller_may_hang_up_at_any_moment(point: str, line: Line, tmp_path: Path) -> None:
    at, result = leaving_points()[point]
    async with open_office(tmp_path, faults="ok,slow:4") as office, dial(office, line) as caller:
        speaking = asyncio.create_task(_say_at(caller, "location", duration_of(BOT.greeting) + 1.0))
        await caller.until(at)
        await caller.hang_up()
        await speaking
    assert office.outcome == (result, "caller")
    assert office.record["seconds"] == pytest.approx(max(at, 0.0), abs=0.05)


@pytest.mark.parametrize("line", SOCKETS)  # in RTP it is the silence that tells: `test_trunk`
@virtual_time
async def test_a_call_that_vanishes_is_over_at_once(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.until(1.0)
        caller.line.vanish()
        await office.calls_over()
    assert office.outcome == ("leg_failed", "gateway")
    assert office.record["seconds"] == pytest.approx(1.0, abs=0.05)


# --- long and crowded ----------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_fifty_barge_ins_in_one_call(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line, background=False) as caller:
        for _ in range(50):
            await caller.wait(0.6)
            await caller.say("hours")
            await caller.wait(0.8)  # until the turn is closed, and the answer begins
        await caller.hears(SAYS["hours"])
    assert office.record["barge_ins"] == 50
    assert len(office.bot.requests) == 51
    assert [word.whole for word in caller.heard] == [False] * 50 + [True]


@on_each_line
@virtual_time
async def test_an_operator_hangs_up(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.until(1.0)
        (running,) = office.operator.calls()
        await office.operator.hang_up(running["call_id"])
        ended = await caller.over()
    assert ended == pytest.approx(1.0, abs=FRAME)
    assert office.outcome == ("operator", "gateway")
