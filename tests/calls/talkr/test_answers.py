"""What a caller hears of a TALKR bot's answers: in which order, how often, and never twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.callers import on_each_line, own_words, phone, typist
from tests.fakes.talkr import VECTORS, response
from tests.fakes.talkr_gateway import talkr_gateway
from tests.fakes.virtual_loop import virtual_time

WAIT, ANSWER, AGAIN = "Please wait...", "Final bot response", "Sorry, what did you say?"


def near(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.002)


def saying(*messages: str, answer: str | None = None, tracking: str = "1", **data: Any) -> dict[str, Any]:
    """An answer with these messages beside this `bot_answer`."""
    blocks = [{"content": AGAIN, "tracking": tracking}]
    contents = [{"type": "text", "content": message} for message in messages]
    value = response(**{"messages": contents, "responses": blocks, "has_background_text": 0, **data})
    return {**value, "variables": {} if answer is None else {"bot_answer": answer}}


@on_each_line
@virtual_time
async def test_g3_tk16_tk18_tk19_waiting_message_pause_answer(dial: Any, tmp_path: Path) -> None:
    assert VECTORS["response"]["data"]["background_content"] == "ok"
    async with talkr_gateway(tmp_path, response()) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        waiting, answer = caller.heard
    assert (waiting.text, answer.text) == (WAIT, ANSWER)
    assert answer.at - waiting.until == near(0.4)


@virtual_time
async def test_tk18_the_delay_is_the_operators(tmp_path: Path) -> None:
    bot = {"background_gap": 1.25}
    async with talkr_gateway(tmp_path, response(), bot=bot) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        waiting, answer = caller.heard
    assert answer.at - waiting.until == near(1.25)


@virtual_time
async def test_tk18_a_waiting_message_that_is_the_answer_is_said_once(tmp_path: Path) -> None:
    same = saying(WAIT, ANSWER, answer=f" <p>{ANSWER}</p> ", has_background_text=1)
    async with talkr_gateway(tmp_path, same) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == [WAIT, ANSWER, AGAIN]


@virtual_time
async def test_tk18_background_work_without_an_answer_is_listened_after(tmp_path: Path) -> None:
    only = saying(WAIT, answer="", has_background_text=1)
    async with talkr_gateway(tmp_path, only) as gateway, phone(gateway) as caller:
        waiting = await caller.hears(WAIT)
        again = await caller.hears(AGAIN)
    assert again.at - waiting.until == near(7.0)
    assert len(gateway.bot.bodies) == 1  # nothing is polled


@pytest.mark.parametrize(
    ("messages", "answer", "heard"),
    [
        pytest.param(["Welcome."], "Welcome.", ["Welcome."], id="g9_tk14_in_both_places"),
        pytest.param(["Welcome."], None, ["Welcome."], id="g9_tk14_in_messages"),
        pytest.param([], "Welcome.", ["Welcome."], id="g9_tk15_tk16_in_bot_answer"),
        pytest.param(["<b>Welcome.</b>"], "WELCOME. ", ["Welcome."], id="g9_tk14_in_other_clothes"),
        pytest.param(["One.", "Two.", "Three."], None, ["One.", "Two.", "Three."], id="tk17_several_in_order"),
        pytest.param(["One.", " ", "Two."], "One. Two.", ["One.", "Two."], id="tk17_joined_is_the_answer"),
        pytest.param(["One."], "Two.", ["One.", "Two."], id="tk16_tk17_message_then_answer"),
        pytest.param(["One."], "One. Two.", ["One. Two."], id="tk16_the_longer_one_says_both"),
        pytest.param(
            ["I do not know, one moment."], "No.", ["I do not know, one moment.", "No."], id="tk16_not_a_mere_substring"
        ),
        pytest.param([], 42, ["42"], id="tk16_a_number"),
    ],
)
@virtual_time
async def test_what_is_said_of_messages_and_answer(
    messages: list[str], answer: Any, heard: list[str], tmp_path: Path
) -> None:
    async with talkr_gateway(tmp_path, saying(*messages, answer=answer)) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == [*heard, AGAIN]


@virtual_time
async def test_g10_a_silent_turn_listens(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(answer=""), saying(answer=ANSWER)) as gateway, phone(gateway) as caller:
        again = await caller.hears(AGAIN)
        assert again.at == near(7.0)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert caller.words == [AGAIN, ANSWER]


@pytest.mark.parametrize(("policy", "heard"), [("drop", ["New."]), ("speak", ["New.", "Old."])])
@virtual_time
async def test_tk16_an_answer_left_standing_from_the_turn_before(policy: str, heard: list[str], tmp_path: Path) -> None:
    answers = saying("Hello.", answer="Old."), saying("New.", answer="Old.", tracking="2")
    async with talkr_gateway(tmp_path, *answers, bot={"stale_answer": policy}) as gateway, typist(gateway) as caller:
        await caller.hears("Old.")
        await caller.say("my words")
        await caller.hears(AGAIN)
    assert caller.words == ["Hello.", "Old.", *heard, AGAIN]


@virtual_time
async def test_tk16_the_same_answer_in_the_same_block_is_said_again(tmp_path: Path) -> None:
    answers = saying("Hello.", answer="I did not get that."), saying("Hm.", answer="I did not get that.")
    async with talkr_gateway(tmp_path, *answers) as gateway, typist(gateway) as caller:
        await caller.hears("I did not get that.")
        await caller.say("my words")
        await caller.hears("I did not get that.")
    assert caller.words == ["Hello.", "I did not get that.", "Hm.", "I did not get that."]


# --- text made speakable -------------------------------------------------------------------------------------------
@virtual_time
async def test_g19_speech_markup_reaches_the_voice_with_its_pause(tmp_path: Path) -> None:
    content = '<speak>Hi<break time="500ms"/>you</speak>'
    async with talkr_gateway(tmp_path, saying(content)) as gateway, phone(gateway) as caller:
        await caller.hears("Hi you")
    (said,) = gateway.vendors["local"].synthesizer.requests
    assert said.ssml
    assert '<break time="500ms"/>' in said.text
    assert gateway.record()["said"][0]["text"] == "Hi you"


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        pytest.param("<b>Hi</b> &amp; bye", "Hi & bye", id="g19_html"),
        pytest.param("**Hi** and [bye](https://x.example/) 🙂", "Hi and bye", id="markdown"),
        pytest.param("Hello {first_name}, welcome", "Hello, welcome", id="placeholder"),
        pytest.param("<speak>Hi <b>you</speak>", "Hi you", id="g19_malformed"),
    ],
)
@virtual_time
async def test_markup_is_not_read_out(content: str, heard: str, tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying(content)) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == [heard, AGAIN]


@virtual_time
async def test_a_forgotten_placeholder_is_warned_of(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, saying("Hello {first_name}, welcome")) as gateway, typist(gateway) as caller:
        await caller.hears("Hello, welcome")
    (warning,) = gateway.notes("warning")
    assert "first_name" in warning["detail"]


# --- messages of other types ---------------------------------------------------------------------------------------
def message(**fields: Any) -> dict[str, Any]:
    return saying(messages=[fields])


@pytest.mark.parametrize("by", ["key", "word"])
@virtual_time
async def test_buttons_become_a_menu_by_key_or_by_word(by: str, tmp_path: Path) -> None:
    menu = message(type="buttons", text="What is it about?", content=[{"label": "sales"}, {"label": "support"}])
    speech = {"local": {"texts": ["support"]}}
    answers = menu, saying(answer=ANSWER)
    async with talkr_gateway(tmp_path, *answers, speech=speech) as gateway, phone(gateway) as caller:
        read = await _menu_read(caller)
        await (caller.press("2") if by == "key" else caller.say("support"))
        await caller.hears(ANSWER)
    assert read.startswith("What is it about?")
    assert [word for word in ("sales", "support", "1", "2") if word not in read] == []
    assert gateway.bot.bodies[1]["message"] == gateway.bot.bodies[1]["variables"]["userresponse"] == "support"


async def _menu_read(caller: Any) -> str:
    """The menu as it is read out, once it is."""
    await caller.wait(0.5)
    text: str = caller.heard[0].text
    await caller.hears(text)
    return text


@virtual_time
async def test_a_menu_holds_through_a_silence_and_a_key_cuts_it_short(tmp_path: Path) -> None:
    menu = message(type="buttons", content=["sales", "support"])
    answers = menu, message(type="buttons", content=["sales", "support"]), saying(answer=ANSWER)
    async with talkr_gateway(tmp_path, *answers) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
        await caller.press("2")
        await gateway.asked(2)
        await caller.wait(1)
        await caller.press("1")
        await caller.hears(ANSWER)
    assert [body["message"] for body in gateway.bot.bodies[1:]] == ["support", "sales"]
    assert [word.whole for word in caller.heard] == [True, True, False, True]


@virtual_time
async def test_a_menu_without_a_retry_block_is_read_again(tmp_path: Path) -> None:
    menu = message(type="buttons", text="What is it about?", content=["sales", "support"])
    menu["data"]["responses"] = []
    async with talkr_gateway(tmp_path, menu, saying(answer=ANSWER)) as gateway, phone(gateway) as caller:
        read = await _menu_read(caller)
        await caller.hears(read)
        await caller.press("9")
        await caller.hears(ANSWER)
    assert caller.words == [read, read, ANSWER]
    assert gateway.bot.bodies[1]["message"] == "9"  # no such choice: the bot says what that means


@virtual_time
async def test_what_matches_no_button_is_sent_as_it_was_said(tmp_path: Path) -> None:
    menu = message(type="quick_replies", content=["sales", "support"])
    async with talkr_gateway(tmp_path, menu, saying(answer=ANSWER)) as gateway, typist(gateway) as caller:
        await caller.wait(1)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert gateway.bot.bodies[1]["message"] == "my words"


@on_each_line
@virtual_time
async def test_a_transfer_on_a_line_that_cannot_says_so_and_goes_on(dial: Any, tmp_path: Path) -> None:
    away = saying("I connect you.")
    away["data"]["messages"].append({"type": "transfer", "content": "sip:100@pbx"})
    parts = {"bot": {"allow_bot_transfer": True}, "number": {"transfer": {"allow": ["sip:*@pbx"]}}}
    async with talkr_gateway(tmp_path, away, saying(answer=ANSWER), **parts) as gateway, dial(gateway) as caller:
        await caller.hears("I connect you.")
        await caller.hears(own_words("transfer_failed"))
        await caller.wait(1)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert gateway.notes("transfer_refused") == [{"cause": "unsupported"}]
    turn = gateway.bot.bodies[1]
    assert (turn["message"], turn["session"], turn["tracking"]) == ("my words", "abc123...", "1")
    assert gateway.outcome == ("completed", "caller")


@pytest.mark.parametrize("allowed", [True, False], ids=["switch_on", "switch_off"])
@virtual_time
async def test_a_target_that_is_not_allowed_is_not_tried(allowed: bool, tmp_path: Path) -> None:
    away = saying("I connect you.")
    away["data"]["messages"].append({"type": "transfer", "content": "tel:+4412345"})
    parts = {"bot": {"allow_bot_transfer": allowed}, "number": {"transfer": {"allow": ["+33"]}}}
    async with talkr_gateway(tmp_path, away, **parts) as gateway, typist(gateway) as caller:
        await caller.hears("I connect you.")
        await caller.hears(AGAIN)
    assert gateway.notes("transfer_refused") == ([{"cause": "not_allowed"}] if allowed else [])


@pytest.mark.parametrize("allowed", [True, False], ids=["switch_on", "switch_off"])
@virtual_time
async def test_a_hangup_message_ends_the_call_after_its_words_where_allowed(allowed: bool, tmp_path: Path) -> None:
    bye = saying("Thank you.")
    bye["data"]["messages"].append({"type": "hangup", "content": "Goodbye."})
    async with talkr_gateway(tmp_path, bye, bot={"allow_bot_transfer": allowed}) as gateway, phone(gateway) as caller:
        await caller.hears("Goodbye.")
        if allowed:
            assert await caller.over() == near(caller.heard[-1].until)
        else:
            await caller.hears(AGAIN)
    assert gateway.outcome == (("completed", "bot") if allowed else ("abandoned", "caller"))


@virtual_time
async def test_a_recording_that_cannot_be_fetched_is_said_instead(tmp_path: Path) -> None:
    play = message(type="audio", content="https://media.example/hello.wav", alt_text="Hello by voice.")
    async with talkr_gateway(tmp_path, play) as gateway, phone(gateway) as caller:
        await caller.hears("Hello by voice.")
        await caller.hears(AGAIN)


@virtual_time
async def test_pictures_are_not_read_out(tmp_path: Path) -> None:
    picture = saying("Look.")
    picture["data"]["messages"].append({"type": "image", "content": "https://x.example/1.png"})
    async with talkr_gateway(tmp_path, picture) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == ["Look.", AGAIN]
    assert {"skipped_message": "image"} in gateway.notes("event")
