from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caller.asterisk import AsteriskPeer
from gateway.caller.peer import Answered, Cleared, Complained, MarkAnswered

FRAME = b"\x55" * 160


def started(**options: Any) -> AsteriskPeer:
    peer = AsteriskPeer(**options)
    peer.start(100.0)
    peer.take_messages()
    return peer


def command(peer: AsteriskPeer, name: str, now: float, **fields: str) -> None:
    peer.receive(json.dumps({"command": name, **fields}, separators=(",", ":")), now)


def told(peer: AsteriskPeer) -> list[dict[str, Any]]:
    return [json.loads(message) for message in peer.take_messages() if isinstance(message, str)]


def names(peer: AsteriskPeer) -> list[str]:
    return [message["event"] for message in told(peer)]


def complaints(peer: AsteriskPeer) -> list[str]:
    return [event.what for event in peer.take_events() if isinstance(event, Complained)]


def heard(peer: AsteriskPeer) -> int:
    return sum(len(piece.data) for piece in peer.ear.heard())


def test_it_begins_as_captured_in_json_and_in_plain_text() -> None:
    peer = AsteriskPeer(variables={"dnid": "611"}, connection_id="bot")
    peer.start(100.0)
    (start,) = told(peer)
    assert start["event"] == "MEDIA_START"
    assert (start["format"], start["optimal_frame_size"], start["ptime"]) == ("ulaw", 160, 20)
    assert start["channel_variables"]["dnid"] == "611"
    assert start["channel_id"] == peer.leg_id
    plain = AsteriskPeer(is_json=False, connection_id="bot")
    plain.start(100.0)
    words = str(plain.take_messages()[0]).split()
    assert [word.partition(":")[0] for word in words] == [
        "MEDIA_START",
        "connection_id",
        "channel",
        "channel_id",
        "format",
        "optimal_frame_size",
        "ptime",
    ]


def test_plain_events_are_written_as_captured() -> None:
    peer = started(is_json=False)
    peer.digit("1", 100.0)
    peer.receive("STOP_MEDIA_BUFFERING start", 100.0)
    peer.receive("MARK_MEDIA mark-start", 100.0)
    peer.receive("GET_STATUS", 100.0)
    peer.receive("SET_MEDIA_DIRECTION in", 100.0)
    peer.advance(100.1)
    assert peer.take_messages() == [
        f"DTMF_END digit:1 channel_id:{peer.leg_id}",
        f"STATUS channel_id:{peer.leg_id} queue_length:0 xon_level:800 xoff_level:900 queue_full:false "
        "bulk_media:false media_paused:false",
        f"ERROR channel_id:{peer.leg_id} error_text:SET_MEDIA_DIRECTION only supports JSON format.\n",
        "MEDIA_BUFFERING_COMPLETED start",
        "MEDIA_MARK_PROCESSED mark-start",
    ]


def test_a_frame_leaves_every_20_ms() -> None:
    peer = started()
    peer.receive(FRAME * 50, 100.005)
    peer.advance(100.5)
    assert heard(peer) == 25 * 160
    peer.advance(110.0)
    (piece,) = peer.ear.heard()
    assert (piece.at, len(piece.data)) == (pytest.approx(100.02), 50 * 160)


def test_a_tail_that_fills_no_frame_is_dropped_outside_buffering() -> None:
    peer = started()
    for _ in range(10):
        peer.receive(b"\x55" * 100, 100.0)
    peer.receive(b"\x55" * 1000, 100.0)
    peer.advance(110.0)
    assert heard(peer) == 960
    assert complaints(peer) == ["100 bytes dropped"] * 10 + ["40 bytes dropped"]


def test_buffering_joins_tails_and_stop_sends_the_last_one_short() -> None:
    peer = started()
    command(peer, "START_MEDIA_BUFFERING", 100.0)
    for _ in range(10):
        peer.receive(b"\x55" * 100, 100.0)
    command(peer, "STOP_MEDIA_BUFFERING", 100.0, correlation_id="u1")
    peer.advance(110.0)
    assert heard(peer) == 1000
    assert told(peer) == [
        {"event": "MEDIA_BUFFERING_COMPLETED", "channel_id": peer.leg_id, "correlation_id": "u1"},
    ]


