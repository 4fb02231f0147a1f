"""Keys: which make an answer, when it is complete, and what is typed ahead of a question."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Menu, MenuOption
from gateway.call.commands import AbandonTurn, CloseEar, CloseLeg, OpenEar, SendToBot, StartPrompt, StopPlayout
from gateway.call.digits import MAX_TYPED_AHEAD
from gateway.call.facts import State
from gateway.caller_events import UserChoice, UserText
from gateway.events import BotFailed, DigitPressed, LegClosed
from gateway.interfaces import BackendCapabilities
from tests.fakes.playbook import Playbook

COLOURS = ("red", "green", "blue", "white", "black", "pink", "grey", "brown", "gold", "silver")


def menu(count: int, *, max_digits: int = 1) -> Menu:
    options = tuple(MenuOption(id=colour, label=colour) for colour in COLOURS[:count])
    return Menu(menu_id="colours", options=options, max_digits=max_digits)


def texts(play: Playbook) -> list[str]:
    return [event.text for event in play.every.sent if isinstance(event, UserText)]


def uninterruptible(**number: Any) -> Playbook:
    """A long prompt plays, which keys do not stop."""
    play = Playbook(number={"barge_in": {"by": ["speech"]}, **number})
    play.begin()
    play.reply("A long question", at=0.1)
    play.start_prompt(at=0.2)
    return play


# --- an entry ------------------------------------------------------------------------------------------------------
def test_a_terminator_alone_is_no_answer() -> None:
    play = Playbook()
    play.greet()
    assert play.press("#", at=3.0).sent == []
    assert play.state is State.LISTENING
    play.press("#12#")
    assert texts(play) == ["12"]


def test_the_clear_key_alone_is_no_answer_and_the_caller_has_his_time_again() -> None:
    play = Playbook(number={"no_input": {"timeout": 7}})
    play.greet()
    began = play.now
    play.press("12*", at=began + 5)
    assert play.until(began + 11.9).prompts == []
    assert play.until(began + 12.3).prompts == ["Welcome"]
    assert texts(play) == []


def test_an_entry_is_complete_with_its_last_key() -> None:
    play = Playbook(number={"digits": {"max_digits": 4}})
    play.greet()
    play.press("123", at=3.0).refuse(SendToBot)
    play.press("4").expect(SendToBot)
    assert texts(play) == ["1234"]


def test_an_answer_in_keys_tells_when_its_last_key_went_down() -> None:
    play = Playbook()
    play.greet()
    play(DigitPressed(digit="7"), at=3.0)
    (event,) = play.until(6.1).sent
    assert event == UserText(turn=1, text="7", source="digits", ended_at=3.0)


def test_a_pause_in_more_decimals_than_the_clock_has_is_over_as_well() -> None:
    play = Playbook(number={"digits": {"interdigit_timeout": 0.2000004}})
    play.greet()
    play.press("7", at=3.0)
    play.until(4.0)
    assert texts(play) == ["7"]


def test_keys_close_the_ear_until_they_are_an_answer() -> None:
    play = Playbook()
    play.greet()
    play(DigitPressed(digit="5"), at=3.0).expect(CloseEar).refuse(OpenEar)
    assert play.state is State.DIGITS


def test_silence_is_no_reproach_to_a_caller_who_is_typing() -> None:
    play = Playbook(number={"no_input": {"timeout": 4}, "digits": {"interdigit_timeout": 3}})
    play.greet()
    began = play.now
    for second in (3.9, 6.0, 8.0):
        assert play(DigitPressed(digit="1"), at=began + second).prompts == []
    play.until(began + 11.1)
    assert texts(play) == ["111"]


# --- menus ---------------------------------------------------------------------------------------------------------
def test_a_key_that_is_no_option_is_the_bots_to_judge() -> None:
    play = Playbook()
    play.greet("Hello", menu(2))
    (event,) = play.press("7", at=5.0).sent
    assert (event.text, event.source) == ("7", "digits")
    play = Playbook(backend=BackendCapabilities(wants_digits=True))
    play.greet("Hello", menu(2))
    (event,) = play.press("7", at=5.0).sent
    assert event.digits == "7"


def test_a_menu_of_ten_takes_two_keys() -> None:
    play = Playbook()
    play.greet("Hello", menu(10, max_digits=2))
    assert play.press("1", at=play.now + 1).sent == []
    (event,) = play.press("0").sent
    assert isinstance(event, UserChoice)
    assert event.option_id == "silver"


def test_a_short_menu_that_allows_two_keys_is_answered_by_one() -> None:
    play = Playbook()
    play.greet("Hello", menu(3, max_digits=2))
    (event,) = play.press("3", at=play.now + 1).sent
    assert event.option_id == "blue"
    play = Playbook()
    play.greet("Hello", menu(3, max_digits=2))
    assert play.press("0", at=play.now + 1).sent == []
    assert play.press("9").sent[0].text == "09"


def test_a_choice_by_key_says_when_and_whether_it_interrupted() -> None:
    play = Playbook()
    play.begin()
    play.reply("Hello", menu(2), at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="2"), at=3.0).expect(StopPlayout())
    (*_, event) = play.report_stopped(at=3.1).sent
    assert event == UserChoice(
        turn=1, menu_id="colours", option_id="green", label="green", source="digits", barged_in=True, ended_at=3.0
    )


# --- typed ahead ---------------------------------------------------------------------------------------------------
def test_two_answers_typed_ahead_are_two_answers() -> None:
    play = uninterruptible()
    play.press("12#34#", at=1.0).refuse(SendToBot)
    play.play_out(at=3.0)
    assert texts(play) == ["12"]
    play.reply("And the other one?")
    play.play_out()
    assert texts(play) == ["12", "34"]
    play.reply("Thank you")
    play.play_out()
    assert play.state is State.LISTENING


def test_an_entry_of_full_length_leaves_the_keys_after_it() -> None:
    play = uninterruptible(digits={"max_digits": 2})
    play.press("1234", at=1.0)
    play.play_out(at=3.0)
    play.reply("And the other one?")
    play.play_out()
    assert texts(play) == ["12", "34"]


def test_a_burst_of_keys_is_cut_at_what_anybody_may_type() -> None:
    play = uninterruptible(digits={"max_digits": MAX_TYPED_AHEAD})
    play.press("1" * (MAX_TYPED_AHEAD + 2), at=1.0)
    play.play_out(at=20.0)
    assert texts(play) == ["1" * 128]
    play.reply("Anything else?")
    play.play_out()
    assert play.state is State.LISTENING


def test_a_terminator_typed_ahead_of_nothing_leaves_the_ear_open() -> None:
    play = uninterruptible()
    play.press("#", at=1.0).refuse(CloseEar)
    play.play_out(at=3.0)
    assert play.state is State.LISTENING


def test_keys_are_not_taken_down_while_a_prompt_plays_that_hears_none() -> None:
    play = Playbook(number={"hear_during_prompt": ["speech"]})
    play.begin()
    play.reply("A question", at=0.1)
    play.start_prompt(at=0.2)
    play.press("1#", at=3.0)
    play.report_stopped()
    play.play_out()
    assert texts(play) == []
    play.press("2#", at=play.now + 1)
    assert texts(play) == ["2"]


def test_keys_during_the_last_words_are_nobodys_answer() -> None:
    play = Playbook()
    play.begin()
    play(BotFailed(turn=None), at=0.5).expect(AbandonTurn(turn=0), StartPrompt)
    play.press("12#", at=1.0)
    play.play_out(at=2.0).expect(CloseLeg(reason="failure"))
    play.press("34#")
    assert texts(play) == []
    assert play(LegClosed(by="gateway")).outcome is not None


@pytest.mark.parametrize("key", ["#", "1"])
def test_any_key_interrupts_a_prompt_that_allows_it(key: str) -> None:
    play = Playbook()
    play.begin()
    play.reply("A question", at=0.1)
    play.start_prompt(at=0.2)
    play.press(key, at=3.0).expect(StopPlayout())
