"""Asterisk's Manager Interface as bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.transports.asterisk.ami import MAX_LINE_BYTES, MAX_LINES, AmiReader, action

CAPTURED = (
    b"Asterisk Call Manager/11.0.0\r\n"
    b"Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n"
    b"Event: DialEnd\r\nPrivilege: call,all\r\nChannel: PJSIP/alice-00000001\r\nDestChannel: PJSIP/bob-00000002\r\n"
    b"DialStatus: ANSWER\r\n\r\n"
)
READ = [
    {"response": "Success", "actionid": "1", "message": "Authentication accepted"},
    {
        "event": "DialEnd",
        "privilege": "call,all",
        "channel": "PJSIP/alice-00000001",
        "destchannel": "PJSIP/bob-00000002",
        "dialstatus": "ANSWER",
    },
]


@given(st.lists(st.integers(0, len(CAPTURED)), max_size=8))
def test_messages_are_read_however_the_network_cuts_them(cuts: list[int]) -> None:
    reader, found = AmiReader(), []
    edges = [0, *sorted(cuts), len(CAPTURED)]
    for start, end in itertools.pairwise(edges):
        found += reader.feed(CAPTURED[start:end])
    assert found == READ


@given(st.binary(max_size=400))
def test_any_bytes_are_messages_or_a_protocol_error(data: bytes) -> None:
    reader = AmiReader()
    reader.feed(b"Asterisk Call Manager/9.0\r\n")
    for message in reader.feed(data):
        assert all(isinstance(key, str) for key in message)


def test_another_server_is_recognised_by_its_first_line() -> None:
    with pytest.raises(RemoteProtocolError, match="no manager interface"):
        AmiReader().feed(b"SSH-2.0-OpenSSH_9.9\r\n")


def test_neither_a_line_nor_a_message_grows_without_bounds() -> None:
    with pytest.raises(RemoteProtocolError, match="a line"):
        AmiReader().feed(b"x" * (MAX_LINE_BYTES + 1))
    reader = AmiReader()
    reader.feed(b"Asterisk Call Manager/9.0\r\n")
    with pytest.raises(RemoteProtocolError, match="a message"):
        reader.feed(b"a: b\r\n" * (MAX_LINES + 1))


def test_an_action_is_a_block_of_lines() -> None:
    assert action("Redirect", {"Channel": "PJSIP/alice-1", "Exten": "100"}, action_id="7") == (
        b"Action: Redirect\r\nActionID: 7\r\nChannel: PJSIP/alice-1\r\nExten: 100\r\n\r\n"
    )


@pytest.mark.parametrize("value", ["100\r\nAction: Originate", "100\n", "\x00", "a\x85b", "a\u2028b"])
def test_a_value_cannot_become_another_action(value: str) -> None:
    with pytest.raises(LocalProtocolError):
        action("Setvar", {"Value": value})
