"""The truth table of barge-in, and interruptions as plays."""

from __future__ import annotations

import itertools

import pytest

from config.call import BargeInSection
from gateway.actions import Action, Hangup, Listen, Release, Say, Transfer
from gateway.call.bargein import Attempt, Verdict, judge
from gateway.call.commands import AbandonTurn, FinishUtterance, PausePlayout, ResumePlayout, SendToBot, StopPlayout
from gateway.call.facts import State
from gateway.caller_events import PlaybackDone, UserText
from gateway.events import (
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
from gateway.speech_interfaces import RecognizerCapabilities
from tests.fakes.playbook import Playbook

BOTH = ("speech", "digits")


def verdict(
    *,
    by: str,
    allowed: tuple[str, ...] = BOTH,
    voiced: float = 0.3,
    words: int = 0,
    age: float | None = 1.0,
    interruptible: bool = True,
    **rules: float,
) -> Verdict:
    attempt = Attempt(
        by="digits" if by == "digits" else "speech",
        voiced=voiced,
        words=words,
        prompt_age=age,
        interruptible=interruptible,
    )
    permitted = [one for one in ("speech", "digits") if one in allowed]
    return judge(attempt, BargeInSection.model_validate(rules), permitted)  # type: ignore[arg-type]  # one of a table of tests


@pytest.mark.parametrize(
    ("by", "allowed", "age", "interruptible"),
    list(itertools.product(BOTH, [BOTH, ("speech",), ("digits",), ()], [None, 0.1, 0.3, 2.0], [True, False])),
)
def test_both_ways_need_permission_an_interruptible_prompt_and_the_end_of_protection(
    by: str, allowed: tuple[str, ...], age: float | None, interruptible: bool
) -> None:
    permitted = by in allowed and interruptible and age is not None and age >= 0.3
    expected = Verdict.STOP if permitted else Verdict.NO
    assert verdict(by=by, allowed=allowed, age=age, interruptible=interruptible) is expected


@pytest.mark.parametrize(
    ("voiced", "words", "min_words", "confirm", "expected"),
    [
        (0.20, 0, 0, 0.0, Verdict.NO),
        (0.25, 0, 0, 0.0, Verdict.STOP),
        (0.25, 0, 0, 0.6, Verdict.PAUSE),
        (0.20, 1, 0, 0.6, Verdict.STOP),
        (2.00, 0, 2, 0.0, Verdict.NO),
        (2.00, 1, 2, 0.0, Verdict.NO),
        (0.10, 2, 2, 0.0, Verdict.STOP),
        (2.00, 0, 1, 0.6, Verdict.NO),
        (2.00, 2, 2, 0.6, Verdict.STOP),
    ],
)
def test_speech_needs_voice_or_words(
    voiced: float, words: int, min_words: int, confirm: float, expected: Verdict
) -> None:
    assert verdict(by="speech", voiced=voiced, words=words, min_words=min_words, confirm_within=confirm) is expected


def speaking(play: Playbook, text: str = "A long answer to your question") -> Playbook:
    """The bot has been audible since 1.0."""
    play.begin()
    play.reply(text, at=0.1)
    play.start_prompt(at=1.0)
    return play


def test_voice_interrupts_and_the_turn_is_sent_after_the_account_of_what_was_heard() -> None:
    play = speaking(Playbook())
    play(SpeechStarted(at=2.0), at=2.1).refuse(StopPlayout)
    play(SpeechSustained(at=2.25, voiced=0.25), at=2.26).expect(StopPlayout())
    assert play.state is State.STOPPING
    stopped = play.report_stopped(at=2.3, seconds=1.27, heard="A long answer")
    stopped.expect(SendToBot(event=PlaybackDone(turn=0, complete=False, played=1.27, heard_text="A long answer")))
    assert play.state is State.HEARING
    play(SpeechStopped(at=2.8), at=3.3)
    play.until(3.61)
    play(TranscriptUpdated(stream=play.stream, transcript=Transcript(text="stop", final=True)), at=3.7)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert isinstance(event, UserText)
    assert event.barged_in


def test_speech_in_the_protected_time_interrupts_when_it_goes_on() -> None:
    play = speaking(Playbook(number={"barge_in": {"protect": 0.5}}))
    play(SpeechStarted(at=1.1), at=1.2)
    play(SpeechSustained(at=1.35, voiced=0.25), at=1.36).refuse(StopPlayout)
    play(SpeechSustained(at=1.6, voiced=0.5), at=1.61).expect(StopPlayout())


def test_speech_that_may_not_interrupt_is_the_answer_once_the_prompt_has_ended() -> None:
    play = speaking(Playbook(number={"barge_in": {"by": ["digits"]}, "hear_during_prompt": ["speech", "digits"]}))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3).refuse(StopPlayout)
    play(SpeechStopped(at=2.6), at=3.1)
    play(TranscriptUpdated(stream=play.stream, transcript=Transcript(text="yes", final=True)), at=3.2)
    finished = play.play_out(at=4.0)
    finished.expect(FinishUtterance(stream=play.stream))
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.text == "yes"
    assert not event.barged_in


