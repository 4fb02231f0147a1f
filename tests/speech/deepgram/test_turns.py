"""What Deepgram's messages mean for a turn: Nova's and Flux's, as plain data."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import PCMU_8K
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Result
from gateway.speech.deepgram.flux import FluxTurn
from gateway.speech.deepgram.nova import NovaTurn
from gateway.speech_interfaces import SpeechHeard

SECOND = bytes(8000)


def nova(*, ends_turns: bool = False, interim: bool = True, at: float = 0.0) -> NovaTurn:
    return NovaTurn("dg", PCMU_8K, ends_turns=ends_turns, interim=interim, starts_at=at)


def flux(*, ends_turns: bool = False) -> FluxTurn:
    return FluxTurn("dg", ends_turns=ends_turns)


def results(text: str, start: float, duration: float, *others: str, **flags: bool) -> str:
    alternatives = [{"transcript": each, "confidence": 0.9, "words": []} for each in (text, *others)]
    message = {"type": "Results", "start": start, "duration": duration, "channel": {"alternatives": alternatives}}
    return json.dumps({**message, **flags})


def turn_info(event: str, text: str, index: int = 0, **more: Any) -> str:
    words = [{"word": word, "confidence": 0.8, "start": 0.1, "end": 0.9} for word in text.split()]
    return json.dumps(
        {"type": "TurnInfo", "event": event, "turn_index": index, "transcript": text, "words": words}
        | {"audio_window_start": 0.0, "audio_window_end": 1.0, **more}
    )


def told(turn: NovaTurn | FluxTurn, *messages: str) -> list[Result]:
    return [result for message in messages for result in turn.receive(message)]


def final(text: str, **more: Any) -> Transcript:
    return Transcript(text=text, final=True, confidence=0.9, **more)


def test_partials_and_finals() -> None:
    found = told(
        nova(),
        results("I would", 0, 1),
        results("I would like", 0, 1.5, "I wood like", is_final=True),
        results("", 1.5, 0.5, is_final=True),
        results("sales", 2, 1, is_final=True, speech_final=True),
    )
    assert found == [
        Transcript(text="I would", final=False),
        final("I would like", alternatives=("I wood like",)),
        final("sales"),
    ]


def test_partials_that_nobody_wants_are_left_out() -> None:
    assert told(nova(interim=False), results("I would", 0, 1)) == []


def test_a_pause_ends_the_turn_only_where_the_vendor_decides() -> None:
    said = results("sales", 0, 1, is_final=True, speech_final=True)
    assert told(nova(ends_turns=True), said) == [final("sales", ends_turn=True)]


def test_a_pause_found_after_the_words_ends_the_turn_with_no_further_ones() -> None:
    end = json.dumps({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 0.9})
    turn = nova(ends_turns=True)
    assert told(turn, results("sales", 0, 1, is_final=True), end, end) == [
        final("sales"),
        SpeechHeard(started=False, at=0.9),
        Transcript(text="", final=True, ends_turn=True),
        SpeechHeard(started=False, at=0.9),
    ]


def test_a_partial_that_comes_after_its_final_is_late() -> None:
    assert told(nova(), results("yes", 0, 1, is_final=True), results("yes no", 0, 1)) == [final("yes")]


def test_a_turn_on_a_warm_connection_counts_its_own_time() -> None:
    started = json.dumps({"type": "SpeechStarted", "channel": [0, 1], "timestamp": 12.5})
    stale = json.dumps({"type": "SpeechStarted", "channel": [0, 1], "timestamp": 9.0})
    assert told(nova(at=12.0), stale, started) == [SpeechHeard(started=True, at=0.5)]


def test_what_is_left_of_the_turn_before_is_not_heard() -> None:
    assert told(nova(at=12.0), results("old", 10, 2, is_final=True), results("new", 12, 1, is_final=True)) == [
        final("new")
    ]


def test_nova_is_asked_for_the_rest_and_then_made_to_close() -> None:
    turn = nova()
    assert turn.audio(SECOND) == SECOND
    assert turn.finish() == ('{"type":"Finalize"}',)
    assert not turn.is_over
    assert turn.insist() == ('{"type":"CloseStream"}',)
    assert told(turn, results("yes", 0, 1, is_final=True), '{"type":"Metadata","duration":1.0}') == [final("yes")]
    assert (turn.is_over, turn.is_clean) == (True, False)


def test_the_answer_to_finalize_leaves_a_connection_for_the_next_turn() -> None:
    turn = nova()
    turn.audio(SECOND)
    turn.finish()
    assert told(turn, results("yes", 0, 1, is_final=True, from_finalize=True)) == [final("yes")]
    assert (turn.is_over, turn.is_clean) == (True, True)


def test_a_turn_without_audio_asks_nothing() -> None:
    first, second = nova(), flux()
    assert (first.finish(), second.finish()) == ((), ())
    assert (first.is_over, first.is_clean, second.is_over, second.is_clean) == (True, True, True, False)


def test_nova_that_closes_too_early_is_unavailable() -> None:
    with pytest.raises(VendorUnavailable):
        nova().closed()


@pytest.mark.parametrize("message", ['{"type":"Error","variant":"V","description":"secret words"}'])
def test_an_error_names_its_code_and_not_its_words(message: str) -> None:
    for turn in (nova(), flux()):
        with pytest.raises(VendorUnavailable, match=r"it reports V$"):
            turn.receive(message)


@pytest.mark.parametrize("message", ["[]", "x", b"\x00", '{"type":"Results"}', '{"type":"TurnInfo"}'])
def test_what_is_no_message_is_refused(message: str | bytes) -> None:
    turn = flux() if b"TurnInfo" in (message if isinstance(message, bytes) else message.encode()) else nova()
    with pytest.raises(VendorReplyInvalid):
        turn.receive(message)


@given(
    st.dictionaries(
        st.sampled_from(["type", "start", "duration", "channel", "is_final", "event", "transcript", "turn_index"]),
        st.one_of(
            st.sampled_from(["Results", "TurnInfo", "UtteranceEnd", "EndOfTurn", "Update"]),
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.lists(st.integers()),
            st.fixed_dictionaries({"alternatives": st.lists(st.dictionaries(st.just("transcript"), st.text()))}),
        ),
    )
)
def test_any_message_is_understood_or_refused(message: dict[str, Any]) -> None:
    for turn in (nova(), flux()):
        with suppress(VendorError):
            turn.receive(json.dumps(message))


def test_a_turn_by_flux() -> None:
    turn = flux()
    turn.audio(SECOND)
    before = told(turn, '{"type":"Connected"}', turn_info("StartOfTurn", "I"), turn_info("Update", "I would"))
    assert turn.finish() == ('{"type":"ForceEndTurn"}',)
    after = told(turn, turn_info("EndOfTurn", "I would like", trigger="manual"), turn_info("Update", "I would"))
    assert before == [
        SpeechHeard(started=True, at=0.0),
        Transcript(text="I", final=False),
        Transcript(text="I would", final=False),
    ]
    assert after[0] == SpeechHeard(started=False, at=0.9)
    assert after[1:] == [Transcript(text="I would like", final=True, confidence=pytest.approx(0.8))]
    assert turn.is_over


def test_flux_ends_the_turn_where_it_may() -> None:
    turn = flux(ends_turns=True)
    found = told(turn, turn_info("EagerEndOfTurn", "sales"), turn_info("EndOfTurn", "sales", trigger="model"))
    assert [(each.text, each.final, each.ends_turn) for each in found if isinstance(each, Transcript)] == [
        ("sales", False, False),
        ("sales", True, True),
    ]


def test_turns_of_flux_add_up_where_the_gateway_ends_turns() -> None:
    found = told(flux(), turn_info("EndOfTurn", "one", 0), turn_info("EndOfTurn", "two", 1))
    assert [(each.text, each.ends_turn) for each in found if isinstance(each, Transcript)] == [
        ("one", False),
        ("two", False),
    ]


def test_the_last_update_is_final_once_flux_has_closed() -> None:
    turn = flux()
    turn.audio(SECOND)
    turn.finish()
    assert turn.insist() == ('{"type":"CloseStream"}',)
    told(turn, turn_info("Update", "sales please", languages=["en"]))
    assert [(each.text, each.final, each.language) for each in turn.closed() if isinstance(each, Transcript)] == [
        ("sales please", True, "en")
    ]
    assert turn.is_over


def test_flux_that_closes_unasked_is_unavailable() -> None:
    with pytest.raises(VendorUnavailable):
        flux().closed()
