"""Menus of more than nine options: read out five at a time, and all of them heard at any time."""

from __future__ import annotations

import pytest

from gateway.actions import Menu, MenuOption
from gateway.call.commands import SendToBot, StopPlayout
from gateway.call.facts import State
from gateway.caller_events import UserChoice, UserText
from tests.fakes.playbook import Commands, Playbook

STOPS = ("Antwerp", "Bruges", "Calais", "Dover", "Ely", "Frome", "Ghent", "Hull", "Ipswich", "Jarrow", "Kent", "Leeds")
GROUPS = (STOPS[:5], STOPS[5:10], STOPS[10:])


def menu(count: int = 12, *, max_digits: int = 2, prompt: str | None = None) -> Menu:
    options = tuple(MenuOption(id=stop.upper(), label=stop) for stop in STOPS[:count])
    return Menu(menu_id="stops", options=options, max_digits=max_digits, prompt=prompt)


def asked(count: int = 12, *, max_digits: int = 2, **number: object) -> Playbook:
    """The menu, or its first group, was heard to its end."""
    play = Playbook(number=number)
    play.greet("Where to?", menu(count, max_digits=max_digits))
    return play


def read(commands: Commands) -> tuple[str, ...]:
    """The options that are read out in these commands."""
    text = " ".join(commands.prompts)
    return tuple(stop for stop in STOPS if f"For {stop}," in text)


def choices(commands: Commands) -> list[str]:
    return [event.option_id for event in commands.sent if isinstance(event, UserChoice)]


# --- reading on ----------------------------------------------------------------------------------------------------
def test_the_first_five_are_read_out_and_the_way_to_the_others() -> None:
    play = asked()
    assert read(play.every) == GROUPS[0]
    assert play.every.prompts[-1].endswith("For more, say more or press star.")
    assert play.state is State.LISTENING


def test_more_is_read_out_without_a_word_to_the_bot() -> None:
    play = asked()
    more = play.speak("more please", at=play.now + 1).refuse(SendToBot)
    assert read(more) == GROUPS[1]
    assert more.kept("menu_read_on") == [{"group": 1}]
    play.play_out()
    assert play.state is State.LISTENING
    assert choices(play.speak("Hull", at=play.now + 1)) == ["HULL"]


def test_the_star_key_goes_through_all_groups_and_begins_again() -> None:
    play = asked()
    heard = []
    for _ in range(3):
        heard.append(read(play.press("*", at=play.now + 1)))
        play.play_out()
    assert heard == [GROUPS[1], GROUPS[2], GROUPS[0]]


def test_the_first_ones_can_be_heard_again_from_anywhere() -> None:
    play = asked()
    play.press("**", at=play.now + 1)
    play.play_out()
    assert read(play.speak("repeat", at=play.now + 1)) == GROUPS[0]


def test_a_caller_who_knows_the_way_is_not_held_up() -> None:
    play = Playbook()
    play.begin()
    play.reply("Where to?", menu(), at=0.1)
    play.start_prompt(at=0.2)
    play.press("*", at=2.0).expect(StopPlayout())
    assert read(play.report_stopped()) == GROUPS[1]
    play.start_prompt()
    play.press("*", at=play.now + 1).expect(StopPlayout())
    assert read(play.report_stopped()) == GROUPS[2]


def test_two_stars_at_once_go_two_groups_on() -> None:
    play = Playbook()
    play.begin()
    play.reply("Where to?", menu(), at=0.1)
    play.start_prompt(at=0.2)
    play.press("**", at=2.0)
    play.report_stopped()
    play.play_out()
    assert read(play.every)[-2:] == GROUPS[2]
    assert play.every.kept("menu_read_on") == [{"group": 1}, {"group": 2}]


def test_a_caller_who_interrupts_before_the_menu_hears_its_beginning_first() -> None:
    play = Playbook()
    play.begin()
    play.reply("A long story", at=0.1, done=False)
    play.start_prompt(at=0.2)
    play.press("*", at=1.0).expect(StopPlayout())
    play.reply(menu(), turn=None)
    play.report_stopped()
    play.play_out()
    assert read(play.every) == GROUPS[0]