def test_speech_that_is_not_recognised_during_the_prompt_is_dropped() -> None:
    play = speaking(Playbook(number={"barge_in": {"by": ["digits"]}}))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechStopped(at=2.6), at=3.1)
    play.play_out(at=4.0)
    assert play.state is State.LISTENING


def test_noise_that_stopped_a_prompt_is_a_no_match() -> None:
    play = speaking(Playbook(number={"no_input": {"prompts": ["Pardon?"]}}))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3)
    play.report_stopped(at=2.35)
    play(SpeechStopped(at=2.5), at=3.0)
    play.until(3.31)
    assert play(RecognitionEnded(stream=play.stream), at=3.4).prompts == ["Pardon?"]


def test_noise_that_did_not_stop_the_prompt_is_nothing() -> None:
    play = speaking(Playbook(number={"barge_in": {"min_words": 1}}))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3).refuse(StopPlayout)
    play(SpeechStopped(at=2.5), at=3.0)
    play.play_out(at=4.0)
    assert play(RecognitionEnded(stream=play.stream)).prompts == []
    assert play.state is State.LISTENING


def test_min_words_waits_for_a_partial() -> None:
    play = speaking(Playbook(number={"barge_in": {"min_words": 2}}))
    play(SpeechStarted(at=2.0), at=2.1)
    one = Transcript(text="no", final=False)
    play(TranscriptUpdated(stream=play.stream, transcript=one), at=2.4).refuse(StopPlayout)
    two = Transcript(text="no wait", final=False)
    play(TranscriptUpdated(stream=play.stream, transcript=two), at=2.6).expect(StopPlayout())


# --- reversible ----------------------------------------------------------------------------------------------------
def paused(play: Playbook) -> Playbook:
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3).expect(PausePlayout())
    assert play.state is State.PAUSED
    return play


def test_a_pause_without_words_is_taken_back_and_opens_no_turn() -> None:
    play = paused(speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}})))
    play.until(2.91).expect(ResumePlayout())
    assert play.state is State.SPEAKING
    play(SpeechSustained(at=3.0, voiced=0.5), at=3.0).refuse(PausePlayout, StopPlayout)
    play(SpeechStopped(at=3.2), at=3.6)
    play.play_out(at=5.0)
    assert play.state is State.LISTENING


def test_a_word_in_the_pause_stops_the_prompt() -> None:
    play = paused(speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}})))
    word = Transcript(text="wait", final=False)
    play(TranscriptUpdated(stream=play.stream, transcript=word), at=2.6).expect(StopPlayout())


def test_a_word_after_the_pause_was_taken_back_still_stops_the_prompt() -> None:
    play = paused(speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}})))
    play.until(2.95)
    word = Transcript(text="wait", final=False)
    play(TranscriptUpdated(stream=play.stream, transcript=word), at=3.0).expect(StopPlayout())


def test_without_partials_the_time_to_confirm_counts_from_the_end_of_the_speech() -> None:
    no_partials = RecognizerCapabilities(partials=False)
    play = paused(speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}}, recognizer=no_partials)))
    play.until(4.0).refuse(ResumePlayout)
    play(SpeechStopped(at=3.9), at=4.1).expect(FinishUtterance)
    play(RecognitionEnded(stream=play.stream), at=4.3).expect(ResumePlayout())


def test_a_key_in_the_pause_stops_the_prompt() -> None:
    play = paused(speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}})))
    play(DigitPressed(digit="1"), at=2.5).expect(StopPlayout())


# --- what else an interruption does --------------------------------------------------------------------------------
def test_an_interruption_drops_the_speech_that_had_arrived_and_abandons_the_turn() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("One", "Two", done=False, at=5.0)
    play.start_prompt(at=5.0)
    play(DigitPressed(digit="1"), at=6.0).expect(AbandonTurn(turn=1), StopPlayout())
    play.report_stopped(at=6.05)
    assert play.reply("Three", turn=1, at=6.1).prompts == []


def test_a_waiting_message_cannot_be_interrupted() -> None:
    play = Playbook()
    play.begin()
    play.reply(Say(text="Please hold", role="waiting"), "The answer", at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="1"), at=1.0).refuse(StopPlayout)


