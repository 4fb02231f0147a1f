"""The far side puts a call on hold and takes it up again: no clock of the conversation moves meanwhile."""

from __future__ import annotations

from gateway.actions import Hangup, Say
from gateway.call.commands import (
    CloseEar,
    CloseLeg,
    EndCall,
    OpenEar,
    PausePlayout,
    ResumePlayout,
    StartPrompt,
    StopPlayout,
)
from gateway.call.facts import State
from gateway.events import (
    BotFailed,
    DigitPressed,
    HoldChanged,
    LegClosed,
    OperatorAsked,
    PromptEnded,
    SpeechStarted,
    SpeechSustained,
)
from tests.fakes.playbook import Playbook

HELD, RESUMED = HoldChanged(held=True), HoldChanged(held=False)


def speaking(play: Playbook) -> Playbook:
    play.begin()
    play.reply("A long answer to your question", at=0.1)
    play.start_prompt(at=1.0)
    return play


def test_a_prompt_stops_while_held_and_goes_on_at_its_next_sample() -> None:
    play = speaking(Playbook())
    play(HELD, at=2.0).expect(PausePlayout())
    assert play.state is State.HELD
    play.until(600.0).refuse(StopPlayout, ResumePlayout, StartPrompt)
    play(RESUMED, at=600.0).expect(ResumePlayout())
    assert play.state is State.SPEAKING


def test_nobody_listens_while_held_and_the_wait_for_an_answer_begins_afresh() -> None:
    play = Playbook(number={"no_input": {"timeout": 7, "retries": 1}})
    play.greet()
    play(HELD, at=5.0).expect(CloseEar)
    play.until(300.0).refuse(StartPrompt, OpenEar)
    play(RESUMED, at=300.0).expect(OpenEar)
    play.until(306.9).refuse(StartPrompt)
    play.until(307.1).expect(StartPrompt)


def test_no_stream_begins_with_the_music_that_was_played_to_us() -> None:
    play = Playbook()
    play.greet()
    play(HELD, at=5.0)
    play(SpeechStarted(at=6.0), at=6.1)
    (opened,) = [c for c in play(RESUMED, at=40.0) if isinstance(c, OpenEar)]
    assert opened.since == 40.0
    assert play.state is State.LISTENING


def test_what_the_bot_says_meanwhile_waits() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    play(HELD, at=5.0)
    assert play.reply("Answer one", at=6.0).prompts == []
    assert play(RESUMED, at=50.0).prompts == ["Answer one"]


def test_a_bot_that_is_waited_for_is_given_no_less_time() -> None:
    play = Playbook(number={"filler_after": 2.0, "answer_timeout": 10})
    play.greet()
    play.speak("one", at=3.0)
    assert play.state is State.THINKING
    at = play.now
    play(HELD, at=at + 1.0)
    play.until(at + 500.0).refuse(StartPrompt)
    play(RESUMED, at=at + 500.0).refuse(StartPrompt)
    play.until(at + 500.9).refuse(StartPrompt)
    play.until(at + 501.1).expect(StartPrompt)  # the filler


def test_what_the_caller_had_said_is_his_turn_after_it() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechSustained(at=3.5, voiced=0.3), at=3.5)
    play.recognize("the second", at=3.6)
    play(HELD, at=3.7)
    play.until(60.0)
    assert play.every.sent[-1].__class__.__name__ != "UserText"
    play(RESUMED, at=60.0)
    play.until(65.0)
    assert play.every.sent[-1].text == "the second"


def test_a_noise_before_it_is_no_turn() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(HELD, at=3.2)
    play(RESUMED, at=60.0)
    assert play.state is State.LISTENING


def test_keys_that_were_pressed_wait_for_the_rest() -> None:
    play = Playbook(number={"digits": {"interdigit_timeout": 3}})
    play.greet()
    play(DigitPressed(digit="4"), at=5.0)
    play(HELD, at=6.0)
    play(RESUMED, at=90.0)
    play(DigitPressed(digit="2"), at=91.0)
    play.until(95.0)
    assert play.every.sent[-1].text == "42"


def test_a_reversible_barge_in_is_over() -> None:
    play = speaking(Playbook(number={"barge_in": {"confirm_within": 0.6}}))
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3).expect(PausePlayout())
    play(HELD, at=2.5).refuse(PausePlayout)
    play.until(30.0).refuse(ResumePlayout)
    play(RESUMED, at=30.0).expect(ResumePlayout())
    assert play.state is State.SPEAKING


def test_a_prompt_that_was_being_stopped_is_and_the_next_waits() -> None:
    play = speaking(Playbook())
    play(DigitPressed(digit="1"), at=2.0).expect(StopPlayout())
    play(HELD, at=2.05)
    assert play.state is State.STOPPING
    (prompt,) = play.outstanding
    play(PromptEnded(prompt_id=prompt, result="stopped", seconds=1.0), at=2.1).expect(PausePlayout())
    assert play.state is State.HELD


def test_what_goes_wrong_is_said_when_somebody_hears_it() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    play(HELD, at=5.0)
    apology = play(BotFailed(turn=play.conversation.facts.turn), at=6.0)
    assert len(apology.prompts) == 1  # behind a playout that is paused
    assert play.state is State.HELD
    play(RESUMED, at=9.0).expect(ResumePlayout())
    assert play.state is State.SPEAKING


def test_a_hang_up_the_bot_asks_for_waits_for_its_goodbye_to_be_heard() -> None:
    play = Playbook()
    play.greet()
    play.speak("bye", at=3.0)
    play(HELD, at=5.0)
    play.reply("Goodbye", Hangup(), at=6.0).refuse(CloseLeg)
    play(RESUMED, at=9.0).expect(StartPrompt)
    play.play_out(at=10.0).expect(CloseLeg)


def test_an_operators_hang_up_does_not_wait() -> None:
    play = speaking(Playbook())
    play(HELD, at=2.0)
    play(OperatorAsked(), at=3.0).expect(CloseLeg)


def test_a_caller_who_is_gone_ends_it() -> None:
    play = speaking(Playbook())
    play(HELD, at=2.0)
    play(LegClosed(), at=3.0).expect(StopPlayout())
    assert play.until(5.0).outcome is not None


def test_the_longest_call_runs_on_and_ends_without_a_word_to_nobody() -> None:
    play = Playbook(number={"max_call": 100})
    play.greet()
    play(HELD, at=5.0)
    ended = play.until(101.0)
    assert ended.prompts == []
    assert isinstance(ended[-1], EndCall)
    assert ended.outcome is not None
    assert ended.outcome.result == "too_long"


def test_saying_it_twice_changes_nothing() -> None:
    play = speaking(Playbook())
    assert play(RESUMED, at=1.5) == []
    play(HELD, at=2.0)
    assert play(HELD, at=3.0) == []
    play(RESUMED, at=4.0).expect(ResumePlayout())
    assert play(RESUMED, at=5.0) == []


def test_the_record_says_for_how_long() -> None:
    play = speaking(Playbook())
    play(HELD, at=2.0)
    play(RESUMED, at=7.5)
    assert play.every.kept("held") == [{}]
    assert play.every.kept("resumed") == [{"seconds": 5.5}]


def test_a_bot_may_say_something_unasked_meanwhile() -> None:
    play = Playbook()
    play.greet()
    play(HELD, at=5.0)
    assert play.reply(Say(text="By the way"), at=6.0).prompts == []
    assert play(RESUMED, at=7.0).prompts == ["By the way"]
