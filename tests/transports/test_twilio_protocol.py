from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import DigitPressed, MarkReached
from gateway.transports.twilio.protocol import (
    MediaReceived,
    StreamStarted,
    StreamStopped,
    TwilioEvent,
    TwilioProtocol,
    UnknownMessage,
)
from tests.fakes.exchanges import exchanges, read_or_refuse

START = '{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1"}}'
CASES = exchanges("twilio")


def as_data(event: TwilioEvent | None) -> Any:
    match event:
        case None:
            return None
        case StreamStarted():
            return {"stream": asdict(event)}
        case MediaReceived():
            return {"media": {"payload": event.payload.hex(), "timestamp": event.timestamp}}
        case DigitPressed(digit=digit):
            return {"digit": digit}
        case MarkReached(mark_id=name):
            return {"mark": name}
        case StreamStopped():
            return {"stop": True}
        case UnknownMessage(name=name):
            return {"unknown": name}


def started() -> TwilioProtocol:
    protocol = TwilioProtocol()
    protocol.receive(START)
    return protocol


@pytest.mark.parametrize("case", CASES)
def test_recorded_exchange(case: str) -> None:
    protocol = TwilioProtocol()
    for step in CASES[case]:
        if step.get("refused"):
            with pytest.raises(RemoteProtocolError):
                protocol.receive(step["in"])
        else:
            assert as_data(protocol.receive(step["in"])) == step["says"]


@given(st.text() | st.binary())
def test_any_message_is_read_or_refused(message: str | bytes) -> None:
    for protocol in (TwilioProtocol(), started()):
        read_or_refuse(protocol.receive, message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("start", "media", "mark", "dtmf", "stop", "streamSid")
INNER = ("payload", "timestamp", "track", "name", "digit", "callSid", "mediaFormat", "customParameters", "sampleRate")


@given(
    st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "other"]),
    st.dictionaries(
        st.sampled_from(FIELDS), st.dictionaries(st.sampled_from(INNER), json_values, max_size=4) | json_values
    ),
)
def test_any_json_of_a_known_event_is_read_or_refused(event: str, fields: dict[str, object]) -> None:
    message = json.dumps({"event": event, **fields})
    for protocol in (TwilioProtocol(), started()):
        read_or_refuse(protocol.receive, message)


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    message = '{"event":"media","media":{"payload":"","timestamp":"%s"}}' % ("9" * 5000)
    with pytest.raises(RemoteProtocolError):
        started().receive(message)


@given(st.binary(max_size=4000))
def test_audio_survives_the_way_out_and_in(audio: bytes) -> None:
    protocol = started()
    event = protocol.receive(protocol.media(audio))
    assert isinstance(event, MediaReceived)
    assert event.payload == audio


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_marks_name_survives_the_way_out_and_in(name: str) -> None:
    protocol = started()
    assert protocol.receive(protocol.mark(name)) == MarkReached(mark_id=name)


def test_messages_out_are_those_of_the_documentation() -> None:
    protocol = started()
    assert json.loads(protocol.media(b"\xff\x7f")) == {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"payload": "/38="},
    }
    assert json.loads(protocol.mark("m1")) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "m1"}}
    assert json.loads(protocol.clear()) == {"event": "clear", "streamSid": "MZ1"}


def test_a_stream_id_that_needs_escaping_is_escaped() -> None:
    protocol = TwilioProtocol()
    protocol.receive(json.dumps({"event": "start", "start": {"streamSid": 'M"Z\\'}}))
    assert json.loads(protocol.media(b""))["streamSid"] == 'M"Z\\'


def test_nothing_goes_out_before_the_start() -> None:
    protocol = TwilioProtocol()
    for send in (lambda: protocol.media(b""), lambda: protocol.mark("m"), protocol.clear):
        with pytest.raises(LocalProtocolError):
            send()
