"""What a delivery of the bot's names, whatever it is made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.chatlayer.protocol import endpoint, message_digest, parse_delivery, without_prefix
from gateway.errors import RemoteProtocolError
from tests.fakes.chatlayer import VECTORS


def parsed(**body: Any) -> Any:
    return parse_delivery(json.dumps(body).encode())


@pytest.mark.parametrize("query", [None, {}])
def test_an_address_without_query_ends_with_its_path(query: dict[str, str] | None) -> None:
    assert endpoint("https://api.example", "bots", "a/b", query=query) == "https://api.example/api/bots/a%2Fb"


def test_a_query_is_encoded() -> None:
    assert (
        endpoint("https://api.example", "webview", query={"a": "b c&d"}) == "https://api.example/api/webview?a=b+c%26d"
    )


@pytest.mark.parametrize(("event", "told"), [("offload", "offload"), (None, ""), (3, "")])
def test_what_the_offloading_webhook_is_told_of(event: Any, told: str) -> None:
    assert parsed(event=event).event == told


def test_c3_c4_both_published_shapes() -> None:
    first, second = parsed(**VECTORS["webhook_text"]), parsed(**VECTORS["webhook_text_recipient"])
    assert (first.ids, first.counter, first.token) == (
        ("a7355930-fa92-11e7-8308-2f056e75d1ee",),
        1,
        "8wMsLZkdDPT64nqh",
    )
    whole = "default-b94215f0-0c7e-11ea-9c43-7174cba76asdfoijadsfoiadsiojadfiojasodijfb12"
    assert (second.ids, second.counter) == ((whole, whole.removeprefix("default-")), None)
    assert second.message == {"text": "test tekst message"}


def test_c4_whose_it_may_be_is_looked_up_in_this_order() -> None:
    names = ["a" * 32, "x-" + "b" * 32, "c" * 32, "d" * 32]
    found = parsed(conversationId=names[3], sender={"id": names[2]}, recipient={"id": names[1]}, senderId=names[0])
    assert found.ids == (*names, "b" * 32)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("default-" + "a" * 32, "a" * 32),
        ("default-" + "a" * 31, None),
        ("a7355930-fa92-11e7-8308-2f056e75d1ee", None),
        ("emulator-a7355930-fa92-11e7-8308-2f056e75d1ee", "a7355930-fa92-11e7-8308-2f056e75d1ee"),
        ("plain", None),
    ],
)
def test_c4_a_prefix_is_what_leaves_enough_of_an_id(name: str, rest: str | None) -> None:
    assert without_prefix(name) == rest


@pytest.mark.parametrize(
    ("written", "counter"),
    [
        (0, 0),
        (7, 7),
        ("7", 7),
        (7.0, 7),
        (1 << 53, 1 << 53),
        ((1 << 53) + 1, None),
        (-1, None),
        (7.5, None),
        (True, None),
        ("seven", None),
        ("9" * 17, None),
        (None, None),
        ([], None),
    ],
)
def test_c15_what_counts_as_a_counter(written: Any, counter: int | None) -> None:
    assert parsed(messageCounter=written).counter == counter


def test_c14_a_digest_knows_a_message_in_any_order_of_its_fields() -> None:
    one, same = parsed(message={"a": 1, "b": ["é"]}), parsed(message={"b": ["é"], "a": 1})
    assert one.digest == same.digest == message_digest({"a": 1, "b": ["é"]})
    assert len({message_digest({"text": text}) for text in ("a", "b", "A", "")}) == 4


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        found = parse_delivery(body)
    except RemoteProtocolError:
        return
    assert all(found.ids)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "intent", "name", "x"]), inner),
    max_leaves=8,
)
names = st.sampled_from(["senderId", "recipient", "sender", "message", "messageCounter", "verifyToken", "nlp"])


@given(st.dictionaries(names, values))
def test_any_object_is_a_delivery(body: dict[str, Any]) -> None:
    found = parsed(**body)
    assert isinstance(found.token, str)
    assert found.message is None or isinstance(found.message, dict)
    assert found.digest


@pytest.mark.parametrize(("digits", "counter"), [("9" * 15, 10**15 - 1), ("1" * 16, None)])
def test_a_counter_in_quotes_is_one_up_to_fifteen_digits(digits: str, counter: int | None) -> None:
    assert parsed(messageCounter=digits).counter == counter
