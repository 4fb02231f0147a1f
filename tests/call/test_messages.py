"""Messages that callers leave: recorded from the moment they are asked for one, and handed to the bot as sound."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Listen
from gateway.caller_events import NoInput, UserMedia, UserText
from gateway.events import SpeechStarted, SpeechSustained
from tests.fakes.playbook import Playbook


def call(mode: str, **recording: Any) -> Playbook:
    return Playbook(number={"recording": {"mode": mode, **recording}}, has_recording=True)


def started(play: Playbook) -> int:
    return len(play.every.kept("recording_started"))


def test_nothing_is_recorded_until_the_caller_is_asked_for_a_message() -> None:
    play = call("messages", announce="This call is recorded.")
    play.greet("Welcome.", Listen())
    assert started(play) == 0
    assert play.every.prompts == ["Welcome."]


def test_the_message_is_recorded_from_the_end_of_the_words_that_ask_for_it() -> None:
    play = call("messages")
    play.begin()
    play.reply("Please leave a message.", Listen(is_message=True))
    assert started(play) == 0
    play.play_out()
    assert started(play) == 1


@pytest.mark.parametrize(("mode", "count"), [("on", 1), ("off", 0)])
def test_a_call_that_is_recorded_or_is_not_stays_so(mode: str, count: int) -> None:
    play = call(mode)
    play.greet("Please leave a message.", Listen(is_message=True))
    assert started(play) == count


# --- the sound of it -------------------------------------------------------------------------------------------------
ASK = Listen(is_message=True, max_length=20.0, end_silence=2.0, no_input_retries=0, on_exhausted="event")


def asked(*, shares_messages: bool = True, listen: Listen = ASK) -> Playbook:
    """A caller who has been asked to leave a message."""
    play = Playbook(has_recording=True, shares_messages=shares_messages)
    play.greet("Please leave a message.", listen)
    return play


def test_a_message_goes_to_the_bot_as_sound_with_what_was_understood() -> None:
    play = asked()
    assert play.every.kept("message_asked") == [{"longest": 20.0}]
    sent = play.speak("call me at noon", at=3.0, seconds=4.0).sent
    assert sent == [
        UserMedia(turn=1, url="", mime="audio/wav", duration=4.0, text="call me at noon", started_at=3.0, ended_at=7.0)
    ]


def test_a_message_that_nobody_understands_is_one_all_the_same() -> None:
    (sent,) = asked().speak("", at=3.0, seconds=4.0).sent
    assert (type(sent), sent.text, sent.duration) == (UserMedia, "", 4.0)


def test_a_noise_is_no_message() -> None:
    play = asked()
    assert play.speak("", at=3.0, seconds=0.1).sent == []
    (sent,) = play.until(30.0).sent
    assert isinstance(sent, NoInput)
    assert sent.exhausted


def test_the_key_that_ends_entries_ends_the_message() -> None:
    play = asked()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechSustained(at=3.25, voiced=0.25), at=3.3)
    play.press("#", at=5.0)
    (sent,) = play.until(9.0).sent
    assert (type(sent), sent.started_at, sent.ended_at) == (UserMedia, 3.0, pytest.approx(5.0, abs=0.5))


def test_so_do_other_keys() -> None:
    play = asked()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechSustained(at=3.25, voiced=0.25), at=3.3)
    play.press("1", at=5.0)
    (sent,) = play.until(30.0).sent
    assert (type(sent), sent.started_at, sent.ended_at) == (UserMedia, 3.0, 5.0)


def test_keys_before_a_word_are_keys() -> None:
    (sent,) = (play := asked()).press("1", at=5.0).sent or play.until(30.0).sent
    assert (type(sent), sent.text, sent.source) == (UserText, "1", "digits")


@pytest.mark.parametrize(
    ("shares_messages", "listen"),
    [(False, ASK), (True, Listen(is_message=True, sensitive=True)), (True, Listen())],
    ids=["nowhere_to_put_it", "sensitive", "an_answer"],
)
def test_otherwise_the_bot_has_the_words_alone(shares_messages: bool, listen: Listen) -> None:
    play = asked(shares_messages=shares_messages, listen=listen)
    assert play.every.kept("message_asked") == []
    (sent,) = play.speak("call me at noon", at=3.0, seconds=4.0).sent
    assert (type(sent), sent.text) == (UserText, "call me at noon")
