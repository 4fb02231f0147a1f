"""What voice, words and keys do to a prompt at awkward moments; the rules themselves are in `test_bargein`."""

from __future__ import annotations

from typing import Any

from gateway.actions import Hangup, RecognizerChoice, Say, SetSpeech
from gateway.call.commands import (
    AbandonTurn,
    FinishUtterance,
    OpenEar,
    PausePlayout,
    ResumePlayout,
    SendToBot,
    StopPlayout,
)
from gateway.call.facts import State
from gateway.caller_events import UserText
from gateway.events import (
    BotFailed,
    PromptEnded,
    RecognitionEnded,
    RecognizerFailed,
    SpeechCut,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
)
from gateway.interfaces import LegCapabilities
from gateway.speech_interfaces import RecognizerCapabilities
from tests.fakes.playbook import Playbook

REVERSIBLE: dict[str, Any] = {"barge_in": {"confirm_within": 0.6}}
NO_PARTIALS = RecognizerCapabilities(partials=False)


def speaking(play: Playbook, *more: Any) -> Playbook:
    """The bot has been audible since 1.0."""
    play.begin()
    play.reply("A long answer to your question", *more, at=0.1)
    play.start_prompt(at=1.0)
    return play


def voice(play: Playbook, *, at: float) -> None:
    """The caller speaks up, long enough to interrupt."""
    play(SpeechStarted(at=at), at=at + 0.1)
    play(SpeechSustained(at=at + 0.3, voiced=0.3), at=at + 0.3)


# --- words -----------------------------------------------------------------------------------------------------------
def test_the_text_of_what_was_said_before_the_prompt_does_not_interrupt_it() -> None:
    play = Playbook(number={"filler_after": 60})
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechStopped(at=5.5), at=6.0)
    play.reply("Answer one", at=6.1)
    play.start_prompt(at=6.2)
    play.recognize("two", final=False, at=7.0).refuse(StopPlayout)
    play.recognize("two", at=7.1).refuse(StopPlayout)
    play.play_out(at=8.0)
    play(RecognitionEnded(stream=play.stream))
    assert play.every.sent[-1].text == "two"


def test_the_text_of_what_was_said_over_the_prompt_interrupts_it_also_when_it_comes_late() -> None:
    play = speaking(Playbook(number={"barge_in": {"min_words": 1}}))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechStopped(at=2.5), at=2.9)
    play.recognize("no", at=3.5).expect(StopPlayout())


def test_words_before_anything_is_audible_interrupt_nothing() -> None:
    play = Playbook(number={"barge_in": {"min_words": 1}})
    play.begin()
    play.reply("Welcome", at=0.1)
    play(SpeechStarted(at=0.5), at=0.6)
    play.recognize("hello", at=0.9).refuse(StopPlayout)


def test_a_recognizer_without_partials_hears_the_turn_to_its_end() -> None:
    play = Playbook(recognizer=NO_PARTIALS)
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.5), at=3.9).refuse(FinishUtterance)
    play.until(4.31).expect(FinishUtterance)


# --- reversible ------------------------------------------------------------------------------------------------------
def test_after_a_pause_that_was_taken_back_the_next_words_may_pause_again() -> None:
    play = speaking(Playbook(number=REVERSIBLE))
    voice(play, at=2.0)
    play.until(2.91).expect(ResumePlayout())
    play(SpeechStopped(at=3.0), at=3.4)
    play(SpeechStarted(at=4.0), at=4.1)
    play(SpeechSustained(at=4.3, voiced=0.3), at=4.3).expect(PausePlayout())
    play.recognize("wait", final=False, at=4.5).expect(StopPlayout())


def test_while_a_prompt_is_paused_voice_alone_changes_nothing() -> None:
    play = speaking(Playbook(number=REVERSIBLE))
    voice(play, at=2.0)
    play(SpeechSustained(at=2.6, voiced=0.6), at=2.6).refuse(PausePlayout, StopPlayout)
    play(SpeechStopped(at=2.7), at=2.8).refuse(FinishUtterance)
    play.until(2.89).refuse(ResumePlayout)
    play.until(2.9).expect(ResumePlayout())


def test_only_text_of_this_turn_stops_a_paused_prompt() -> None:
    play = speaking(Playbook(number=REVERSIBLE))
    voice(play, at=2.0)
    play.recognize("wait", stream=99, at=2.4).refuse(StopPlayout)
    play.recognize("  ", final=False, at=2.5).refuse(StopPlayout)
    assert play.state is State.PAUSED


def test_words_after_the_pause_are_kept_although_the_caller_draws_breath() -> None:
    play = speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}}))
    voice(play, at=2.0)
    play.until(2.91).expect(ResumePlayout())
    play.recognize("a table", at=3.0).expect(StopPlayout())
    play.report_stopped(at=3.05)
    play(SpeechStopped(at=3.2), at=3.3)
    play(SpeechStarted(at=3.5), at=3.6)
    play(SpeechStopped(at=4.0), at=4.4)
    play.until(4.81)
    play.recognize("for two", at=4.9)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.text == "a table for two"
    assert event.barged_in


