from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caller.peer import Cleared, Complained, MarkAnswered, MarkAsked
from gateway.caller.twilio import TwilioPeer


def started(**parameters: str) -> TwilioPeer:
    peer = TwilioPeer(parameters)
    peer.start(100.0)
    peer.take_messages()
    return peer


def say(peer: TwilioPeer, event: str, now: float, **body: object) -> None:
    peer.receive(json.dumps({"event": event, "streamSid": peer.stream_sid, **body}), now)


def media(peer: TwilioPeer, size: int, now: float) -> None:
    say(peer, "media", now, media={"payload": base64.b64encode(b"\x55" * size).decode()})


def mark(peer: TwilioPeer, name: str, now: float) -> None:
    say(peer, "mark", now, mark={"name": name})


def returned(peer: TwilioPeer) -> list[str]:
    messages = [json.loads(message) for message in peer.take_messages()]
    return [message["mark"]["name"] for message in messages if message["event"] == "mark"]


def test_it_begins_as_documented() -> None:
    peer = TwilioPeer({"from": "+33612345678"}, call_sid="CA1")
    peer.start(100.0)
    connected, start = (json.loads(message) for message in peer.take_messages())
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start["start"]["customParameters"] == {"from": "+33612345678"}
    assert start["start"]["callSid"] == "CA1"
    assert start["sequenceNumber"] == "1"
    assert start["streamSid"] == start["start"]["streamSid"] == peer.leg_id


def test_audio_goes_out_in_20_ms_with_counting_numbers_and_time_stamps() -> None:
    peer = started()
    peer.audio(bytes(400), 100.05)
    peer.audio(bytes(160), 100.07)
    peer.audio(bytes(160), 103.0)
    messages = [json.loads(message) for message in peer.take_messages()]
    assert [message["sequenceNumber"] for message in messages] == ["2", "3", "4", "5", "6"]
    assert [message["media"]["chunk"] for message in messages] == ["1", "2", "3", "4", "5"]
    assert [message["media"]["timestamp"] for message in messages] == ["0", "20", "40", "50", "3000"]
    assert [len(base64.b64decode(message["media"]["payload"])) for message in messages] == [160, 160, 80, 160, 160]


def test_a_mark_returns_when_what_is_before_it_has_been_played() -> None:
    peer = started()
    media(peer, 8000, 101.0)
    mark(peer, "a", 101.1)
    assert peer.next_due() == 102.0
    peer.advance(101.9)
    assert returned(peer) == []
    peer.advance(102.0)
    assert returned(peer) == ["a"]
    assert peer.next_due() is None
    assert peer.take_events() == [MarkAsked("a", 101.1), MarkAnswered("a", 102.0)]


def test_a_mark_on_an_empty_buffer_returns_at_once() -> None:
    peer = started()
    mark(peer, "a", 101.0)
    assert returned(peer) == ["a"]


def test_a_clear_drops_what_was_not_played_and_returns_the_marks() -> None:
    peer = started()
    media(peer, 16000, 101.0)
    mark(peer, "a", 101.0)
    mark(peer, "b", 101.0)
    say(peer, "clear", 101.5)
    assert returned(peer) == ["a", "b"]
    assert peer.take_events()[2:] == [
        Cleared(101.5, 1.5),
        MarkAnswered("a", 101.5, cleared=True),
        MarkAnswered("b", 101.5, cleared=True),
    ]
    assert [len(piece.data) for piece in peer.ear.heard()] == [4000]


def test_more_than_ten_minutes_are_dropped() -> None:
    peer = started()
    for _ in range(62):
        media(peer, 80_000, 101.0)
    complaints = [event for event in peer.take_events() if isinstance(event, Complained)]
    assert len(complaints) == 1
    assert "31931" in complaints[0].what
    assert peer.ear.ends_at == pytest.approx(101.0 + 610)


@pytest.mark.parametrize("message", ["{", b"\0", '{"event":"mark"}', '{"event":"media","streamSid":"other"}', "[]"])
def test_what_twilio_does_not_understand_is_only_complained_about(message: str | bytes) -> None:
    peer = started()
    peer.receive(message, 101.0)
    (complaint,) = peer.take_events()
    assert isinstance(complaint, Complained)
    assert peer.take_messages() == []


@given(st.lists(st.tuples(st.sampled_from(["media", "mark", "clear", "wait"]), st.integers(1, 5000))))
def test_every_mark_returns_once_in_order_and_never_early(steps: list[tuple[str, int]]) -> None:
    peer, now, asked, back = started(), 101.0, [], []
    for index, (step, size) in enumerate(steps):
        now += size / 8000 if step == "wait" else 0.0
        if step == "media":
            media(peer, size, now)
        elif step == "mark":
            mark(peer, str(index), now)
            asked.append(str(index))
        elif step == "clear":
            say(peer, "clear", now)
        else:
            peer.advance(now)
        back += returned(peer)
        due = peer.next_due()
        assert due is None or due > now
    peer.advance(now + 10_000)
    assert back + returned(peer) == asked
