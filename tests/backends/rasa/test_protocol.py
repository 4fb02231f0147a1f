"""Rasa's channels without a socket."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.rasa.protocol import (
    Button,
    Lines,
    Response,
    at_path,
    call_metadata,
    events_url,
    input_metadata,
    message_body,
    parse_answer,
    read_responses,
    recipient_of,
    request_headers,
    slot_events,
    webhook_url,
)
from gateway.backends.rasa.settings import RasaBotSection
from gateway.caller_events import CallStarted, UserChoice, UserDigits, UserText
from gateway.events import CallInfo
from gateway.kit.jsonbody import JsonRefused

URL = "https://rasa.example.com"
ANSWER = [
    {"recipient_id": "c1", "text": "Which size?", "buttons": [{"title": "small", "payload": '/choose{"size":"s"}'}]},
    {"recipient_id": "c1", "image": "https://example.com/a.png"},
    {"recipient_id": "c1", "custom": {"hangup": True}},
]
READ = [
    Response(text="Which size?", buttons=(Button("small", '/choose{"size":"s"}'),)),
    Response(image="https://example.com/a.png"),
    Response(custom={"hangup": True}),
]


def section(**settings: Any) -> RasaBotSection:
    return RasaBotSection.model_validate({"url": URL, **settings})


# --- out -----------------------------------------------------------------------------------------------------------
def test_addresses_name_channel_stream_and_token() -> None:
    assert webhook_url(section(url=URL + "/")) == URL + "/webhooks/rest/webhook"
    assert webhook_url(section(stream=True, token="a&b")) == URL + "/webhooks/rest/webhook?stream=true&token=a%26b"
    by_callback = section(channel="callback", callback_token="x" * 16)
    assert webhook_url(by_callback) == URL + "/webhooks/callback/webhook"
    assert events_url(section(token="t"), "a/b") == URL + "/conversations/a%2Fb/tracker/events?token=t"
    assert request_headers(section()) == {}
    assert request_headers(section(bearer="jwt")) == {"Authorization": "Bearer jwt"}


def test_a_message_has_sender_words_and_what_is_known() -> None:
    assert message_body("c1", "x" * 5000, {}) == {"sender": "c1", "message": "x" * 4000}
    assert message_body("c1", "hello", {"from": "+33"})["metadata"] == {"from": "+33"}


def test_what_is_known_of_the_call_leaves_out_what_is_not() -> None:
    call = CallInfo(call_id="c1", caller="+33", custom={"order": "7"})
    assert call_metadata(call) == {
        "call_id": "c1",
        "from": "+33",
        "direction": "inbound",
        "custom": {"order": "7"},
    }


def test_what_is_known_of_an_input() -> None:
    assert input_metadata(UserText(turn=1, text="a", confidence=0.5, barged_in=True)) == {
        "input": "speech",
        "confidence": 0.5,
        "barged_in": True,
    }
    choice = UserChoice(turn=1, menu_id="m", option_id="1", label="a", source="digits")
    assert input_metadata(choice) == {"input": "digits", "barged_in": False}
    assert input_metadata(UserDigits(turn=1, digits="1")) == {"input": "digits", "barged_in": False}
    assert input_metadata(CallStarted()) == {}


def test_slots_are_events() -> None:
    settings = section(slots={"phone": "{from}", "door": "line {line}"})
    assert slot_events(settings, CallInfo(call_id="c1", caller="+33", line="pbx")) == [
        {"event": "slot", "name": "phone", "value": "+33"},
        {"event": "slot", "name": "door", "value": "line pbx"},
    ]


# --- in ------------------------------------------------------------------------------------------------------------
def test_an_answer_is_a_list_of_responses() -> None:
    assert parse_answer(json.dumps(ANSWER).encode()) == READ
    assert parse_answer(b"[]") == parse_answer(b" \n") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": " a "}, [Response(text="a")]),
        (["a", None, 3, {"text": 5}], [Response(text="a"), Response(text="5")]),
        ({"text": ["a"], "buttons": "b", "custom": {}, "attachment": ""}, [Response()]),
        (None, []),
        (7, []),
        (
            {"buttons": [{"title": "a"}, {"payload": "b"}, {"payload": "/c"}, "d", {"title": {}}, 1]},
            [Response(buttons=(Button("a", "a"), Button("b", "b"), Button("d", "d"), Button("1", "1")))],
        ),
        ([{"text": "a"}] * 60, [Response(text="a")] * 50),
    ],
)
def test_answers_are_read_liberally(value: Any, expected: list[Response]) -> None:
    assert read_responses(value) == expected


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100, b'{"text": NaN}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(JsonRefused):
        parse_answer(body)


def test_whose_a_callback_is() -> None:
    assert recipient_of({"recipient_id": "c1"}) == recipient_of([{"recipient_id": "c1"}]) == "c1"
    assert recipient_of({"recipient_id": None}) == recipient_of([]) == recipient_of("c1") == ""


def test_a_path_leads_through_objects_alone() -> None:
    assert at_path({"a": {"b": 0}}, "a.b") == 0
    assert at_path({"a": [1]}, "a.b") is None
    assert at_path("a", "a") is None
    assert at_path({"a": 1}, None) is None


@given(
    cuts=st.lists(st.integers(0, 400), max_size=30),
    whole=st.booleans(),
    ends=st.booleans(),
    named=st.booleans(),
)
def test_a_stream_may_be_cut_anywhere(cuts: list[int], whole: bool, ends: bool, named: bool) -> None:
    if whole:
        body = json.dumps(ANSWER, indent=1).encode()
    else:
        name = "data: " if named else ""
        body = "\n".join(name + json.dumps(response) for response in ANSWER).encode() + b"\n" * ends
    lines, found = Lines(), []
    places = [0, *sorted(cuts), len(body)]
    for start, end in itertools.pairwise(places):
        found += lines.feed(body[start:end])
    assert found + lines.end() == READ


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_stream_is_read_or_refused(body: bytes, cut: int) -> None:
    lines = Lines()
    try:
        found = [*lines.feed(body[:cut]), *lines.feed(body[cut:]), *lines.end()]
    except JsonRefused:
        return
    assert all(isinstance(response, Response) for response in found)


# --- settings ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "settings",
    [
        {"url": "rasa.example.com"},
        {"channel": "callback"},
        {"channel": "callback", "callback_token": "short"},
        {"channel": "callback", "callback_token": "x" * 16, "stream": True},
        {"slots": {"phone": "{caller}"}},
        {"slots": {"phone": "{from"}},
        {"custom": {"hangup": "a..b"}},
        {"no_input_mesage": "/x"},
    ],
)
def test_mistakes_are_found(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        section(**settings)
