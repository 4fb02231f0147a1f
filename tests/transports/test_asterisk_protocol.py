from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError, Unwelcome
from gateway.events import DigitPressed, MarkReached
from gateway.transports.asterisk.protocol import (
    AsteriskEvent,
    AsteriskProtocol,
    Complaint,
    MediaStarted,
    QueueEased,
    QueueFilled,
    UnknownMessage,
)
from tests.fakes.exchanges import exchanges, read_or_refuse

JSON_START = '{"event":"MEDIA_START","connection_id":"b","channel_id":"1.2","format":"ulaw","optimal_frame_size":160}'
PLAIN_START = "MEDIA_START connection_id:b channel:c channel_id:1.2 format:ulaw optimal_frame_size:160 ptime:20"
OLD_START = "MEDIA_START connection_id:b channel:c format:ulaw optimal_frame_size:160 ptime:20"
CASES = exchanges("asterisk")


def as_data(event: AsteriskEvent) -> Any:
    match event:
        case MediaStarted(format=format):
            return {"start": {**asdict(event), "format": f"{format.encoding} {format.rate}"}}
        case DigitPressed(digit=digit):
            return {"digit": digit}
        case MarkReached(mark_id=name):
            return {"mark": name}
        case QueueFilled():
            return {"xoff": True}
        case QueueEased():
            return {"xon": True}
        case Complaint(text=text):
            return {"complaint": text}
        case UnknownMessage(name=name):
            return {"unknown": name}
        case _:
            return {"audio": event}


def started(start: str = JSON_START) -> AsteriskProtocol:
    protocol = AsteriskProtocol()
    protocol.receive(start)
    return protocol


@pytest.mark.parametrize("case", CASES)
def test_recorded_exchange(case: str) -> None:
    protocol = AsteriskProtocol()
    for step in CASES[case]:
        if step.get("refused"):
            with pytest.raises(RemoteProtocolError):
                protocol.receive(step["in"])
        else:
            assert as_data(protocol.receive(step["in"])) == step["says"]


@pytest.mark.parametrize("format", ["opus", "g722", "slin48", ""])
def test_a_format_that_is_not_spoken_names_the_change_to_the_dialplan(format: str) -> None:
    start = {"event": "MEDIA_START", "format": format, "optimal_frame_size": 160}
    with pytest.raises(Unwelcome) as refusal:
        AsteriskProtocol().receive(json.dumps(start))
    assert "c(ulaw)" in refusal.value.hint
    assert len(refusal.value.hint) <= 123


@given(st.text() | st.binary())
def test_any_message_is_read_or_refused(message: str | bytes) -> None:
    for protocol in (AsteriskProtocol(), started(), started(PLAIN_START), started(OLD_START)):
        read_or_refuse(protocol.receive, message)


WORDS = ["MEDIA_START", "DTMF_END", "MEDIA_MARK_PROCESSED", "ERROR", "STATUS", "digit:", "format:ulaw", "format:", ":"]
WORDS += ["optimal_frame_size:160", "optimal_frame_size:-1", "channel_id:1:2", "channel_variables:x", "event:y", ""]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=8))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    for protocol in (AsteriskProtocol(), started(PLAIN_START)):
        read_or_refuse(protocol.receive, " ".join(words))


@given(
    st.sampled_from(["MEDIA_START", "DTMF_END", "MEDIA_MARK_PROCESSED", "ERROR", "MEDIA_XOFF"]),
    st.dictionaries(
        st.sampled_from(["format", "optimal_frame_size", "digit", "correlation_id", "channel_variables", "channel_id"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    ),
)
def test_any_json_of_a_known_event_is_read_or_refused(event: str, fields: dict[str, object]) -> None:
    for protocol in (AsteriskProtocol(), started()):
        read_or_refuse(protocol.receive, json.dumps({"event": event, **fields}))


def test_media_is_passed_on_as_it_came_once_the_channel_has_started() -> None:
    with pytest.raises(RemoteProtocolError):
        AsteriskProtocol().receive(b"\xff" * 160)
    assert started().receive(b"\xff" * 33) == b"\xff" * 33


def test_half_a_sample_is_refused() -> None:
    protocol = started(JSON_START.replace("ulaw", "slin"))
    with pytest.raises(RemoteProtocolError):
        protocol.receive(b"\0" * 319)


def test_commands_are_written_as_the_peer_speaks() -> None:
    in_json, plain, old = started(), started(PLAIN_START), started(OLD_START)
    assert json.loads(in_json.answer()) == {"command": "ANSWER"}
    assert json.loads(in_json.hang_up()) == {"command": "HANGUP"}
    assert json.loads(in_json.flush()) == {"command": "FLUSH_MEDIA"}
    assert [json.loads(text) for text in in_json.mark("m1")] == [{"command": "MARK_MEDIA", "correlation_id": "m1"}]
    assert (plain.answer(), plain.hang_up(), plain.flush()) == ("ANSWER", "HANGUP", "FLUSH_MEDIA")
    assert plain.mark("m1") == ("MARK_MEDIA m1",)
    assert old.mark("m1") == ("START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING m1")


@given(st.text(max_size=150), st.sampled_from([JSON_START, PLAIN_START, OLD_START]))
def test_a_command_is_short_enough_or_refused(name: str, start: str) -> None:
    try:
        commands = started(start).mark(name)
    except LocalProtocolError:
        return
    assert all(len(command.encode()) <= 128 for command in commands)


def test_an_id_of_36_characters_fits_everywhere() -> None:
    name = "0" * 36
    for start in (JSON_START, PLAIN_START, OLD_START):
        assert started(start).mark(name)


def test_nothing_goes_out_before_the_start() -> None:
    with pytest.raises(LocalProtocolError):
        AsteriskProtocol().hang_up()
