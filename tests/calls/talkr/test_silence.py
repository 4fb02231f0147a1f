"""Callers who say nothing, or nothing that is understood: retry blocks, retries, hangup_no_response."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.callers import near, on_each_line, own_words, phone, typist
from tests.fakes.talkr import response
from tests.fakes.talkr_gateway import talkr_gateway
from tests.fakes.virtual_loop import virtual_time

WAIT, ANSWER, AGAIN = "Please wait...", "Final bot response", "Sorry, what did you say?"
NOISE = "brrrr"  # voice without words


def gaps(caller: Any) -> list[float]:
    """The silences between what was heard."""
    heard = caller.heard
    return [later.at - earlier.until for earlier, later in itertools.pairwise(heard)]


@on_each_line
@virtual_time
async def test_g3_tk21_tk22_silence_is_asked_twice_by_default_and_the_call_goes_on(dial: Any, tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, response(), response()) as gateway, dial(gateway) as caller:
        await caller.hears(AGAIN)
        second = await caller.hears(AGAIN)
        await caller.until(second.until + 20)
        assert caller.words == [WAIT, ANSWER, AGAIN, AGAIN]
        assert gaps(caller) == [near(0.4), near(7.0), near(7.0)]
        await caller.say("my words")
        await caller.hears(ANSWER)
    turn = gateway.bot.bodies[1]
    assert (turn["session"], turn["tracking"], turn["message"]) == ("abc123...", "175173...", "my words")


@on_each_line
@virtual_time
async def test_g4_tk22_tk23_one_retry_then_goodbye(dial: Any, tmp_path: Path) -> None:
    answer = response(retries=1, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer) as gateway, dial(gateway) as caller:
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER, AGAIN]
    assert over - caller.heard[-1].until == near(7.0)
    assert gateway.outcome == ("no_input", "gateway")
    assert gateway.bot.bodies == [{}]


@on_each_line
@virtual_time
async def test_g5_tk22_tk23_no_retry_and_hang_up_is_one_window(dial: Any, tmp_path: Path) -> None:
    answer = response(retries=0, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer) as gateway, dial(gateway) as caller:
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER]
    assert over - caller.heard[-1].until == near(7.0)
    assert gateway.outcome == ("no_input", "gateway")


@virtual_time
async def test_g5_tk23_the_goodbye_is_heard_to_its_end(tmp_path: Path) -> None:
    number = {"no_input": {"goodbye": "Goodbye then."}}
    answer = response(retries=0, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer, number=number) as gateway, phone(gateway) as caller:
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER, "Goodbye then."]
    assert over == near(caller.heard[-1].until)
    assert gateway.outcome == ("no_input", "gateway")


@virtual_time
async def test_g5_an_answer_within_the_one_window_goes_on(tmp_path: Path) -> None:
    answer = response(retries=0, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer, response()) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.wait(6.5)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert caller.words == [WAIT, ANSWER, WAIT, ANSWER]


@virtual_time
async def test_g5_somebody_who_begins_in_the_window_may_speak_beyond_it(tmp_path: Path) -> None:
    speech = {"local": {"echo": False, "texts": ["a long sentence"]}}
    answers = response(retries=0, hangup_no_response=1), response()
    async with talkr_gateway(tmp_path, *answers, speech=speech) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.wait(6.8)
        await caller.say("a sentence that begins before the time is over and ends well after that")
        await caller.hears(ANSWER)
    assert gateway.bot.bodies[1]["message"] == "a long sentence"


@virtual_time
async def test_g5_g10_a_tree_that_ends_without_a_word_has_one_window(tmp_path: Path) -> None:
    last = {**response(messages=[], retries=0, hangup_no_response=1), "variables": {}}
    async with talkr_gateway(tmp_path, response(), last) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        sent = await gateway.asked(2) - caller.began
        over = await caller.over()
    assert over - sent == near(7.0)
    assert gateway.outcome == ("no_input", "gateway")


@on_each_line
@virtual_time
async def test_g6_tk21_tk22_three_retries_then_idle_then_the_fallback(dial: Any, tmp_path: Path) -> None:
    answer = response(retries=3, hangup_no_response=0)
    number = {"fallback": {"say": "Nobody is here."}}
    async with talkr_gateway(tmp_path, answer, number=number) as gateway, dial(gateway) as caller:
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER, AGAIN, AGAIN, AGAIN, "Nobody is here."]
    assert gaps(caller) == [near(0.4), near(7.0), near(7.0), near(7.0), near(37.0)]  # 7 s, then the idle limit
    assert over == near(caller.heard[-1].until)
    assert gateway.outcome == ("no_input", "gateway")
    assert len(gateway.bot.bodies) == 1


@virtual_time
async def test_g6_an_idle_line_is_still_listened_to(tmp_path: Path) -> None:
    answer = response(retries=0, hangup_no_response=0)
    async with talkr_gateway(tmp_path, answer, response()) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.wait(30)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert [body.get("message") for body in gateway.bot.bodies] == [None, "my words"]


@virtual_time
async def test_tk21_retry_blocks_in_order_the_last_one_again(tmp_path: Path) -> None:
    blocks = [{"content": "Are you there?", "tracking": "1"}, {"content": "<b>Hello?</b>", "tracking": "2"}]
    answer = response(responses=blocks, retries=3, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer) as gateway, phone(gateway) as caller:
        await caller.over()
    assert caller.words == [WAIT, ANSWER, "Are you there?", "Hello?", "Hello?"]


@pytest.mark.parametrize(
    ("retries", "times"),
    [("missing", 2), (None, 2), (-1, 2), ("many", 2), (1.5, 2), ("3", 3), (0, 0), (99, 10)],
    ids=str,
)
@virtual_time
async def test_tk22_how_many_retries(retries: Any, times: int, tmp_path: Path) -> None:
    answer = response(hangup_no_response=1)
    if retries != "missing":
        answer["data"]["retries"] = retries
    async with talkr_gateway(tmp_path, answer) as gateway, typist(gateway) as caller:
        await caller.over()
    assert caller.words == [WAIT, ANSWER, *[AGAIN] * times]
    assert gateway.outcome == ("no_input", "gateway")


@pytest.mark.parametrize(
    "blocks",
    [[], None, [{"content": "  ", "tracking": "1"}], [{"content": "<br>"}]],
    ids=["none", "null", "blank", "tag"],
)
@virtual_time
async def test_tk21_without_a_retry_block_the_answer_is_repeated_not_the_waiting(blocks: Any, tmp_path: Path) -> None:
    answer = response(retries=2, hangup_no_response=1)
    answer["data"]["responses"] = blocks
    async with talkr_gateway(tmp_path, answer) as gateway, phone(gateway) as caller:
        await caller.over()
    assert caller.words == [WAIT, ANSWER, ANSWER, ANSWER]


@virtual_time
async def test_tk23_missing_means_no(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, response(retries=0)) as gateway, typist(gateway) as caller:
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER, own_words("fallback_hangup")]
    assert over > 37


# --- speaking into it ----------------------------------------------------------------------------------------------
@virtual_time
async def test_tk21_speaking_into_a_retry_prompt_stops_it_and_the_count_begins_anew(tmp_path: Path) -> None:
    answer = response(retries=2, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer, answer) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
        await caller.begins_to_hear(AGAIN)
        await caller.wait(0.4)
        await caller.say("stop it now")
        await caller.over()
    assert caller.words == [WAIT, ANSWER, AGAIN, f"{AGAIN}|", WAIT, ANSWER, AGAIN, AGAIN]
    assert gateway.bot.bodies[1]["message"] == "stop it now"
    assert gateway.record()["barge_ins"] == 1
    assert gateway.outcome == ("no_input", "gateway")


@virtual_time
async def test_tk21_a_noise_does_not_begin_the_count_anew(tmp_path: Path) -> None:
    """A noise that is no word counts as a silence; it does not give two more."""
    answer = response(retries=2, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer) as gateway, phone(gateway, steady=True) as caller:
        await caller.hears(AGAIN)
        await caller.wait(1)
        noise = await caller.say(NOISE)
        second = await caller.hears(AGAIN)
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER, AGAIN, AGAIN]
    assert second.at - noise.until == near(0.8)
    assert over - second.until == near(7.0)
    assert (gateway.record()["no_inputs"], gateway.record()["no_matches"]) == (2, 1)


@virtual_time
async def test_tk23_not_being_understood_hangs_up_where_it_counts(tmp_path: Path) -> None:
    answer = response(retries=1, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer) as gateway, phone(gateway, steady=True) as caller:
        await caller.hears(ANSWER)
        await caller.wait(1)
        await caller.say(NOISE)
        await caller.hears(AGAIN)
        await caller.wait(1)
        last = await caller.say(NOISE)
        over = await caller.over()
    assert over - last.until == near(0.8)
    assert gateway.outcome == ("no_input", "gateway")


@virtual_time
async def test_tk23_not_being_understood_never_hangs_up_where_it_does_not_count(tmp_path: Path) -> None:
    number = {"no_input": {"nomatch_counts": False}}
    answer = response(retries=1, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer, number=number) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        for _ in range(4):
            await caller.wait(1)
            await caller.say(NOISE)
            await caller.hears(AGAIN)
        await caller.over()  # by silence: the one retry, then goodbye
    assert caller.words == [WAIT, ANSWER, *[AGAIN] * 5]
    assert (gateway.record()["no_inputs"], gateway.record()["no_matches"]) == (2, 4)


@virtual_time
async def test_tk23_a_doubtful_transcript_is_not_understood(tmp_path: Path) -> None:
    number = {"recognizer": {"min_confidence": 0.95}}  # the scripted recognizer is sure to 0.9
    answer = response(retries=1, hangup_no_response=1)
    async with talkr_gateway(tmp_path, answer, number=number) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.wait(1)
        await caller.say("my words")
        await caller.hears(AGAIN)
        await caller.over()
    assert len(gateway.bot.bodies) == 1
    assert gateway.record()["no_matches"] == 1


# --- telling the bot -----------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_tk23_the_bot_is_told_of_silence_once_per_block_where_that_is_wanted(dial: Any, tmp_path: Path) -> None:
    bot = {"send_no_input": True, "no_input_text": "(silence)"}
    answers = response(retries=1), response(retries=0)
    number = {"idle_limit": 5, "fallback": {"say": "Nobody is here."}}
    async with talkr_gateway(tmp_path, *answers, bot=bot, number=number) as gateway, dial(gateway) as caller:
        await caller.over()
    assert caller.words == [WAIT, ANSWER, AGAIN, WAIT, ANSWER, "Nobody is here."]
    told = gateway.bot.bodies[1]
    assert (told["message"], told["variables"], told["session"]) == (
        "(silence)",
        {"userresponse": "(silence)"},
        "abc123...",
    )
    assert len(gateway.bot.bodies) == 2
    assert gaps(caller)[-1] == near(12.0)  # the block was told of already: 7 s, then the idle limit


@virtual_time
async def test_tk23_the_bot_is_told_again_in_another_block(tmp_path: Path) -> None:
    other = response(retries=0, responses=[{"content": AGAIN, "tracking": "other"}])
    answers = response(retries=0), other, response(retries=0, hangup_no_response=1)
    async with talkr_gateway(tmp_path, *answers, bot={"send_no_input": True}) as gateway, typist(gateway) as caller:
        await caller.over()
    assert [body.get("message") for body in gateway.bot.bodies] == [None, "", ""]
    assert [body.get("tracking") for body in gateway.bot.bodies] == [None, "175173...", "other"]