def test_a_recognizer_that_breaks_in_the_pause_lets_the_prompt_go_on() -> None:
    play = speaking(Playbook(number=REVERSIBLE))
    voice(play, at=2.0)
    broken = play(RecognizerFailed(stream=play.stream, reason="gone"), at=2.4)
    broken.expect(ResumePlayout(), OpenEar)
    assert broken.prompts == []
    assert play.state is State.SPEAKING


def test_a_recognizer_that_breaks_under_a_prompt_pauses_and_resumes_nothing() -> None:
    play = speaking(Playbook(number=REVERSIBLE))
    play(RecognizerFailed(stream=play.stream, reason="gone"), at=2.0).refuse(ResumePlayout, StopPlayout)


def test_a_pause_while_nobody_recognises_words_is_taken_back() -> None:
    number = {"barge_in": {"confirm_within": 0.6}, "hear_during_prompt": ["digits"]}
    play = speaking(Playbook(number=number))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3).expect(PausePlayout())
    play.until(2.91).expect(ResumePlayout())


def test_without_partials_a_caller_may_talk_into_a_pause_as_long_as_in_any_turn() -> None:
    play = speaking(Playbook(number={**REVERSIBLE, "max_length": 5}, recognizer=NO_PARTIALS))
    voice(play, at=2.0)
    play.until(7.29).refuse(ResumePlayout)
    play.until(7.3).expect(ResumePlayout())


def test_whether_partials_come_is_a_matter_of_the_stream_that_is_open() -> None:
    """The bot has asked for another recognizer meanwhile, which hears from the next stream on."""
    play = Playbook(number=REVERSIBLE, recognizer=NO_PARTIALS, others={"better": RecognizerCapabilities()})
    speaking(play)
    play(SpeechStarted(at=2.0), at=2.1)
    play.reply(SetSpeech(recognizer=RecognizerChoice(vendor="better")), turn=None, at=2.2)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3).expect(PausePlayout())
    play.until(4.0).refuse(ResumePlayout)
    play(SpeechStopped(at=3.9), at=4.1).expect(FinishUtterance)


# --- prompts that end, and the bot that leaves -----------------------------------------------------------------------
def test_what_was_said_ahead_does_not_cut_the_goodbye() -> None:
    play = Playbook(number={"thinking_input": "barge_in", "filler_after": 60})
    play.greet()
    play.speak("one", at=3.0)
    voice(play, at=5.0)
    play.reply("Goodbye", Hangup(), at=5.6)
    play.start_prompt(at=5.7).refuse(StopPlayout)


def test_noise_ahead_does_not_interrupt_the_answer() -> None:
    play = Playbook(number={"thinking_input": "barge_in", "filler_after": 60})
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechStopped(at=5.1), at=5.5)
    play.reply("Answer", at=5.6)
    play.start_prompt(at=5.7).refuse(StopPlayout)


def test_while_the_reports_are_waited_for_nothing_is_stopped_twice() -> None:
    play = speaking(Playbook(), Say(text="More of it"))
    voice(play, at=2.0)
    play(SpeechSustained(at=2.6, voiced=0.6), at=2.6).refuse(StopPlayout)
    play.recognize("stop", final=False, at=2.7).refuse(StopPlayout)
    play.press("1", at=2.8).refuse(StopPlayout)
    first, second = play.outstanding
    play(PromptEnded(prompt_id=first, result="stopped", seconds=1.0), at=2.9).refuse(SendToBot, StopPlayout)
    (done,) = play(PromptEnded(prompt_id=second, result="stopped"), at=2.95).sent
    assert (done.complete, done.played) == (False, 1.0)


def test_voice_over_the_fallback_stops_nothing() -> None:
    play = Playbook()
    play.greet()
    play(BotFailed(turn=None))
    play.start_prompt()
    play(SpeechStarted(at=play.now + 0.5), at=play.now + 0.6)
    play(SpeechSustained(at=play.now + 0.5, voiced=0.5), at=play.now + 0.5).refuse(StopPlayout)


# --- peers that speak for themselves ---------------------------------------------------------------------------------
def peer() -> Playbook:
    return Playbook(leg=LegCapabilities(hears_text=True, speaks_text=True))


def test_a_peer_that_was_interrupted_has_interrupted_the_bot() -> None:
    play = peer()
    play.greet()
    play.recognize("hello", ends_turn=True, at=3.0)
    play.reply("A long answer", "and more", done=False, at=4.0)
    play.start_prompt(at=4.1)
    play(SpeechCut(heard_text="A long"), at=6.0).expect(AbandonTurn(turn=1), StopPlayout())
    play(SpeechCut(heard_text="A long"), at=6.1).refuse(StopPlayout)
    play.report_stopped(heard="A long", at=6.2)
    (event,) = play.recognize("stop", ends_turn=True, at=6.5).sent
    assert isinstance(event, UserText)
    assert event.barged_in


def test_a_peer_that_was_interrupted_when_nothing_plays_has_interrupted_nothing() -> None:
    play = peer()
    play.greet()
    play.recognize("hello", ends_turn=True, at=3.0)
    play.reply("Well", done=False, at=4.0)
    play.play_out()
    assert play(SpeechCut(heard_text="Well")) == []
    assert play.reply("there is more", turn=1).prompts == ["there is more"]
