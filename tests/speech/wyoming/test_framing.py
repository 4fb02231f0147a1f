"""Wyoming's framing: what is written is read, however it is cut, and anything else is refused."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.errors import RemoteProtocolError
from gateway.speech.wyoming.framing import MAX_JSON_BYTES, Event, EventReader, encode
from gateway.speech.wyoming.settings import WyomingSpeechSection

DATA = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))
EVENTS = st.builds(Event, st.text(), DATA, st.binary())


@given(st.lists(EVENTS, max_size=4), st.lists(st.integers(0), max_size=8))
def test_events_are_read_however_they_are_cut(events: list[Event], places: list[int]) -> None:
    wire = b"".join(map(encode, events))
    edges = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    reader = EventReader()
    read = [event for start, end in itertools.pairwise(edges) for event in reader.feed(wire[start:end])]
    assert read == events
    assert reader.is_between_events


@given(st.binary() | st.binary().map(lambda data: b'{"type": "x", "data_length": 3}\n' + data))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert all(isinstance(event.type, str) for event in EventReader().feed(data))


def test_data_of_the_line_and_after_it_are_one() -> None:
    wire = b'{"type": "info", "data": {"a": 1, "b": 1}, "data_length": 8, "payload_length": null}\n{"b": 2}'
    assert EventReader().feed(wire) == [Event("info", {"a": 1, "b": 2})]


@pytest.mark.parametrize(
    "wire",
    [
        b"[]\n",
        b"{}\n",
        b'{"type": "x", "data_length": -1}\n',
        b'{"type": "x", "data_length": 2000000}\n',
        b'{"type": "x", "data_length": "3"}\n',
        b'{"type": "x", "data": [1]}\n',
        b'{"type": "x", "data_length": 2}\n[]',
        b" " * (MAX_JSON_BYTES + 1),
    ],
)
def test_what_is_no_event_is_refused(wire: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        EventReader().feed(wire)


@pytest.mark.parametrize("entry", [{}, {"url": "http://a:1"}, {"url": "tcp://a"}, {"speak_url": "unix:"}])
def test_an_entry_needs_an_address(entry: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        WyomingSpeechSection.model_validate(entry)


def test_a_socket_of_this_machine_is_an_address() -> None:
    assert WyomingSpeechSection(url="unix:///run/piper.sock").url == "unix:///run/piper.sock"
