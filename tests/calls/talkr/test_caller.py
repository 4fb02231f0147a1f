"""Callers who press keys, interrupt, or speak while the bot thinks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.server import LabReply, json_reply
from tests.fakes.callers import FROM, on_each_line, own_words, phone, typist
from tests.fakes.talkr import response
from tests.fakes.talkr_gateway import NUMBER, talkr_gateway
from tests.fakes.virtual_loop import virtual_time

WAIT, ANSWER, AGAIN = "Please wait...", "Final bot response", "Sorry, what did you say?"
HELLO = "Hello, this is the bot and it has a lot to say."
SECOND = "This is the second answer, which is long enough."
NOISE = "brrrr"


def near(seconds: float, within: float = 0.002) -> Any:
    return pytest.approx(seconds, abs=within)


def saying(text: str, **data: Any) -> dict[str, Any]:
    answer = response(messages=[], has_background_text=0, **data)
    return {**answer, "variables": {"bot_answer": text}}


def slowly(answer: dict[str, Any], seconds: float) -> LabReply:
    return replace(json_reply(answer), delay=seconds)


def messages(gateway: Any) -> list[str]:
    return [body["message"] for body in gateway.bot.bodies[1:]]


# --- keys ----------------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_g18_keys_are_sent_as_text_without_their_terminator(dial: Any, tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, dial(gateway) as caller:
        await caller.hears(HELLO)
        await caller.wait(0.5)
        await caller.press("1234#")
        pressed = caller.now()
        sent = await gateway.asked(2) - caller.began
        await caller.hears(SECOND)
    assert gateway.bot.bodies[1]["message"] == gateway.bot.bodies[1]["variables"]["userresponse"] == "1234"
    assert sent == near(pressed)
    assert gateway.record()["exchange"][1]["kind"] == "digits"


@virtual_time
async def test_g18_without_a_terminator_the_entry_ends_by_a_pause(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.wait(6.9)  # the first key stops the wait for an answer
        await caller.press("12")
        pressed = caller.now()
        sent = await gateway.asked(2) - caller.began
    assert messages(gateway) == ["12"]
    assert sent - pressed == near(3.0)
    assert caller.words == [HELLO]


@virtual_time
async def test_g18_a_star_takes_the_keys_back(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.press("99*1234#")
        await caller.hears(SECOND)
    assert messages(gateway) == ["1234"]


@virtual_time
async def test_g18_a_key_interrupts_and_is_the_first_of_the_entry(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.wait(0.5)
        await caller.press("42#")
        await caller.hears(SECOND)
    assert caller.words == [f"{HELLO}|", SECOND]
    assert caller.heard[0].until - caller.heard[0].at < 0.7
    assert messages(gateway) == ["42"]


@virtual_time
async def test_g18_keys_that_may_not_interrupt_are_typed_ahead(tmp_path: Path) -> None:
    number = {"barge_in": {"by": []}}
    answers = saying(HELLO), saying(SECOND)
    async with talkr_gateway(tmp_path, *answers, number=number) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.wait(0.5)
        await caller.press("42#")
        first = await caller.hears(HELLO)
        sent = await gateway.asked(2) - caller.began
    assert messages(gateway) == ["42"]
    assert sent == near(first.until)


@virtual_time
async def test_g18_keys_beat_the_speech_they_overlap(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.wait(0.5)
        await caller.press("1")
        await caller.say("my words")
        await caller.press("2#")
        await caller.hears(SECOND)
        await caller.wait(5)
    assert messages(gateway) == ["12"]
    assert caller.words == [HELLO, SECOND]


@virtual_time
async def test_g18_keys_pressed_while_the_bot_thinks_follow_its_answer(tmp_path: Path) -> None:
    answers = saying(HELLO), slowly(saying(SECOND), 1.0), saying(ANSWER)
    async with talkr_gateway(tmp_path, *answers) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.say("my words")
        await gateway.asked(2)
        await caller.press("7#")
        await caller.hears(ANSWER)
    assert messages(gateway) == ["my words", "7"]


# --- interruptions -------------------------------------------------------------------------------------------------
@virtual_time
async def test_tk16_an_answer_can_be_interrupted_by_speech(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway, steady=True) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.until(1.0)
        said = await caller.say("stop it now")
        await caller.hears(SECOND)
    assert caller.words == [f"{HELLO}|", SECOND]
    assert 0.2 < caller.heard[0].until - said.at < 0.31  # 0.25 s of voice, and at most 60 ms
    assert messages(gateway) == ["stop it now"]
    (turn,) = [turn for turn in gateway.record()["exchange"] if turn["turn"] == 0]
    assert turn["bot_cut"]
    assert HELLO.startswith(turn["bot"])


@virtual_time
async def test_what_comes_after_the_interrupted_message_is_dropped(tmp_path: Path) -> None:
    first = response(messages=[{"content": HELLO}, {"content": "And more."}], has_background_text=0)
    async with talkr_gateway(tmp_path, first, saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.wait(1)
        await caller.say("stop it now")
        await caller.hears(SECOND)
    assert caller.words == [f"{HELLO}|", SECOND]


@virtual_time
async def test_tk18_the_waiting_message_cannot_be_interrupted(tmp_path: Path) -> None:
    waiting = response(messages=[{"content": HELLO}])
    async with talkr_gateway(tmp_path, waiting, saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.wait(0.5)
        await caller.say("my words")
        answer = await caller.hears(ANSWER)
        sent = await gateway.asked(2) - caller.began
        await caller.hears(SECOND)
    assert caller.words == [HELLO, ANSWER, SECOND]
    assert messages(gateway) == ["my words"]
    assert sent == near(answer.until, 0.05)  # it was heard, and is the answer once the bot has finished


@virtual_time
async def test_tk18_speech_that_goes_on_into_the_answer_interrupts_that(tmp_path: Path) -> None:
    waiting = response(messages=[{"content": "One moment."}], **{})
    waiting["variables"] = {"bot_answer": HELLO}
    speech = {"local": {"echo": False, "texts": ["a long sentence"]}}
    async with talkr_gateway(tmp_path, waiting, saying(SECOND), speech=speech) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear("One moment.")
        await caller.say("and I go on speaking until the answer has begun")
        await caller.hears(SECOND)
    assert caller.words == ["One moment.", f"{HELLO}|", SECOND]
    assert messages(gateway) == ["a long sentence"]


@virtual_time
async def test_the_beginning_of_an_answer_is_protected(tmp_path: Path) -> None:
    """Somebody who still speaks when the protection ends interrupts all the same."""
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway, steady=True) as caller:
        await caller.until(0.1)
        await caller.say("stop it now")
        await caller.hears(SECOND)
    first = caller.heard[0]
    assert (first.text, first.whole) == (HELLO, False)
    assert 0.3 <= first.until - first.at < 0.56


@virtual_time
async def test_a_noise_that_interrupts_is_not_understood(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(HELLO), saying(SECOND)) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.wait(1)
        await caller.say("brrr brrr brrr")
        await caller.hears(AGAIN)
    assert caller.words == [f"{HELLO}|", AGAIN]
    assert messages(gateway) == []
    assert gateway.record()["no_matches"] == 1


@virtual_time
async def test_where_nothing_may_interrupt_speech_over_the_prompt_is_not_heard(tmp_path: Path) -> None:
    number = {"barge_in": {"by": "off"}}
    async with talkr_gateway(tmp_path, saying(HELLO), number=number) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(HELLO)
        await caller.wait(0.5)
        await caller.say("my words")
        await caller.hears(HELLO)
        await caller.hears(AGAIN)
    assert caller.words == [HELLO, AGAIN]
    assert messages(gateway) == []


# --- while the bot thinks ------------------------------------------------------------------------------------------
@virtual_time
async def test_speech_that_goes_on_before_the_turn_is_sent_is_part_of_it(tmp_path: Path) -> None:
    speech = {"local": {"echo": False, "texts": ["both parts", "too much"]}}
    answers = saying(HELLO), saying(SECOND)
    async with talkr_gateway(tmp_path, *answers, speech=speech) as gateway, phone(gateway, steady=True) as caller:
        await caller.hears(HELLO)
        await caller.wait(0.5)
        await caller.say("one part")
        await caller.wait(0.6)
        last = await caller.say("another part")
        sent = await gateway.asked(2) - caller.began
        await caller.hears(SECOND)
    assert messages(gateway) == ["both parts"]
    assert sent - last.until == near(0.8, 0.021)


THINKING = {
    "next_turn": ([HELLO, SECOND, ANSWER], ["my words", "yes please"]),
    "barge_in": ([HELLO, ANSWER], ["my words", "yes please"]),
    "drop": ([HELLO, SECOND, AGAIN], ["my words"]),
}


@pytest.mark.parametrize("mode", THINKING)
@virtual_time
async def test_speech_while_the_bot_thinks(mode: str, tmp_path: Path) -> None:
    heard, sent = THINKING[mode]
    answers = saying(HELLO), slowly(saying(SECOND), 1.4), saying(ANSWER)
    parts = {"number": {"thinking_input": mode}}
    async with talkr_gateway(tmp_path, *answers, **parts) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.say("my words")
        await gateway.asked(2)
        await caller.wait(0.2)
        await caller.say("yes please")
        await caller.hears(heard[-1])
    assert caller.words == heard
    assert messages(gateway) == sent
    assert len(gateway.notes("speech_dropped")) == (1 if mode == "drop" else 0)


@pytest.mark.parametrize("mode", THINKING)
@virtual_time
async def test_speech_over_a_filler(mode: str, tmp_path: Path) -> None:
    """The filler is ours, and cannot be interrupted; what is said into it is said while the bot thinks."""
    heard, sent = THINKING[mode]
    filler = own_words("filler")
    answers = saying(HELLO), slowly(saying(SECOND), 4.0), saying(ANSWER)
    parts = {"number": {"thinking_input": mode}}
    async with talkr_gateway(tmp_path, *answers, **parts) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.say("my words")
        await caller.begins_to_hear(filler)
        await caller.wait(0.2)
        await caller.say("yes please")
        await caller.hears(heard[-1])
    assert caller.words == [HELLO, filler, *heard[1:]]
    assert messages(gateway) == sent
    assert len(gateway.notes("speech_dropped")) == (1 if mode == "drop" else 0)


@virtual_time
async def test_two_things_said_while_the_bot_thinks_are_one_turn(tmp_path: Path) -> None:
    speech = {"local": {"echo": False, "texts": ["one", "two and three", "too much"]}}
    answers = saying(HELLO), slowly(saying(SECOND), 3.9), saying(ANSWER)
    parts = {"speech": speech, "number": {"filler_after": 10}}
    async with talkr_gateway(tmp_path, *answers, **parts) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.say("one")
        await gateway.asked(2)
        await caller.wait(0.2)
        await caller.say("two")
        await caller.wait(0.5)
        await caller.say("three")
        await caller.hears(ANSWER)
    assert messages(gateway) == ["one", "two and three"]
    assert caller.words == [HELLO, SECOND, ANSWER]


@virtual_time
async def test_words_typed_while_the_bot_thinks_are_the_next_turn(tmp_path: Path) -> None:
    answers = saying(HELLO), slowly(saying(SECOND), 1.0), saying(ANSWER)
    async with talkr_gateway(tmp_path, *answers) as gateway, typist(gateway) as caller:
        await caller.hears(HELLO)
        await caller.say("one")
        await gateway.asked(2)
        await caller.say("two")
        await caller.hears(ANSWER)
    assert caller.words == [HELLO, SECOND, ANSWER]
    assert messages(gateway) == ["one", "two"]


# --- what goes along -----------------------------------------------------------------------------------------------
@virtual_time
async def test_the_phones_own_variables_go_along_where_wanted(tmp_path: Path) -> None:
    answers = saying(HELLO), saying(SECOND), saying(ANSWER)
    bot = {"send_call_variables": True}
    async with talkr_gateway(tmp_path, *answers, bot=bot) as gateway, phone(gateway) as caller:
        await caller.hears(HELLO)
        await caller.say("my words")
        await caller.hears(SECOND)
        await caller.press("12#")
        await caller.hears(ANSWER)
    who = {"caller_number": FROM, "called_number": NUMBER, "call_id": "call-1"}
    assert [body["variables"] for body in gateway.bot.bodies[1:]] == [
        {"userresponse": "my words", **who, "input_mode": "speech", "stt_confidence": 0.9},
        {"userresponse": "12", **who, "input_mode": "dtmf"},
    ]
