"""The messages between gateway and workers: whatever way the pipe tears them, they come out whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.speech.local.wire import HEADER, MAX_BODY, Kind, Message, Reader, WireError, json_to_wire, to_wire

messages = st.lists(
    st.builds(Message, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=8
)


@given(messages, st.lists(st.integers(0, 3000), max_size=6))
def test_messages_survive_any_cut(sent: list[Message], cuts: list[int]) -> None:
    data = b"".join(to_wire(message.kind, message.job, message.body) for message in sent)
    reader = Reader()
    received: list[Message] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        received += reader.feed(data[start:end])
    assert received == sent


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        for message in Reader().feed(data):
            assert isinstance(message.kind, Kind)
    except WireError:
        pass


def test_a_message_that_is_too_long_is_refused_before_it_is_there() -> None:
    with pytest.raises(WireError, match="longer"):
        Reader().feed(HEADER.pack(MAX_BODY + 1, Kind.RESULT, 1))


def test_json_comes_back_as_it_was() -> None:
    (message,) = Reader().feed(json_to_wire(Kind.RESULT, 7, {"text": "où ça ?", "final": True}))
    assert message.json() == {"text": "où ça ?", "final": True}


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(WireError, match=r"object|JSON"):
        Message(Kind.RESULT, 1, body).json()
