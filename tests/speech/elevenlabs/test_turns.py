"""What Scribe's messages mean for a turn, as plain data."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import PCMU_8K
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Result
from gateway.speech.elevenlabs.scribe import ScribeTurn

SECOND = b"\xff" * 8000


def turn(*, silence: float | None = None, interim: bool = True) -> ScribeTurn:
    return ScribeTurn("xi", PCMU_8K, silence=silence, interim=interim)


def told(one: ScribeTurn, *messages: tuple[str, str]) -> list[Result]:
    values = [json.dumps({"message_type": kind, "text": text}) for kind, text in messages]
    return [result for value in values for result in one.receive(value)]


def test_partials_and_finals() -> None:
    one = turn()
    one.audio(SECOND)
    before = told(
        one,
        ("session_started", ""),
        ("partial_transcript", "I"),
        ("partial_transcript", ""),
        ("committed_transcript", "I would"),
        ("committed_transcript_with_timestamps", "I would"),
    )
    assert before == [Transcript(text="I", final=False), Transcript(text="I would", final=True)]
    assert not one.is_over
    one.finish()
    assert told(one, ("committed_transcript", "like")) == [Transcript(text="like", final=True)]
    assert (one.is_over, one.is_clean) == (True, True)


def test_partials_that_nobody_wants_are_left_out() -> None:
    assert told(turn(interim=False), ("partial_transcript", "I")) == []


def test_the_vendor_ends_the_turn_where_it_may() -> None:
    one = turn(silence=0.5)
    one.audio(SECOND)
    assert told(one, ("committed_transcript", "sales")) == [Transcript(text="sales", final=True, ends_turn=True)]


def test_a_vendor_that_commits_by_itself_is_brought_to_by_silence() -> None:
    one = turn(silence=0.5)
    one.audio(SECOND)
    (message,) = one.finish()
    assert json.loads(message)["commit"] is False
    assert base64.b64decode(json.loads(message)["audio_base_64"]) == b"\xff" * 5600
    told(one, ("committed_transcript", "one"), ("partial_transcript", "two"))
    assert not one.is_over
    one.insist()
    assert not one.is_over
    told(one, ("committed_transcript", "two"))
    assert (one.is_over, one.is_clean) == (True, False)


def test_a_commit_asks_for_the_rest() -> None:
    one = turn()
    one.audio(SECOND)
    (message,) = one.finish()
    assert json.loads(message) == {
        "message_type": "input_audio_chunk",
        "audio_base_64": "",
        "commit": True,
        "sample_rate": 8000,
    }


def test_a_commit_of_too_little_is_filled_with_silence() -> None:
    one = turn()
    one.audio(SECOND[:400])
    (message,) = one.finish()
    assert base64.b64decode(json.loads(message)["audio_base_64"]) == b"\xff" * 2000


def test_a_turn_without_audio_asks_nothing() -> None:
    one = turn()
    assert one.finish() == ()
    assert (one.is_over, one.is_clean) == (True, True)


@pytest.mark.parametrize("kind", ["commit_throttled", "insufficient_audio_activity"])
def test_nothing_to_commit_is_no_error_at_the_end(kind: str) -> None:
    one = turn()
    one.audio(SECOND)
    one.finish()
    assert one.receive(json.dumps({"message_type": kind, "error": "x"})) == ()
    assert (one.is_over, one.is_clean) == (True, False)


def test_silence_is_not_answered_where_nothing_was_being_said() -> None:
    one = turn(silence=0.5)
    one.audio(SECOND)
    one.finish()
    assert one.insist() == ()
    assert (one.is_over, one.is_clean) == (True, False)


def test_an_unanswered_commit_is_no_end() -> None:
    one = turn()
    one.audio(SECOND)
    told(one, ("partial_transcript", "I"))
    one.finish()
    one.insist()
    assert not one.is_over
    with pytest.raises(VendorUnavailable):
        one.closed()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('{"message_type":"auth_error","error":"secret"}', VendorRejected),
        ('{"message_type":"quota_exceeded","error":"secret"}', VendorRejected),
        ('{"message_type":"rate_limited","error":"secret"}', VendorUnavailable),
        ('{"message_type":"commit_throttled","error":"secret"}', VendorUnavailable),
        ('{"message_type":"brand_new","error":"secret"}', VendorUnavailable),
        ('{"text":"x"}', VendorReplyInvalid),
        ("null", VendorReplyInvalid),
        (b"\x00", VendorReplyInvalid),
    ],
)
def test_what_goes_wrong_is_said_without_its_words(message: str | bytes, kind: type[VendorError]) -> None:
    with pytest.raises(kind) as raised:
        turn().receive(message)
    assert "secret" not in str(raised.value)


def test_a_message_of_a_new_kind_is_passed_over() -> None:
    assert turn().receive('{"message_type":"brand_new","text":"x"}') == ()


@given(st.dictionaries(st.sampled_from(["message_type", "text", "error"]), st.none() | st.text() | st.integers()))
def test_any_message_is_understood_or_refused(message: dict[str, Any]) -> None:
    with suppress(VendorError):
        turn().receive(json.dumps(message))
