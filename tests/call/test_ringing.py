"""A call that is answered when the bot has something to say: until then it rings."""

from __future__ import annotations

import pytest

from gateway.actions import Hangup
from gateway.call.commands import Answer, CloseLeg, Ring, SendToBot, StartPrompt
from gateway.call.facts import State
from gateway.events import BotFailed, CallAnswered, CallOffered, LegClosed
from gateway.interfaces import BackendCapabilities, LegCapabilities
from tests.fakes.playbook import Playbook

RINGS = LegCapabilities(can_ring=True)


def ringing(pick_up: str = "when_ready", **number: object) -> Playbook:
    play = Playbook(number={"pick_up": pick_up, **number}, leg=RINGS)
    play(CallOffered(), at=0.0).expect(Ring(early_media=pick_up == "early_media"), SendToBot).refuse(Answer)
    assert play.state is State.RINGING
    return play


@pytest.mark.parametrize("pick_up", ["when_ready", "early_media"])
def test_it_is_answered_when_the_bot_has_something_to_say(pick_up: str) -> None:
    play = ringing(pick_up)
    play.reply("Welcome", at=3.0).expect(Answer()).refuse(StartPrompt)
    play(CallAnswered(), at=3.1).expect(StartPrompt)
    assert play.every.prompts == ["Welcome"]


def test_a_slow_bot_gets_its_time_and_then_the_caller_is_told() -> None:
    play = ringing(answer_timeout=10)
    play.until(9.9).refuse(Answer, StartPrompt)
    play.until(10.1).expect(Answer())
    assert len(play(CallAnswered(), at=10.2).prompts) == 1


def test_a_bot_that_fails_is_answered_for() -> None:
    play = ringing()
    play(BotFailed(turn=0), at=1.0).expect(Answer())
    assert len(play(CallAnswered(), at=1.1).prompts) == 1


def test_a_bot_that_hangs_up_at_once_is_obeyed() -> None:
    play = ringing()
    play.reply(Hangup(), at=1.0).expect(Answer())
    play(CallAnswered(), at=1.1).expect(CloseLeg)


def test_a_caller_who_gives_up_has_left() -> None:
    play = ringing()
    play(LegClosed(), at=2.0)
    assert play.every.outcome is not None
    assert play.every.outcome.result == "abandoned"


def test_a_line_that_does_not_answer_then_has_failed() -> None:
    play = ringing()
    play.reply("Welcome", at=20.0)
    play.until(49.9)
    assert play.every.outcome is None
    play.until(50.1)
    assert play.every.outcome is not None
    assert play.every.outcome.result == "leg_failed"


@pytest.mark.parametrize(
    ("leg", "backend", "people"),
    [
        (LegCapabilities(), BackendCapabilities(), None),
        (RINGS, BackendCapabilities(greets_first=False), None),
        (RINGS, BackendCapabilities(), "sip:100@pbx"),
    ],
    ids=["a line that cannot ring", "a bot that waits for the caller", "people first"],
)
def test_otherwise_it_is_answered_at_once(
    leg: LegCapabilities, backend: BackendCapabilities, people: str | None
) -> None:
    play = Playbook(number={"pick_up": "when_ready"}, leg=leg, backend=backend, people=people)
    play(CallOffered(), at=0.0).expect(Answer()).refuse(Ring)
