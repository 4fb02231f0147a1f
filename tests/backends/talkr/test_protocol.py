"""What an answer makes the gateway do, and what goes back to the bot, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.actions import Action, Fail, Hangup, Listen, Record, Release, Say
from gateway.backends.talkr.protocol import (
    State,
    adopt,
    interpret,
    is_session_lost,
    prompt_heard,
    silence_is_news,
    turn_body,
)
from gateway.backends.talkr.reply import Reply, parse_reply
from gateway.backends.talkr.settings import TalkrBotSection
from tests.fakes.chatting import of
from tests.fakes.talkr import listening

SETTINGS = TalkrBotSection(url="http://bot.example/")
TELLS = TalkrBotSection(url="http://bot.example/", send_no_input=True)
FOLLOWS = TalkrBotSection(url="http://bot.example/", retry_tracking="spoken")


def parse(**body: Any) -> Reply:
    return parse_reply(json.dumps(body).encode())


def answer(text: str = "Hello.", **data: Any) -> Reply:
    return parse(data={"messages": [text], **data})


def after(*replies: Reply, settings: TalkrBotSection = SETTINGS) -> tuple[State, tuple[Action, ...]]:
    """The state and the last actions after these answers."""
    state, actions = State(), ()
    for turn, reply in enumerate(replies):
        state, actions = interpret(reply, state, settings, turn)
    return state, actions


def listened(*replies: Reply, settings: TalkrBotSection = SETTINGS) -> Listen:
    return listening(after(*replies, settings=settings)[1])


# --- answers -------------------------------------------------------------------------------------------------------
def test_speech_comes_first_and_listening_after_it():
    _, actions = after(answer())
    assert [type(action) for action in actions] == [Say, Listen]


def test_nobody_listens_after_hanging_up():
    leaving = answer(messages=[{"type": "hangup", "content": "Bye."}])
    allowed = TalkrBotSection(url="http://bot.example/", allow_bot_transfer=True)
    _, actions = after(leaving, settings=allowed)
    assert [type(action) for action in actions] == [Say, Hangup]
    assert of(Listen, after(leaving)[1])


@pytest.mark.parametrize(
    "data",
    [
        {"messages": [{"type": "audio", "url": "https://x.example/a.mp3"}]},
        {"messages": [{"type": "buttons", "buttons": ["A"]}]},
        {"messages": [{"type": "transfer", "target": "100"}]},
        {"messages": [{"type": "hangup"}]},
    ],
)
def test_what_is_no_silence(data: dict[str, Any]):
    allowed = TalkrBotSection(url="http://bot.example/", allow_bot_transfer=True)
    reply = parse(data=data, variables={"error": "oops"})
    state, actions = after(parse(), reply, settings=allowed)
    assert state.silent == 0
    assert not of(Fail, actions)


def test_an_answer_that_only_reports_an_error_is_no_further_silence():
    broken = parse(variables={"error": "oops"})
    state, actions = after(parse(), broken)
    assert state.silent == 1
    assert [fail.kind for fail in of(Fail, actions)] == ["protocol"]
    state, actions = after(parse(), parse(), parse(), broken)
    assert (len(of(Fail, actions)), of(Release, actions)) == (1, [])


def test_a_fourth_silent_answer_still_loses_the_caller():
    assert of(Release, after(*[parse()] * 4)[1]) == [Release(policy="failed")]


def test_an_error_is_recorded_only_so_far():
    _, actions = after(parse(variables={"error": "x" * 2000}))
    assert Record(kind="event", data={"bot_error": "x" * 1000}) in actions


# --- the record ----------------------------------------------------------------------------------------------------
def test_tk27_what_the_record_gets():
    full = parse(name="Bot", code=200, language={"slug": "FR"}, variables={"n": 3}, build="7")
    (record,) = of(Record, after(full)[1])
    assert record == Record(
        kind="variables",
        data={"name": "Bot", "code": 200, "language": "FR", "variables": {"n": 3}, "other": {"build": "7"}},
    )


def test_tk27_what_says_nothing_is_not_recorded_and_news_are():
    assert of(Record, after(answer())[1]) == []
    changed = [parse(variables={"n": n}) for n in (1, 1, 2)]
    recorded = [of(Record, after(*changed[:count])[1]) for count in (1, 2, 3)]
    assert recorded == [
        [Record(kind="variables", data={"variables": {"n": 1}})],
        [],
        [Record(kind="variables", data={"variables": {"n": 2}})],
    ]
    assert of(Record, after(changed[0], answer())[1]) == []


# --- silence -------------------------------------------------------------------------------------------------------
def test_retry_prompts_in_their_richest_form():
    def form(*contents: str) -> str:
        return listened(answer(responses=[{"content": content} for content in contents])).no_input_format

    assert form("<speak>Hi</speak>", "<b>Hi</b>") == "ssml"
    assert form("<b>Hi</b>", "Hi *there*") == "html"
    assert form("Hi *there*") == "markdown"
    assert form("") == listened(answer()).no_input_format


def test_ten_retry_prompts_at_most_and_blank_ones_repeat_the_answer():
    many = answer(responses=[{"content": f"{n}?"} for n in range(12)])
    assert listened(many).no_input_prompts == tuple(f"{n}?" for n in range(10))
    assert len(after(many)[0].prompts) == 10
    assert listened(answer(responses=[{"content": " {name} "}, {"content": "Well?"}])).no_input_prompts == ("", "Well?")


def test_the_bot_is_told_of_silence_in_each_new_block():
    first, again, second = answer(object_id="1"), answer(object_id="1"), answer(object_id="2")
    state, _ = after(first, settings=TELLS)
    told = State(block="1", told="1")
    assert silence_is_news(state, TELLS)
    assert not silence_is_news(state, SETTINGS)
    assert not silence_is_news(told, TELLS)
    assert not silence_is_news(interpret(again, told, TELLS, 1)[0], TELLS)
    assert silence_is_news(interpret(second, told, TELLS, 1)[0], TELLS)
    back, _ = interpret(first, interpret(second, told, TELLS, 1)[0], TELLS, 2)
    assert silence_is_news(back, TELLS)  # a block the bot comes back to is a new visit
    assert not silence_is_news(interpret(answer(), told, TELLS, 1)[0], TELLS)  # names no block: still the same one


BLOCKS = [{"content": "Once more?", "tracking": "1"}, {"content": "Are you there?", "tracking": "2"}]


def heard(*words: str, settings: TalkrBotSection = FOLLOWS, blocks: Any = BLOCKS) -> State:
    state, _ = after(answer(responses=blocks))
    for said in words:
        state = prompt_heard(state, said, settings)
    return state


def test_a_retry_prompt_takes_its_tracking_along_when_its_turn_has_come():
    assert heard().tracking == "1"
    assert heard("Are you there?").tracking == "1"  # the second is not due before the first
    assert heard("once  MORE").tracking == "1"
    assert heard("Once more?", "Are you").tracking == "2"
    assert heard("Once more?", "Are you there?", "Are you there?").tracking == "2"
    assert heard("Once more?", "Are you there?", settings=SETTINGS).tracking == "1"
    assert heard("Once more?", "Are you there?", settings=SETTINGS).spoken == 2


@pytest.mark.parametrize("words", ["", " ", "?!", "there", "Hello."])
def test_what_is_no_retry_prompt_changes_nothing(words: str):
    assert heard(words) == heard()


def test_retry_prompts_without_a_tracking_keep_the_one_there_is():
    blank = [{"content": "Once more?", "tracking": " "}, {"content": "Still there?", "tracking": "2"}]
    assert heard("Once more?", blocks=blank).tracking == "2"
    assert heard("Once more?", blocks=[{"content": "Once more?"}]).tracking == ""
    assert heard("Once more?", blocks=[]) == heard(blocks=[])


def test_a_new_answer_begins_with_its_first_retry_prompt():
    state, _ = interpret(answer(responses=BLOCKS), heard("Once more?", "Are you there?"), SETTINGS, 1)
    assert (state.spoken, state.tracking) == (0, "1")


# --- sessions ------------------------------------------------------------------------------------------------------
def test_what_an_answer_does_not_name_stays():
    state, _ = after(parse(session="s", data={"responses": BLOCKS}), answer())
    assert (state.session, state.tracking, state.block, state.prompts) == ("s", "1", "1", ())


def test_a_new_session_begins_anew_but_for_what_belongs_to_the_call():
    old = State(session="old", tracking="9", block="9", told="9", silent=2, kept={"name": "Bot"}, regions={"en": "US"})
    state, actions = adopt(parse(session="new", name="Bot", language="EN", data={"messages": ["Welcome."]}), old)
    assert (state.session, state.tracking, state.block, state.told) == ("new", "", "", None)
    assert (state.silent, state.kept, state.regions) == (2, {"name": "Bot", "language": "EN"}, {"en": "US"})
    assert [type(action).__name__ for action in actions] == ["Record", "SetSpeech"]


@pytest.mark.parametrize(
    ("error", "is_lost"), [("Unknown SESSION", True), ("no such bot", False), (None, False), ("", False)]
)
def test_an_error_that_names_the_session(error: str | None, is_lost: bool):
    assert is_session_lost(parse(variables={"error": error})) is is_lost


def test_tk12_the_words_stand_twice_in_what_is_sent_and_no_variable_replaces_them():
    body = turn_body(State(session="s", tracking="t"), "hello", {"userresponse": "other", "x": 1}, "tel:+33")
    assert body == {
        "message": "hello",
        "session": "s",
        "tracking": "t",
        "variables": {"userresponse": "hello", "x": 1},
        "currentUrl": "tel:+33",
    }