def test_a_marker_is_reported_when_the_frame_before_it_has_left() -> None:
    peer = started()
    peer.receive(FRAME * 5, 100.0)
    command(peer, "MARK_MEDIA", 100.0, correlation_id="m")
    assert peer.next_due() == pytest.approx(100.1)
    peer.advance(100.09)
    assert names(peer) == []
    peer.advance(100.1)
    assert names(peer) == ["MEDIA_MARK_PROCESSED"]
    assert peer.take_events()[-1] == MarkAnswered("m", pytest.approx(100.1))  # type: ignore[arg-type]  # about so much


def test_a_flush_drops_frames_and_markers_and_ends_buffering() -> None:
    peer = started()
    command(peer, "START_MEDIA_BUFFERING", 100.0)
    peer.receive(FRAME * 100 + b"\x55", 100.0)
    command(peer, "MARK_MEDIA", 100.0, correlation_id="m")
    command(peer, "FLUSH_MEDIA", 101.0)
    assert [event for event in peer.take_events() if isinstance(event, Cleared)] == [
        Cleared(101.0, pytest.approx(50 * 0.02 + 1 / 8000))  # type: ignore[arg-type]  # about so much
    ]
    peer.receive(FRAME + b"\x55" * 10, 101.0)
    peer.advance(200.0)
    assert names(peer) == []
    assert heard(peer) == 51 * 160
    assert complaints(peer) == ["10 bytes dropped"]


def test_xoff_at_900_xon_below_800_and_silent_loss_from_1000_on() -> None:
    peer = started()
    peer.receive(FRAME * 390, 100.0)
    peer.receive(FRAME * 390, 100.0)
    assert names(peer) == []
    peer.receive(FRAME * 390, 100.0)  # accepted below 1000, queued whole
    assert names(peer) == ["MEDIA_XOFF"]
    peer.receive(FRAME, 100.0)
    assert complaints(peer) == ["160 bytes dropped"]
    command(peer, "GET_STATUS", 100.0)
    (status,) = told(peer)
    assert (status["queue_length"], status["queue_full"]) == (1170, True)
    due = peer.next_due()
    assert due == pytest.approx(100.0 + (1170 - 799) * 0.02)
    peer.advance(due - 0.01)
    assert names(peer) == []
    peer.advance(due)
    assert names(peer) == ["MEDIA_XON"]


def test_xon_comes_at_the_tick_after_a_flush() -> None:
    peer = started()
    for _ in range(3):
        peer.receive(FRAME * 320, 100.0)
    command(peer, "FLUSH_MEDIA", 100.0)
    assert names(peer) == ["MEDIA_XOFF"]
    assert peer.next_due() == pytest.approx(100.02)
    peer.advance(100.02)
    assert names(peer) == ["MEDIA_XON"]


def test_pause_holds_the_queue_and_a_flush_does_not_end_it() -> None:
    peer = started()
    command(peer, "PAUSE_MEDIA", 100.0)
    peer.receive(FRAME * 10, 100.0)
    command(peer, "MARK_MEDIA", 100.0, correlation_id="m")
    peer.advance(105.0)
    assert (heard(peer), peer.next_due()) == (0, None)
    command(peer, "FLUSH_MEDIA", 105.0)
    peer.receive(FRAME * 10, 105.0)
    command(peer, "CONTINUE_MEDIA", 106.0)
    peer.advance(107.0)
    (piece,) = peer.ear.heard()
    assert (piece.at, len(piece.data)) == (pytest.approx(106.02), 1600)


def test_drained_is_reported_once() -> None:
    peer = started()
    peer.receive(FRAME * 3, 100.0)
    command(peer, "REPORT_QUEUE_DRAINED", 100.0)
    assert peer.next_due() == pytest.approx(100.08)
    peer.advance(100.2)
    assert names(peer) == ["QUEUE_DRAINED"]
    command(peer, "REPORT_QUEUE_DRAINED", 100.2)
    peer.advance(101.0)
    peer.advance(102.0)
    assert names(peer) == ["QUEUE_DRAINED"]


