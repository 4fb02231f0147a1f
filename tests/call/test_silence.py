"""A caller who says nothing, or nothing that is understood: who is told, what is said, how often, and what then."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Listen, Say
from gateway.call.commands import CloseLeg, SendToBot, StopPlayout
from gateway.call.facts import State
from gateway.caller_events import NoInput
from gateway.events import DigitPressed, LegClosed
from gateway.interfaces import BackendCapabilities
from gateway.text.catalogue import Catalogue
from tests.fakes.playbook import Playbook

ENGLISH = Catalogue.for_language("en-GB")
TOLD = BackendCapabilities(wants_no_input=True)


def listening(*, backend: BackendCapabilities | None = None, **no_input: Any) -> Playbook:
    """A call in which the bot has greeted, and the caller has five seconds to speak."""
    play = Playbook(number={"no_input": {"timeout": 5, **no_input}, "idle_limit": 30}, backend=backend)
    play.greet()
    return play


def asked_again(play: Playbook, times: int) -> list[str]:
    """What the caller hears who goes on saying nothing."""
    said: list[str] = []
    for _ in range(times):
        said += play.until(play.now + 5.01).prompts
        play.play_out()
    return said


# --- what is said --------------------------------------------------------------------------------------------------
def test_each_silence_has_its_own_words_and_the_last_ones_are_repeated() -> None:
    play = listening(prompts=["Hello?", "Anybody?"], retries=3)
    assert asked_again(play, 3) == ["Hello?", "Anybody?", "Anybody?"]
    assert [kept["count"] for kept in play.every.kept("no_input")] == [1, 2, 3]
    assert not any(kept["exhausted"] for kept in play.every.kept("no_input"))


def test_where_there_is_nothing_to_repeat_the_gateway_asks_in_words_of_its_own() -> None:
    backend = BackendCapabilities(greets_first=False)
    play = Playbook(number={"no_input": {"timeout": 5, "retries": 2}}, backend=backend)
    play.begin()
    assert asked_again(play, 2) == [ENGLISH.say("no_input", variant=0), ENGLISH.say("no_input", variant=1)]


def test_the_gateways_own_question_can_be_interrupted() -> None:
    play = Playbook(number={"no_input": {"timeout": 5}}, backend=BackendCapabilities(greets_first=False))
    play.begin()
    play.until(5.1)
    play.start_prompt()
    play(DigitPressed(digit="1"), at=play.now + 1).expect(StopPlayout())


def test_noise_that_does_not_count_is_met_with_the_first_words_every_time() -> None:
    play = listening(prompts=["Pardon?", "Once more?"], retries=1, nomatch_counts=False)
    for _ in range(4):
        assert play.speak("", at=play.now + 1).prompts == ["Pardon?"]
        play.play_out()
    assert [kept["count"] for kept in play.every.kept("no_match")] == [0, 0, 0, 0]


def test_noise_that_does_not_count_is_met_with_the_gateways_first_words() -> None:
    number = {"no_input": {"timeout": 5, "nomatch_counts": False}}
    play = Playbook(number=number, backend=BackendCapabilities(greets_first=False))
    play.begin()
    for _ in range(2):
        assert play.speak("", at=play.now + 1).prompts == [ENGLISH.say("no_input", variant=0)]
        play.play_out()


def test_the_answer_is_repeated_whole_and_in_order() -> None:
    play = listening()
    play.speak("hello", at=play.now + 1)
    play.reply(Say(text="One."), Say(text="Two.", interruptible=False))
    play.play_out()
    play.reply("By the way.", turn=None)
    play.play_out()
    play.until(play.now + 5.01)
    assert play.every.prompts[-3:] == ["One.", "Two.", "By the way."]


def test_the_last_word_before_hanging_up_is_the_numbers_own() -> None:
    play = listening(retries=0, then="hangup", goodbye="Farewell.")
    assert play.until(play.now + 5.01).prompts == ["Farewell."]
    play.play_out().expect(CloseLeg(reason="no_input"))


# --- who is told ---------------------------------------------------------------------------------------------------
def test_a_bot_that_wants_to_know_is_told_of_every_silence_but_the_last() -> None:
    """Where the number says what comes after the last one, that is what comes."""
    play = listening(backend=TOLD, retries=1, then="hangup")
    told = play.until(play.now + 5.01)
    assert told.sent == [NoInput(turn=1, count=1, elapsed=5.0, exhausted=False)]
    assert told.prompts == []
    play.reply("Are you there?")
    play.play_out()
    play.until(play.now + 5.01).refuse(SendToBot).expect(CloseLeg(reason="no_input"))


def test_a_bot_that_wants_to_know_is_told_of_the_last_one_too_where_it_decides() -> None:
    play = listening(backend=TOLD, retries=1, then="event")
    play.until(play.now + 5.01)
    play.reply("Are you there?")
    play.play_out()
    told = play.until(play.now + 5.01)
    assert told.sent == [NoInput(turn=2, count=2, elapsed=5.0, exhausted=True)]


def test_after_the_bot_was_told_that_it_is_of_no_use_the_count_starts_again() -> None:
    play = listening(retries=1, then="event")
    for turn in (1, 2):
        assert play.until(play.now + 5.01).prompts
        play.play_out()
        assert play.until(play.now + 5.01).sent == [NoInput(turn=turn, count=2, elapsed=5.0, exhausted=True)]
        play.reply("Are you there?")
        play.play_out()


def test_noise_that_was_the_last_try_is_told_as_no_silence() -> None:
    play = listening(retries=0, then="event")
    (event,) = play.speak("", at=play.now + 1).sent
    assert event == NoInput(turn=1, count=1, elapsed=0.0, exhausted=True)


def test_the_bot_is_told_in_milliseconds_how_long_it_was_silent() -> None:
    play = listening(retries=0, then="event")
    play.reply(Listen(start_timeout=4.00044), turn=None)
    (event,) = play.until(play.now + 5.01).sent
    assert event.elapsed == 4.0


def test_a_caller_who_never_said_anything_has_abandoned_the_call_whatever_the_bot_was_told() -> None:
    play = listening(retries=0, then="event")
    play.until(play.now + 5.01).expect(SendToBot)
    outcome = play(LegClosed(by="caller")).outcome
    assert outcome is not None
    assert outcome.result == "abandoned"


# --- what then -----------------------------------------------------------------------------------------------------
def test_a_silence_that_the_bot_was_told_of_does_not_forgive_the_ones_before() -> None:
    play = listening(backend=TOLD, retries=2, then="hangup")
    for count in (1, 2):
        assert play.until(play.now + 5.01).sent[0].count == count
        play.reply("Are you there?")
        play.play_out()
    play.until(play.now + 5.01).expect(CloseLeg(reason="no_input"))


@pytest.mark.parametrize("silences", [1, 3])
def test_while_the_gateway_only_listens_on_noise_is_nothing(silences: int) -> None:
    play = listening(retries=0)
    play.until(play.now + 5.01)
    began = play.now
    assert play.state is State.IDLE
    for _ in range(silences):
        assert play.speak("", at=play.now + 1).prompts == []
    assert play.state is State.IDLE
    assert len(play.until(began + 30.1).prompts) == 1  # the fallback, when it is due


def test_listening_on_ends_on_time() -> None:
    play = listening(retries=0)
    began = play.now
    play.until(began + 5.0)
    assert play.until(began + 34.9).prompts == []
    assert len(play.until(began + 35.01).prompts) == 1


def test_a_word_of_the_bots_ends_listening_on() -> None:
    play = listening(retries=1)
    asked_again(play, 1)
    play.until(play.now + 5.01)
    assert play.state is State.IDLE
    play.reply("I have found it.", turn=None)
    play.play_out()
    assert play.state is State.LISTENING
