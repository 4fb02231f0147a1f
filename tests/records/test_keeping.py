"""One call's books together: record, journal and recording of a play, and what is logged of it."""

from __future__ import annotations

import datetime
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog

from audio.format import L16_8K
from audio.frame import Frame
from gateway.actions import Listen
from gateway.call.facts import CallSetup
from gateway.events import CallEvent, DigitPressed, SpeechStarted, SpeechStopped, Transcript, TranscriptUpdated
from gateway.records.disk import DiskWriter
from gateway.records.keeping import CallKeeping, day_folder
from gateway.records.recording import CallRecorder
from tests.fakes.journalling import COMPLETED, STARTED, KeptPlaybook, assert_replays
from tests.fakes.playbook import Commands
from tests.fakes.trouble import folder_in_a_file

RATE = 8000
VOICE, BOT = 7, 9
ASK = Listen(kind="digits", sensitive=True)


class RecordedPlaybook(KeptPlaybook):
    """A play with audio: the caller speaks all the time, the bot too, and both are recorded when that has begun."""

    def __init__(self, folder: Path, **settings: object) -> None:
        disk = DiskWriter()
        self.wav = folder / "call.wav"
        self.recorder = CallRecorder(self.wav, L16_8K, disk)
        self.heard_until = 0.0
        recording = {"mode": "on", **settings}
        super().__init__(folder, disk=disk, recorder=self.recorder, number={"recording": recording})

    def _give(self, event: CallEvent) -> Commands:
        while self.heard_until + 0.02 <= self.now:
            samples = np.full(RATE // 50, VOICE, "<i2").tobytes()
            self.recorder.caller(Frame(samples, L16_8K), self.heard_until)
            self.recorder.bot(np.full(RATE // 50, BOT, "<i2").tobytes(), self.heard_until)
            self.heard_until += 0.02
        return super()._give(event)

    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        self.finish()
        with wave.open(str(self.wav)) as file:
            both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        return both[:, 0], both[:, 1]


def heard(samples: np.ndarray, start: float, end: float) -> set[int]:
    return set(samples[round(start * RATE) : round(end * RATE)].tolist())


def key_in(play: KeptPlaybook, keys: str, *, at: float) -> None:
    for index, key in enumerate(keys):
        play(DigitPressed(digit=key), at=at + index / 5)


# --- the recording -------------------------------------------------------------------------------------------------
def test_the_recording_is_as_long_as_the_call_from_its_answer(tmp_path: Path) -> None:
    play = RecordedPlaybook(tmp_path)
    play.greet()
    play.speak("opening hours", at=3.0)
    play.until(9.0)
    left, right = play.sides()
    assert abs(len(left) / RATE - (9.0 - 0.01)) <= 0.020
    assert VOICE in heard(left, 0, 9)
    assert BOT in heard(right, 0, 9)


def test_no_sample_is_kept_before_the_announcement_has_been_heard(tmp_path: Path) -> None:
    play = RecordedPlaybook(tmp_path, announce="This call is recorded.")
    play.begin()
    play.reply("Welcome", at=0.1)
    assert not play.recorder.is_started
    play.play_out(seconds=2.0)  # the announcement, then the greeting
    play.until(10.0)
    left, _ = play.sides()
    assert abs(len(left) / RATE - (10.0 - 2.1)) <= 0.020


def test_a_call_that_ends_during_the_announcement_leaves_no_recording(tmp_path: Path) -> None:
    play = RecordedPlaybook(tmp_path, announce="This call is recorded.")
    play.begin()
    play.until(1.0)
    play.finish()
    assert not play.wav.exists()


def test_the_caller_is_silent_in_the_recording_while_a_sensitive_question_is_open(tmp_path: Path) -> None:
    play = RecordedPlaybook(tmp_path)
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    play.until(6.0)
    play.reply("Your PIN, please", ASK)
    asked = play.now
    play.play_out()
    key_in(play, "4711#", at=play.now + 1)
    play.until(play.now + 1)
    play.reply("Thank you")
    thanked = play.now
    play.play_out()
    play.until(play.now + 3)
    left, right = play.sides()
    began = 0.01
    assert heard(left, 1, asked - began - 0.4) == {VOICE}
    assert heard(left, asked - began, thanked - began - 0.1) == {0}
    assert VOICE in heard(left, thanked - began, thanked + 3)
    assert heard(right, 1, thanked) == {BOT}


def test_keys_typed_ahead_of_a_sensitive_question_are_blotted_out_of_the_recording(tmp_path: Path) -> None:
    play = RecordedPlaybook(tmp_path)
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    typed = play.now + 0.5
    key_in(play, "4711#", at=typed)
    play.until(typed + 6)
    play.reply("Your PIN, please", ASK)
    play.play_out()
    left, _ = play.sides()
    assert heard(left, typed - 0.02, play.now - 0.2) == {0}
    assert heard(left, 1, typed - 0.5) == {VOICE}


def test_a_disk_that_refuses_costs_the_books_and_not_the_call(tmp_path: Path) -> None:
    disk = DiskWriter()
    folder = folder_in_a_file(tmp_path)
    recorder = CallRecorder(folder / "call.wav", L16_8K, disk)
    with structlog.testing.capture_logs() as logs:
        play = KeptPlaybook(folder, disk=disk, recorder=recorder, number={"recording": {"mode": "on"}})
        play.greet()
        recorder.caller(Frame(bytes(16000 * 2), L16_8K), 0.0)
        play.speak("hello", at=6.0)
        play.finish()
    assert play.record.turns[-1].text == "hello"
    lost = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert sorted(lost) == ["record lost", "recording lost"]


# --- the journal ---------------------------------------------------------------------------------------------------
def test_a_call_that_ends_while_keys_wait_for_their_question_is_complete(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path)
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    key_in(play, "12", at=play.now + 0.2)
    assert len(assert_replays(play.finish())) == len(play.log)


def test_steps_are_not_held_back_longer_than_needed(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path)
    play.greet("Hello")
    play(SpeechStarted(at=3.0), at=3.1)
    play(TranscriptUpdated(stream=1, transcript=Transcript(text="hello", final=False)), at=3.3)
    play(SpeechStopped(at=3.5), at=3.6)
    assert play.disk.flush()
    assert play.path.read_bytes().count(b"\n") == 1 + len(play.log)


def test_without_a_journal_the_record_is_kept_alone(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path)
    setup: CallSetup = play.conversation.facts.setup
    keeping = CallKeeping(setup, play.conversation, STARTED)
    for now, event, commands in play.log:
        keeping.observe(now, event, commands)
    keeping.close(COMPLETED, 1.0)
    assert keeping.record.outcome == COMPLETED


def test_calls_lie_in_a_folder_per_day_of_utc() -> None:
    late = datetime.datetime(2026, 11, 21, 23, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-5)))
    assert day_folder("/records", late) == Path("/records/2026-11-22")


# --- the log -------------------------------------------------------------------------------------------------------
@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as found:
        yield found


def test_each_answer_is_logged_with_where_the_time_went(tmp_path: Path, logs: list[dict[str, object]]) -> None:
    play = KeptPlaybook(tmp_path)
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("Yes?", at=5.0)
    play.play_out()
    answered = [entry for entry in logs if entry["event"] == "turn answered"]
    assert [entry["turn"] for entry in answered] == [0, 1]
    assert answered[1]["total"] == pytest.approx(1.4)
    assert answered[1]["endpointing"] == pytest.approx(0.8)
    assert answered[1]["pii.caller"] == "hello"


def test_a_sensitive_answer_is_not_logged_even_where_personal_data_is(
    tmp_path: Path, logs: list[dict[str, object]]
) -> None:
    play = KeptPlaybook(tmp_path)
    play.greet("Your PIN, please", ASK)
    play.speak("zebra walrus", at=3.0)
    play.reply("Thank you", at=7.0)
    play.play_out()
    assert "zebra" not in str(logs)