def test_the_greeting_can_be_made_uninterruptible() -> None:
    play = speaking(Playbook(number={"barge_in": {"exempt": ["greeting"]}}))
    play(DigitPressed(digit="1"), at=2.0).refuse(StopPlayout)


LEAVING = [Hangup(), Transfer(transfer_id="t", target="sip:100@pbx"), Release()]


@pytest.mark.parametrize("leaving", LEAVING, ids=lambda action: type(action).__name__)
def test_words_before_a_hang_up_or_a_transfer_cannot_be_interrupted(leaving: Action) -> None:
    play = Playbook(number={"barge_in": {"exempt": []}})
    play.begin()
    play.reply("Goodbye", leaving, at=0.1)
    play.start_prompt(at=0.2)
    play(SpeechStarted(at=1.0), at=1.1)
    play(SpeechSustained(at=1.3, voiced=0.3), at=1.3).refuse(StopPlayout)


@pytest.mark.parametrize(("listen", "interrupts"), [(True, True), (False, False)])
def test_the_question_may_widen_or_narrow_what_interrupts(listen: bool, interrupts: bool) -> None:
    play = Playbook(number={"barge_in": {"by": [] if listen else ["speech", "digits"]}})
    play.begin()
    play.reply(Listen(barge_in=listen), "A question", at=0.1)
    play.start_prompt(at=0.2)
    pressed = play(DigitPressed(digit="1"), at=1.0)
    assert any(isinstance(command, StopPlayout) for command in pressed) is interrupts


def test_a_retry_prompt_can_be_interrupted() -> None:
    play = Playbook(number={"no_input": {"prompts": ["Are you there?"]}})
    play.greet()
    play.until(play.now + 7.01)
    play.start_prompt()
    play(DigitPressed(digit="1"), at=play.now + 1).expect(StopPlayout())


def test_speech_while_the_bot_thinks_can_interrupt_its_answer() -> None:
    play = Playbook(number={"thinking_input": "barge_in"})
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechSustained(at=5.3, voiced=0.3), at=5.3)
    play.reply("Answer", at=5.6)
    play.start_prompt(at=5.7).expect(StopPlayout())


def test_speech_over_a_filler_can_interrupt_the_answer_behind_it() -> None:
    play = Playbook(number={"thinking_input": "barge_in"})
    play.greet()
    play.speak("one", at=3.0)
    play.until(6.0)  # the filler has been due
    play.start_prompt(at=6.0)
    play(SpeechStarted(at=6.2), at=6.3)
    play(SpeechSustained(at=6.6, voiced=0.3), at=6.6).refuse(StopPlayout)
    play.reply("Answer", at=6.8)
    (filler, _) = play.outstanding
    ended = PromptEnded(prompt_id=filler, result="played", seconds=1.0, heard_text="One moment.")
    play(ended, at=7.0).expect(StopPlayout())


def test_speech_over_a_waiting_message_does_not_interrupt_the_answer_after_it() -> None:
    """Only what was said before the bot had answered at all is a matter of `thinking_input`."""
    play = Playbook(number={"thinking_input": "barge_in"})
    play.greet()
    play.speak("one", at=3.0)
    play.reply(Say(text="One moment.", role="waiting"), "Answer", at=5.0)
    waiting, answer = play.outstanding
    play.start_prompt(at=5.1)
    play(SpeechStarted(at=5.5), at=5.6)
    play(SpeechSustained(at=5.9, voiced=0.3), at=5.9)
    play(SpeechStopped(at=6.0), at=6.5)
    play(PromptEnded(prompt_id=waiting, result="played", seconds=2.0), at=7.0).refuse(StopPlayout)
    play(PromptStarted(prompt_id=answer), at=7.0).refuse(StopPlayout)


def test_fifty_interruptions_in_one_call_leave_nothing_behind() -> None:
    play = Playbook()
    play.greet()
    for turn in range(1, 51):
        play.speak("next", at=play.now + 1)
        play.reply("A long answer")
        play.start_prompt()
        play(SpeechStarted(at=play.now + 0.5), at=play.now + 0.6)
        play(SpeechSustained(at=play.now + 0.2, voiced=0.25), at=play.now + 0.2).expect(StopPlayout())
        play.report_stopped(at=play.now + 0.05)
        play(SpeechStopped(at=play.now), at=play.now + 0.5)
        play.until(play.now + 1.0)
        play(RecognitionEnded(stream=play.stream))
        play.play_out()
        assert play.conversation.facts.turn == turn
    assert play.state is State.LISTENING
    assert not play.conversation.facts.prompts
    assert len(play.conversation.facts.script) == 0
