"""What a webhook's answer and a request to the API URL are read as, and what exactly is said of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.backends.userlike.protocol import (
    Event,
    Unreadable,
    context_bytes,
    read_answer,
    read_event,
    read_request,
    request_body,
    text_payload,
    too_long,
)
from gateway.backends.userlike.triggers import End, Media, Message

END = {"info": {"cid": "C"}, "packet": {"name": "end", "payload": {}}}
NOTHING = [b"", b" \n" * 200, b"null", b"[]", b"{}", b"[null, {}, []]", b"true", b"42", b'"done"', b"OK", b"O" * 100]
NO_EVENTS = [b"O" * 101, b"<html>", b" <p>", b"{", b" [", b'{"info": ', b"\xff" * 101]


# --- bodies ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", NOTHING)
def test_ul22_an_answer_without_events(body: bytes):
    assert read_answer(body) == []


@pytest.mark.parametrize("body", NO_EVENTS)
def test_ul22_an_answer_that_is_neither_events_nor_nothing(body: bytes):
    with pytest.raises(Unreadable):
        read_answer(body)


@pytest.mark.parametrize(("value", "count"), [(END, 1), ([END], 1), ([END, None, END], 2), ([END, 3, {}], 2)])
def test_ul23_an_object_or_a_list_of_them(value: Any, count: int):
    for read in (read_answer, read_request):
        assert len(read(json.dumps(value).encode())) == count


@pytest.mark.parametrize("body", [b"", b"OK", b"[]", b"{}", b"null", b"[{}, null]", *NO_EVENTS])
def test_u9_a_request_has_at_least_one_event(body: bytes):
    with pytest.raises(Unreadable) as refused:
        read_request(body)
    assert str(refused.value)
    if body in (b"[]", b"{}", b"null", b"[{}, null]"):
        assert str(refused.value) == "there is no event"


# --- one event -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("item", [3, "end", [END], True])
def test_an_event_is_an_object(item: Any):
    assert read_event(item) == Event(name="", problem="an event is an object")


@pytest.mark.parametrize("packet", [None, [], {}, {"name": None}, {"name": ""}, {"name": 3}, {"name": ["end"]}])
def test_an_event_has_a_name(packet: Any):
    read = read_event({"info": {"cid": "C", "context": {"a": 1}}, "packet": packet})
    assert read == Event(name="", cid="C", context={"a": 1}, problem="packet.name is missing")


@pytest.mark.parametrize(
    ("cid", "read_as"), [("C", "C"), ("", None), (None, None), (3, None), (["C"], None), ({"cid": "C"}, None)]
)
def test_a_cid_is_a_text(cid: Any, read_as: str | None):
    assert read_event({"info": {"cid": cid}, "packet": {"name": "end"}}) == Event(
        name="end", cid=read_as, trigger=End()
    )


@pytest.mark.parametrize("info", [None, [], "C", {}])
def test_an_info_that_is_none_is_empty(info: Any):
    assert read_event({"info": info, "packet": {"name": "end"}}) == Event(name="end", trigger=End())


@pytest.mark.parametrize("payload", [None, [], "x", 3])
def test_a_payload_that_is_no_object_is_empty(payload: Any):
    for name, problem in (("end", None), ("message", "message: body is missing")):
        read = read_event({"info": {}, "packet": {"name": name, "payload": payload}})
        assert (read.name, read.problem, read.trigger is None) == (name, problem, problem is not None)


def test_an_unknown_name_is_quoted_in_part():
    read = read_event({"info": {}, "packet": {"name": "x" * 500}})
    assert (read.name, read.trigger) == ("x" * 500, None)
    assert read.problem == "x" * 40 + ": unknown event name"


# --- contexts --------------------------------------------------------------------------------------------------------
def with_context(context: Any) -> Event:
    return read_event({"info": {"context": context}, "packet": {"name": "end"}})


@pytest.mark.parametrize("context", [None, {}])
def test_ul44_an_empty_context_leaves_the_old_one(context: Any):
    read = with_context(context)
    assert read == Event(name="end", trigger=End())
    assert (read.context, read.is_context_too_big, read.oddities) == (None, False, ())


@pytest.mark.parametrize("context", [[], [1], "state", 0, 3, False, True])
def test_ul44_a_context_that_is_no_object_is_noted(context: Any):
    odd = Event(name="end", trigger=End(), oddities=("info.context is no object, and was ignored",))
    assert with_context(context) == odd


def test_u10_a_context_is_measured_as_compact_json_in_utf_8():
    assert context_bytes({}) == 2
    assert context_bytes({"a": 1, "b": [1, 2]}) == len('{"a":1,"b":[1,2]}')
    assert context_bytes({"k": "ü"}) == len('{"k":""}') + 2
    full = {"k": "x" * (10_240 - len('{"k":""}'))}
    assert with_context(full) == Event(name="end", trigger=End(), context=full)
    too_big = with_context({"k": full["k"] + "x"})
    assert too_big == Event(name="end", trigger=End(), is_context_too_big=True)


# --- lengths, and what we send ---------------------------------------------------------------------------------------
def test_u14_a_message_has_5000_characters_at_most():
    assert not too_long(Event(name="message", trigger=Message(text="ü" * 5000)))
    assert too_long(Event(name="message", trigger=Message(text="ü" * 5001)))
    assert not too_long(Event(name="media", trigger=Media(link="x" * 6000)))
    assert not too_long(Event(name="message"))


def test_ul06_a_request_is_the_info_and_the_packet():
    body = request_body({"cid": "C"}, "message", text_payload("hello"))
    assert body == {"info": {"cid": "C"}, "packet": {"name": "message", "payload": {"body": "hello"}}}
    assert request_body({}, "start", {}) == {"info": {}, "packet": {"name": "start", "payload": {}}}