# --- answers -------------------------------------------------------------------------------------------------------
def test_an_option_that_was_not_read_out_yet_is_chosen_by_name_and_by_key() -> None:
    play = asked()
    assert choices(play.speak("Leeds", at=play.now + 1)) == ["LEEDS"]
    play = asked()
    assert choices(play.press("11", at=play.now + 1)) == ["KENT"]
    play = asked()
    assert choices(play.press("7#", at=play.now + 1)) == ["GHENT"]


def test_the_second_one_is_the_second_of_those_just_heard() -> None:
    play = asked()
    play.press("*", at=play.now + 1)
    play.play_out()
    assert choices(play.speak("the second one", at=play.now + 1)) == ["GHENT"]


def test_without_two_keys_the_groups_are_the_same() -> None:
    play = asked(max_digits=1)
    assert read(play.press("*", at=play.now + 1)) == GROUPS[1]
    play.play_out()
    assert choices(play.press("8", at=play.now + 1)) == ["HULL"]


def test_what_is_no_option_is_the_bots_to_understand() -> None:
    play = asked()
    (event,) = play.speak("somewhere warm", at=play.now + 1).sent
    assert isinstance(event, UserText)
    play.reply(menu(3))
    play.play_out()
    (event,) = play.speak("more", at=play.now + 1).sent
    assert (type(event), event.text) == (UserText, "more")


# --- the star key has another meaning, too -------------------------------------------------------------------------
def test_a_star_after_digits_clears_them() -> None:
    play = asked()
    began = play.press("1*", at=play.now + 1)
    assert read(began) == ()
    assert choices(play.press("12")) == ["LEEDS"]


def test_in_a_short_menu_a_star_is_nothing() -> None:
    play = asked(9)
    assert read(play.every) == STOPS[:9]
    assert play.press("*", at=play.now + 1).prompts == []
    assert play.every.kept("menu_read_on") == []


def test_a_star_typed_ahead_of_the_menu_does_not_skip_its_beginning() -> None:
    play = Playbook()
    play.begin()
    play.press("*", at=0.1)
    play.reply("Where to?", menu(), at=0.5)
    play.play_out()
    assert read(play.every) == GROUPS[0]


@pytest.mark.parametrize(("term_char", "clear_char"), [("*", "#"), ("#", "off"), ("*", "off"), ("off", "*")])
def test_a_star_that_ends_entries_or_means_nothing_leads_on_as_well(term_char: str, clear_char: str) -> None:
    play = asked(digits={"term_char": term_char, "clear_char": clear_char})
    assert read(play.press("*", at=play.now + 1)) == GROUPS[1]
    play.play_out()
    play.press("7", at=play.now + 1)
    assert choices(play.until(play.now + 4)) == ["GHENT"]


def test_a_star_that_ends_entries_ends_one_that_was_begun() -> None:
    play = asked(digits={"term_char": "*", "clear_char": "#"})
    assert choices(play.press("7*", at=play.now + 1)) == ["GHENT"]


# --- silence -------------------------------------------------------------------------------------------------------
def test_on_silence_only_the_last_group_is_repeated() -> None:
    play = asked(no_input={"timeout": 5})
    play.press("*", at=play.now + 1)
    play.play_out()
    assert read(play.until(play.now + 5.1)) == GROUPS[1]


def test_a_caller_who_asks_for_more_is_there() -> None:
    play = asked(no_input={"timeout": 5, "retries": 1, "prompts": ["Hello?"], "then": "hangup"})
    for _ in range(3):
        assert play.until(play.now + 5.1).prompts == ["Hello?"]
        play.play_out()
        assert len(play.press("*").prompts) == 1
        play.play_out()
    assert not play.conversation.is_over
    assert play.every.kept("no_input") == [{"count": 1, "exhausted": False}] * 3