def test_long_and_unknown_commands_are_ignored_without_a_word() -> None:
    peer = started()
    command(peer, "MARK_MEDIA", 100.0, correlation_id="x" * 100)
    command(peer, "answer", 100.0)
    command(peer, "DANCE", 100.0)
    assert names(peer) == []
    assert len(complaints(peer)) == 3


def test_what_is_not_json_is_an_error() -> None:
    peer = started()
    peer.receive("HANGUP", 100.0)
    (error,) = told(peer)
    assert error["error_text"] == "Unable to parse JSON command"
    assert not peer.is_over


def test_a_huge_message_ends_the_call() -> None:
    peer = started()
    peer.receive(bytes(65_535), 100.0)
    assert (peer.is_over, peer.close_code) == (True, 1009)


def test_hang_up_before_the_answer_is_a_refusal() -> None:
    peer = started(answers_itself=False)
    peer.audio(FRAME, 100.0)
    assert peer.take_messages() == []
    command(peer, "HANGUP", 100.0)
    assert (peer.is_over, peer.refused) == (True, True)


def test_answer_lets_the_caller_through_once() -> None:
    peer = started(answers_itself=False)
    command(peer, "ANSWER", 100.0)
    command(peer, "ANSWER", 100.1)
    assert peer.take_events() == [Answered(100.0)]
    peer.audio(FRAME * 2, 100.2)
    assert peer.take_messages() == [FRAME, FRAME]


def test_while_direction_is_in_media_is_dropped_and_commands_are_errors() -> None:
    peer = started()
    command(peer, "SET_MEDIA_DIRECTION", 100.0, direction="in")
    peer.receive(FRAME, 100.0)
    command(peer, "MARK_MEDIA", 100.0, correlation_id="m")
    (error,) = told(peer)
    assert error["error_text"] == "MARK_MEDIA not supported while media direction is 'in'"
    peer.advance(101.0)
    assert heard(peer) == 0


def test_a_release_before_20_18_has_neither_marks_nor_channel_ids() -> None:
    peer = AsteriskPeer(is_old=True)
    peer.start(100.0)
    assert "channel_id" not in str(peer.take_messages()[0])
    peer.receive("MARK_MEDIA m", 100.0)
    assert complaints(peer) == ["unknown command ignored"]
    peer.digit("5", 100.0)
    assert peer.take_messages() == ["DTMF_END digit:5"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["media", "mark", "flush", "wait", "start", "stop", "pause", "continue"]), st.integers(1, 900)
    )
)


@given(steps)
def test_frames_leave_one_by_one_and_markers_only_behind_them(steps: list[tuple[str, int]]) -> None:
    peer, now = started(), 100.0
    words = {"flush": "FLUSH_MEDIA", "start": "START_MEDIA_BUFFERING", "stop": "STOP_MEDIA_BUFFERING"}
    words |= {"pause": "PAUSE_MEDIA", "continue": "CONTINUE_MEDIA", "mark": "MARK_MEDIA"}
    pending: list[str] = []
    for index, (step, size) in enumerate(steps):
        if step == "wait":
            now += size / 1000
            peer.advance(now)
        elif step == "media":
            peer.receive(b"\x55" * size, now)
        else:
            command(peer, words[step], now, correlation_id=str(index))
        back = [message["correlation_id"] for message in told(peer) if "correlation_id" in message]
        assert back == pending[: len(back)]
        del pending[: len(back)]
        pending = [] if step == "flush" else [*pending, *([str(index)] if step in ("mark", "stop") else [])]
        due = peer.next_due()
        assert due is None or due > now - 1e-6
    pieces = peer.ear.heard()
    ticks = round((now - 100.0) / 0.02 + 1e-6)
    assert heard(peer) <= (ticks + 1) * 160
    assert all(piece.at >= 100.02 - 1e-6 for piece in pieces)
