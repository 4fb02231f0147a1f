"""What a model's server sends, in every cut and shape, and what its words and tools come to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.actions import Action, Hangup, Listen, Menu, MenuOption, Say, SendDigits, SendLink, Transfer
from gateway.backends.openai.answers import Answer, Thoughts, ToolCall
from gateway.backends.openai.history import INTERRUPTED, History
from gateway.backends.openai.settings import OpenAiBotSection
from gateway.backends.openai.sse import MAX_EVENT_BYTES, EventReader, EventTooLong
from gateway.backends.openai.tools import ToolMisused, actions_of, ends_turn, offered
from gateway.errors import RemoteProtocolError
from gateway.kit.jsonbody import JsonRefused

# --- events ----------------------------------------------------------------------------------------------------------
STREAM = b': hello\n\nevent: x\ndata: {"a": 1}\n\ndata: two\ndata: lines\r\n\r\ndata:bare\r\rid: 7\n\ndata: last'


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_are_read_however_the_network_cuts_them(cuts: list[int]) -> None:
    reader, found = EventReader(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for place in range(len(edges) - 1):
        found += reader.feed(STREAM[edges[place] : edges[place + 1]])
    assert [*found, *reader.close()] == ['{"a": 1}', "two\nlines", "bare", "last"]


def test_an_event_has_an_end() -> None:
    with pytest.raises(EventTooLong):
        EventReader().feed(b"data: " + b"x" * MAX_EVENT_BYTES)


# --- words -----------------------------------------------------------------------------------------------------------
def chunk(**delta: Any) -> str:
    return json.dumps({"choices": [{"delta": delta, "finish_reason": None}]})


@given(st.integers(1, 9), st.sampled_from(["think", "THINK", "thinking"]))
def test_reasoning_is_never_said(size: int, tag: str) -> None:
    text = f"One <b> two. <{tag}>hm, 3 < 4 </x></{tag}>Three <"
    thoughts = Thoughts()
    said = "".join(thoughts.feed(text[start : start + size]) for start in range(0, len(text), size)) + thoughts.close()
    assert said == "One <b> two. Three <"


def test_reasoning_without_an_end_is_not_said_either() -> None:
    thoughts = Thoughts()
    assert thoughts.feed("Yes. <think>and now") + thoughts.close() == "Yes. "


def test_words_come_as_they_are_written() -> None:
    answer = Answer()
    said = [answer.feed(chunk(content=piece)) for piece in ("Hel", "lo.", None, [{"type": "text", "text": " You."}])]
    assert said == ["Hel", "lo.", "", " You."]
    assert answer.feed("[DONE]") == ""
    assert (answer.text, answer.is_over) == ("Hello. You.", True)


def test_tools_come_in_pieces_by_their_index() -> None:
    answer = Answer()
    for index, name in ((0, "a"), (1, "b")):
        function = {"name": name, "arguments": ""}
        answer.feed(chunk(tool_calls=[{"index": index, "id": f"id{index}", "function": function}]))
    for index, piece in ((1, '{"x"'), (0, "{}"), (1, ": 2}")):
        answer.feed(chunk(tool_calls=[{"index": index, "function": {"arguments": piece}}]))
    assert answer.tools == [ToolCall("id0", "a", "{}"), ToolCall("id1", "b", '{"x": 2}')]
    assert answer.tools[1].values() == {"x": 2}


def test_a_completion_in_one_piece() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    message = {"role": "assistant", "content": "Yes.", "tool_calls": [call]}
    answer = Answer()
    assert (
        answer.whole(json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode()) == "Yes."
    )
    assert answer.tools[0].values() == {}
    assert answer.finish == "tool_calls"


@pytest.mark.parametrize("arguments", ["[]", "5", "{", '{"a": NaN}'])
def test_arguments_that_are_no_object(arguments: str) -> None:
    with pytest.raises(JsonRefused):
        ToolCall("c", "f", arguments).values()


@pytest.mark.parametrize("data", ["{", "<html>", '{"error": {"message": "overloaded"}}', '{"error": "no"}'])
def test_an_error_in_the_middle(data: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Answer().feed(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "index", "function", "name", "arguments", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(VALUES)
def test_any_chunk_says_something_or_nothing(value: Any) -> None:
    answer = Answer()
    answer.feed(json.dumps(value))
    assert isinstance(answer.text, str)
    assert all(isinstance(tool.arguments, str) for tool in answer.tools)


# --- history ---------------------------------------------------------------------------------------------------------
def history(limit: int = 10_000) -> History:
    return History("Rules.", limit)


def spoken(history: History, text: str, turn: int) -> None:
    history.assistant("", turn)["content"] += text


def test_what_was_cut_off_was_never_said() -> None:
    it = history()
    it.user("Tell me.", 1)
    spoken(it, "This is first.  And this is second.", 1)
    it.heard(1, "This is first. And")
    assert it.messages()[-1] == {"role": "assistant", "content": f"This is first. And {INTERRUPTED}"}


def test_of_two_answers_of_a_turn_the_second_was_cut_off() -> None:
    it = history()
    spoken(it, "Let me look.", 1)
    spoken(it, "It is sunny.", 1)
    it.heard(1, "Let me look. It")
    assert [message["content"] for message in it.messages()[1:]] == ["Let me look.", f"It {INTERRUPTED}"]


def test_nothing_was_heard_of_either() -> None:
    it = history()
    spoken(it, "Let me look.", 1)
    spoken(it, "It is sunny.", 1)
    it.heard(1, "")
    assert [message["content"] for message in it.messages()[1:]] == [INTERRUPTED, INTERRUPTED]


def test_another_turns_words_stay() -> None:
    it = history()
    spoken(it, "One.", 1)
    spoken(it, "Two.", 2)
    it.heard(2, "")
    assert [message["content"] for message in it.messages()[1:]] == ["One.", INTERRUPTED]


def test_the_oldest_turns_are_left_out_as_wholes() -> None:
    it = history(limit=200)
    for turn in range(1, 5):
        it.user(f"question {turn}", turn)
        spoken(it, f"answer {turn}", turn)
    assert [message["content"] for message in it.messages()] == [
        "Rules.",
        "question 3",
        "answer 3",
        "question 4",
        "answer 4",
    ]


def test_the_last_turn_is_sent_however_long_it_is() -> None:
    it = history(limit=10)
    it.user("before", 1)
    it.user("a long question", 2)
    assert [message["content"] for message in it.messages()] == ["Rules.", "a long question"]


def test_a_tool_that_was_never_done_is_not_mentioned() -> None:
    it = history()
    call, other = ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}")
    made = it.assistant("Wait.", 1)
    made["tool_calls"] = [{"id": tool.id} for tool in (call, other)]
    it.tool(call, "done", 1)
    assert it.messages()[1]["tool_calls"] == [{"id": "c1"}]
    alone = history()
    alone.assistant("", 1)["tool_calls"] = [{"id": "c1"}]
    assert alone.messages() == [{"role": "system", "content": "Rules."}]


# --- tools -----------------------------------------------------------------------------------------------------------
EVERY = ("transfer_call", "end_call", "collect_digits", "offer_choices", "press_keys", "send_link")


def settings(**more: Any) -> OpenAiBotSection:
    base = {"model": "m", "instructions": "i", "tools": EVERY, "transfers": {"sales": "sip:100@pbx"}}
    return OpenAiBotSection.model_validate({**base, **more})


@pytest.mark.parametrize(
    ("name", "values", "actions", "ends"),
    [
        ("transfer_call", {"target": "sales"}, (Transfer(transfer_id="c", target="sip:100@pbx"),), True),
        ("end_call", {"reason": "x"}, (Hangup(),), True),
        (
            "collect_digits",
            {"prompt": "Key in."},
            (Say(text="Key in.", format="markdown"), Listen(kind="digits")),
            True,
        ),
        (
            "offer_choices",
            {"prompt": "Which?", "options": ["a", "b", "a", " ", 5]},
            (
                Menu(
                    menu_id="c", prompt="Which?", options=(MenuOption(id="a", label="a"), MenuOption(id="b", label="b"))
                ),
            ),
            True,
        ),
        ("press_keys", {"digits": "12#"}, (SendDigits(digits="12#"),), False),
        ("send_link", {"url": "https://a", "text": "t"}, (SendLink(url="https://a", text="t"),), False),
    ],
)
def test_what_a_tool_does(name: str, values: dict[str, Any], actions: tuple[Action, ...], ends: bool) -> None:
    call = ToolCall("c", name, json.dumps(values))
    assert actions_of(call, settings()) == actions
    assert ends_turn(call) is ends


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("transfer_call", '{"target": "x"}', "target must be one of sales"),
        ("transfer_call", "{}", "target must be a text"),
        ("offer_choices", '{"options": "x"}', "options must be a list"),
        ("collect_digits", "[", "cannot be read"),
        ("explode", "{}", "there is no tool explode"),
    ],
)
def test_a_tool_that_cannot_be_done_is_explained_to_the_model(name: str, arguments: str, said: str) -> None:
    with pytest.raises(ToolMisused, match=said):
        actions_of(ToolCall("c", name, arguments), settings())


def test_what_is_offered() -> None:
    tool = {"description": "Weather.", "url": "https://a", "parameters": {"type": "object"}}
    names = [it["function"]["name"] for it in offered(settings(http_tools={"weather": tool}))]
    assert names == [*EVERY, "weather"]
    assert "transfer_call" not in [it["function"]["name"] for it in offered(settings(transfers={}))]
    with pytest.raises(ValidationError, match="end_call is a tool of ours"):
        settings(http_tools={"end_call": tool})
