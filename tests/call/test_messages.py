"""A call that is recorded only from the moment the caller is asked to leave a message."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Listen
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
