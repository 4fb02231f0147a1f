"""The record of a call: what is in it live and in the end, and that nothing a peer sends can spoil it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import Hangup, Record, Transfer
from gateway.call.outcome import CallOutcome
from gateway.events import (
    BotFailed,
    DigitPressed,
    LegClosed,
    OperatorAsked,
    RecognitionEnded,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    Transcript,
    TranscriptUpdated,
    TransferFinished,
)
from gateway.interfaces import BackendCapabilities, LegCapabilities
from gateway.records.journal import read
from gateway.records.record import MAX_NOTES, MAX_TURNS, CallRecord, plain, plain_data
from tests.fakes.journalling import STARTED, KeptPlaybook


@pytest.fixture
def play(tmp_path: Path) -> KeptPlaybook:
    return KeptPlaybook(tmp_path)


def test_a_call_from_greeting_to_hang_up(play: KeptPlaybook) -> None:
    play.greet("Welcome")
    play.speak("opening hours", at=3.0)
    play.reply("From nine to five", Hangup(), at=5.0)
    play.play_out()
    play(LegClosed(by="gateway"), at=7.0)
    record = play.record.to_json()
    assert {name: record[name] for name in ("call_id", "caller", "called", "started_at", "seconds", "turns")} == {
        "call_id": "call-1",
        "caller": "+33612345678",
        "called": "+33123456789",
        "started_at": STARTED.isoformat(timespec="milliseconds"),
        "seconds": 7.0,
        "turns": 1,
    }
    assert (record["result"], record["by"]) == ("completed", "bot")
    assert record["answer_p50"] == pytest.approx(5.0 - 3.6)
    assert [(turn["kind"], turn["caller"], turn["bot"]) for turn in record["exchange"]] == [
        ("start", "", "Welcome"),
        ("speech", "opening hours", "From nine to five"),
    ]
    assert [(item["text"], item["result"]) for item in record["said"]] == [
        ("Welcome", "played"),
        ("From nine to five", "played"),
    ]


def test_it_can_be_read_while_the_call_runs(play: KeptPlaybook) -> None:
    assert play.record.to_json()["exchange"] == []
    play.greet()
    play.speak("opening hours", at=3.0)
    record = play.record.to_json()
    assert record["result"] is None
    assert record["exchange"][-1]["caller"] == "opening hours"
    assert record["exchange"][-1]["answer_seconds"] is None


def test_a_replayed_journal_gives_the_same_record(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("opening hours", at=3.0)
    play.reply("From nine", Record(kind="note", data={"topic": "hours"}))
    play.play_out()
    play(LegClosed(by="caller"), at=9.0)
    live = play.record.to_json()
    setup, steps = read(play.finish())
    again = CallRecord(setup.info, STARTED.isoformat(timespec="milliseconds"))
    for step in steps:
        again.observe(step.now, step.event, step.commands, is_masked=step.is_masked)
    assert again.to_json() == live


def test_only_what_was_heard_counts_as_said(play: KeptPlaybook) -> None:
    play.begin()
    play.reply("A long story with many words", at=0.1)
    play.start_prompt(at=0.2)
    play(SpeechStarted(at=1.0), at=1.1)
    play(SpeechSustained(at=1.3, voiced=0.3), at=1.4)
    play.report_stopped(seconds=1.2, heard="A long")
    play(TranscriptUpdated(stream=play.stream, transcript=Transcript(text="stop", final=True)), at=1.6)
    play(SpeechStopped(at=1.7), at=1.9)
    play.until(2.6)
    play(RecognitionEnded(stream=play.stream))
    record = play.record.to_json()
    greeting, answer = record["exchange"]
    assert (greeting["bot"], greeting["bot_cut"], greeting["bot_seconds"]) == ("A long", True, 1.2)
    assert (answer["caller"], answer["barged_in"]) == ("stop", True)
    assert record["barge_ins"] == 1
    assert record["said"][0]["result"] == "stopped"


def test_a_prompt_an_operator_stops_is_no_barge_in(play: KeptPlaybook) -> None:
    play.begin()
    play.reply("A long story", at=0.1)
    play.start_prompt(at=0.2)
    play(OperatorAsked(), at=1.0)
    assert play.record.summary()["barge_ins"] == 0


def test_a_key_that_stops_a_prompt_is_a_barge_in(play: KeptPlaybook) -> None:
    play.begin()
    play.reply("A long story", at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="1"), at=1.0)
    assert play.record.summary()["barge_ins"] == 1


def test_silences_misunderstandings_and_failures_are_counted(play: KeptPlaybook) -> None:
    play.greet()
    play.until(play.now + 7.1)
    play.play_out()
    play.speak("", at=play.now + 1)
    play.play_out()
    play.speak("hello", at=play.now + 1)
    play(BotFailed(turn=1))
    summary = play.record.summary()
    assert {name: summary[name] for name in ("no_inputs", "no_matches", "failed_turns")} == {
        "no_inputs": 1,
        "no_matches": 1,
        "failed_turns": 1,
    }


def test_silence_told_to_the_bot_is_a_turn(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path, backend=BackendCapabilities(wants_no_input=True))
    play.greet()
    play.until(play.now + 7.1)
    assert play.record.turns[-1].kind == "no_input"


def test_a_failed_transfer_told_to_the_bot_is_a_turn(tmp_path: Path) -> None:
    play = KeptPlaybook(
        tmp_path,
        number={"transfer": {"allow": ["*"]}},
        leg=LegCapabilities(can_transfer=True),
        backend=BackendCapabilities(transfer_feedback=True),
    )
    play.begin()
    play.reply(Transfer(transfer_id="t", target="sip:1@pbx"), at=0.1)
    play(TransferFinished(transfer_id="t", ok=False, cause="busy"), at=5.0)
    turn = play.record.turns[-1]
    assert (turn.kind, turn.text) == ("transfer_failed", "busy")


def test_a_call_that_a_bug_ended_says_so(play: KeptPlaybook) -> None:
    play.greet()
    outcome = CallOutcome(result="internal_error", by="gateway", reason="a bug; see the log")
    play.keeping.close(outcome, 42.0)
    assert (play.record.summary()["result"], play.record.seconds) == ("internal_error", 42.0)


# --- bounds --------------------------------------------------------------------------------------------------------
def test_notes_are_bounded(play: KeptPlaybook) -> None:
    play.greet()
    for index in range(MAX_NOTES + 5):
        play.reply(Record(kind="note", data={"n": index}), turn=None)
    notes = play.record.to_json()["notes"]
    assert len(notes) == MAX_NOTES + 1
    assert notes[-1]["kind"] == "cut"


def test_turns_beyond_the_bound_are_counted_and_leave_the_last_one_alone(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path, number={"max_call": 86400})
    play.greet()
    for _ in range(MAX_TURNS + 3):
        for key in "1#":
            play(DigitPressed(digit=key), at=play.now + 0.01)
        play.reply("Yes")
        play.play_out(seconds=0.01)
    record = play.record.to_json()
    assert len(record["exchange"]) == MAX_TURNS
    assert record["turns"] == MAX_TURNS + 3
    assert record["exchange"][-1]["bot"] == "Yes"


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=30,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=())), JSON_LIKE))
def test_any_data_becomes_json_that_everybody_can_take(data: dict[str, Any]) -> None:
    json.dumps(plain_data(data), allow_nan=False, ensure_ascii=False).encode()


def test_data_is_cut_where_it_is_too_deep_or_too_much() -> None:
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [deep]
    assert "bottom" not in json.dumps(plain_data({"deep": deep}))
    assert len(json.dumps(plain_data({"wide": list(range(1_000_000))}))) < 20_000
    assert plain_data({"nan": math.nan, "text": "x" * 10**6})["nan"] is None
    assert len(plain("x" * 10**6)) < 10**5
