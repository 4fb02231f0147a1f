"""Where the time of a turn goes: the parts sum to the time from the caller's last sound to the first of the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.actions import Fail, Listen, Menu, MenuOption, Pause, Play, Record, Say
from gateway.events import (
    BotFailed,
    CallAnswered,
    CallOffered,
    DigitPressed,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    Transcript,
    TranscriptUpdated,
)
from gateway.interfaces import BackendCapabilities
from gateway.records.record import CallRecord, Turn
from gateway.records.waterfall import STAGES, Waterfall
from tests.fakes.journalling import KeptPlaybook

TOLERANCE = 0.020


@pytest.fixture
def play(tmp_path: Path) -> KeptPlaybook:
    return KeptPlaybook(tmp_path)


def last(play: KeptPlaybook) -> Turn:
    turn: Turn = play.record.turns[-1]
    return turn


def sound(play: KeptPlaybook, *, at: float, ready: float = 0.0) -> None:
    """The first outstanding prompt becomes audible."""
    play(PromptStarted(prompt_id=next(iter(play.outstanding)), ready=ready), at=at)


def assert_sums(turn: Turn, *, stopped: float, sent: float) -> None:
    """The parts make up the wall time between the two moments."""
    assert turn.waterfall.total == pytest.approx(sent - stopped, abs=TOLERANCE)
    assert sum(turn.waterfall.stages().values()) == pytest.approx(sent - stopped, abs=TOLERANCE)


def test_a_spoken_turn_has_every_part(play: KeptPlaybook) -> None:
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.6), at=4.0)
    play.until(4.4)  # 0.8 s of silence end a free turn
    play(TranscriptUpdated(stream=1, transcript=Transcript(text="hello", final=True)), at=4.55)
    play(RecognitionEnded(stream=1), at=4.6)
    play.reply("Yes?", at=5.1)
    sound(play, at=5.4, ready=0.2)
    assert last(play).waterfall.stages() == pytest.approx(
        {"endpointing": 0.8, "recognition": 0.15, "handover": 0.05, "bot": 0.5, "synthesis": 0.2, "playout": 0.1}
    )
    assert tuple(last(play).waterfall.stages()) == STAGES
    assert_sums(last(play), stopped=3.6, sent=5.4)


def test_the_times_of_a_turn_are_listed_in_the_record(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    asked = play.now
    play.reply("Yes?", at=5.0)
    sound(play, at=5.3, ready=0.25)
    written = last(play).to_json()
    assert written["at"] == {
        "stopped": 3.6,
        "endpoint": pytest.approx(4.4),
        "transcript": pytest.approx(asked),
        "asked": pytest.approx(asked),
        "answered": 5.0,
        "ready": 5.25,
        "sent": 5.3,
    }
    assert written["answer_seconds"] == pytest.approx(1.7)


def test_a_text_that_comes_before_the_endpoint_costs_no_time(play: KeptPlaybook) -> None:
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.6), at=3.7)
    play(TranscriptUpdated(stream=1, transcript=Transcript(text="hello", final=True)), at=3.9)
    play(RecognitionEnded(stream=1), at=4.0)
    play.until(4.5)
    play.reply("Yes?", at=5.0)
    sound(play, at=5.1)
    assert last(play).waterfall.stages()["recognition"] == 0
    assert_sums(last(play), stopped=3.6, sent=5.1)


def test_a_text_that_never_comes_is_recognition_time(play: KeptPlaybook) -> None:
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(TranscriptUpdated(stream=1, transcript=Transcript(text="hello", final=False)), at=3.4)
    play(SpeechStopped(at=3.6), at=3.7)
    play.until(6.5)
    assert last(play).waterfall.stages() == pytest.approx({"endpointing": 0.8, "recognition": 2.0, "handover": 0.0})


def test_a_turn_that_a_model_closes_while_the_voice_goes_on(play: KeptPlaybook) -> None:
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    done = Transcript(text="goodbye", final=True, ends_turn=True)
    play(TranscriptUpdated(stream=1, transcript=done), at=3.5)
    play.reply("Bye", at=3.7)
    sound(play, at=3.9)
    assert_sums(last(play), stopped=3.5, sent=3.9)


def test_keys_with_a_terminator_count_from_the_terminator(play: KeptPlaybook) -> None:
    play.greet()
    for index, key in enumerate("12#"):
        play(DigitPressed(digit=key), at=3.0 + index)
    play.reply("Thanks", at=5.5)
    sound(play, at=5.8)
    assert "recognition" not in last(play).waterfall.stages()
    assert_sums(last(play), stopped=5.0, sent=5.8)


@pytest.mark.parametrize("wants_digits", [False, True])
def test_keys_without_a_terminator_count_from_the_last_key(tmp_path: Path, wants_digits: bool) -> None:
    play = KeptPlaybook(tmp_path, backend=BackendCapabilities(wants_digits=wants_digits))
    play.greet()
    play(DigitPressed(digit="1"), at=3.0)
    play.until(6.1)
    play.reply("Thanks", at=6.5)
    sound(play, at=6.6)
    assert last(play).waterfall.stages()["endpointing"] == pytest.approx(3.0)
    assert_sums(last(play), stopped=3.0, sent=6.6)


@pytest.mark.parametrize("by", ["key", "speech"])
def test_a_choice_from_a_menu(play: KeptPlaybook, by: str) -> None:
    options = (MenuOption(id="s", label="sales"), MenuOption(id="h", label="support"))
    play.greet("Hello", Menu(menu_id="m", options=options))
    if by == "key":
        play(DigitPressed(digit="2"), at=5.0)
    else:
        play.speak("support", at=4.4, seconds=0.6)
    play.reply("Support it is", at=6.2)
    sound(play, at=6.4)
    assert last(play).kind == "choice"
    assert_sums(last(play), stopped=5.0, sent=6.4)


def test_a_filler_is_not_the_answer(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.until(play.now + 1.6)
    sound(play, at=play.now)
    assert last(play).waterfall.sent is None
    play.play_out()
    play.reply("At last", at=play.now + 1)
    answered = play.now
    sound(play, at=answered + 0.2)
    assert_sums(last(play), stopped=3.6, sent=answered + 0.2)


def test_an_answer_that_comes_while_the_filler_plays_waits_for_it(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.until(play.now + 1.6)
    (filler,) = play.outstanding
    play.reply("At last")
    play(PromptStarted(prompt_id=filler), at=play.now + 0.1)
    assert last(play).waterfall.sent is None
    play(PromptEnded(prompt_id=filler, result="played", seconds=1.0), at=play.now + 1)
    sound(play, at=play.now)
    assert last(play).waterfall.stages()["playout"] == pytest.approx(1.1)
    assert_sums(last(play), stopped=3.6, sent=play.now)


def test_a_waiting_message_of_the_bots_is_the_first_of_its_answer(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.reply(Say(text="One moment", role="waiting"), Pause(seconds=2), "Here it is", at=5.0)
    sound(play, at=5.2)
    assert_sums(last(play), stopped=3.6, sent=5.2)


def test_silence_is_no_audio(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.reply(Pause(seconds=0.5), "Here it is", at=5.0)
    pause, _ = play.outstanding
    play(PromptStarted(prompt_id=pause), at=5.1)
    play(PromptEnded(prompt_id=pause, result="played", seconds=0.5), at=5.6)
    sound(play, at=5.6, ready=0.3)
    assert_sums(last(play), stopped=3.6, sent=5.6)


def test_a_file_is_audio(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.reply(Play(url="https://example.com/a.wav"), at=5.0)
    sound(play, at=5.2)
    assert_sums(last(play), stopped=3.6, sent=5.2)


def test_what_is_said_on_silence_is_not_the_answer_to_a_turn_answered_by_silence(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0)
    play.reply(at=5.0)
    play.until(play.now + 8)
    assert play.outstanding
    sound(play, at=play.now + 0.1)
    assert last(play).waterfall.answered == 5.0
    assert last(play).waterfall.sent is None


def test_an_apology_is_no_answer(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0)
    play(BotFailed(turn=1))
    sound(play, at=play.now + 0.1)
    assert last(play).waterfall.answered is None
    play.play_out()
    play.speak("hello?", at=play.now + 1)
    play.reply(Fail(kind="protocol"))
    sound(play, at=play.now + 0.1)
    assert last(play).waterfall.answered is None
    assert last(play).waterfall.sent is None


def test_notes_alone_are_no_answer(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0)
    play.reply(Record(kind="note", data={}), done=False, at=5.0)
    assert last(play).waterfall.answered is None
    play.reply("Now", at=6.0)
    assert last(play).waterfall.answered == 6.0


def test_a_stale_batch_answers_nothing(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("Yes?", at=5.0)
    play.play_out()
    play.speak("are you there", at=play.now + 1)
    play.reply("Too late", turn=1)
    assert [turn.waterfall.answered for turn in play.record.turns[1:]] == [5.0, None]


def test_an_answer_to_a_turn_that_was_given_up_is_none(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path, number={"answer_timeout": 2, "filler_after": 60})
    play.greet()
    play.speak("hello", at=3.0)
    play.until(play.now + 3)
    play.reply("Too late", turn=1)
    assert last(play).waterfall.answered is None


def test_an_unasked_batch_later_on_is_no_answer(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0)
    play.reply(Listen(), at=5.0)
    play.reply("By the way", turn=None, at=7.0)
    sound(play, at=7.1)
    assert last(play).waterfall.answered == 5.0
    assert last(play).waterfall.sent is None


def test_a_bot_that_cannot_tell_turns_answers_with_any_batch(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.reply("Here", turn=None, at=5.0)
    sound(play, at=5.2)
    assert_sums(last(play), stopped=3.6, sent=5.2)


def test_an_interrupted_answer_keeps_its_own_times(play: KeptPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0, seconds=0.6)
    play.reply("A long story", at=5.0)
    sound(play, at=5.2)
    play(SpeechStarted(at=6.0), at=6.1)
    play(SpeechSustained(at=6.3, voiced=0.3), at=6.4)
    play.report_stopped(seconds=1.2, heard="A long")
    play(TranscriptUpdated(stream=play.stream, transcript=Transcript(text="stop", final=True)), at=6.8)
    play(SpeechStopped(at=6.9), at=7.0)
    play(RecognitionEnded(stream=play.stream), at=7.8)
    play.until(8.0)
    first, second = play.record.turns[1:]
    assert_sums(first, stopped=3.6, sent=5.2)
    assert (first.cut, first.heard, second.barged_in) == (True, ["A long"], True)
    play.reply("Yes?", at=8.5)
    sound(play, at=8.7)
    assert_sums(second, stopped=6.9, sent=8.7)


def test_the_greeting_counts_from_the_offer(play: KeptPlaybook) -> None:
    play(CallOffered())
    play.reply("Welcome", at=0.05)
    play(CallAnswered(), at=0.1)
    sound(play, at=0.16, ready=0.04)
    assert_sums(last(play), stopped=0.0, sent=0.16)


def test_the_announcement_of_the_recording_is_not_the_greeting() -> None:
    assert announced_greeting(has_announcement=True) == [None, 3.2]


def test_without_an_announcement_the_first_prompt_is_the_greeting() -> None:
    assert announced_greeting(has_announcement=False) == [1.2, 1.2]


def announced_greeting(*, has_announcement: bool) -> list[float | None]:
    """When the greeting counts as heard: after the first prompt has begun, and after the second."""
    from tests.fakes.playbook import Playbook

    play = Playbook(number={"recording": {"mode": "on", "announce": "Recorded."}}, has_recording=True)
    play(CallOffered())
    play.reply("Welcome", at=0.05)
    play(CallAnswered(), at=1.0)
    first, second = play.outstanding
    play(PromptStarted(prompt_id=first), at=1.2)
    steps = len(play.log)
    play(PromptStarted(prompt_id=second), at=3.2)
    found = []
    for upto in (steps, len(play.log)):
        record = CallRecord(play.conversation.facts.setup.info, "", has_announcement=has_announcement)
        for now, event, commands in play.log[:upto]:
            record.observe(now, event, commands)
        found.append(record.turns[0].waterfall.sent)
    return found


def test_a_clock_that_runs_backwards_gives_no_negative_parts() -> None:
    marks = Waterfall(stopped=2.0, endpoint=1.0, transcript=0.5, asked=2.5, answered=2.4, ready=3.0, sent=3.5)
    assert min(marks.stages().values()) == 0
    assert sum(marks.stages().values()) == pytest.approx(marks.total)
