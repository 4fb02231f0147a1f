"""How calls end: hang-ups from every side, the fallback, the longest call, and how each is booked."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Hangup, PostCall, Record, Say
from gateway.call.commands import (
    AbandonTurn,
    CloseLeg,
    EndCall,
    OpenEar,
    SendToBot,
    StartPrompt,
    StopPlayout,
    TransferCall,
)
from gateway.call.facts import State
from gateway.call.outcome import CallOutcome
from gateway.caller_events import CallEnded, PlaybackDone
from gateway.events import (
    BotFailed,
    CallOffered,
    LegClosed,
    LinkSent,
    OperatorAsked,
    PromptEnded,
    SpeechStarted,
    TimeElapsed,
)
from gateway.interfaces import LegCapabilities
from gateway.text.catalogue import Catalogue
from tests.fakes.playbook import Commands, Playbook

ENGLISH = Catalogue.for_language("en-GB")


def outcome(commands: Commands) -> CallOutcome:
    assert commands.outcome is not None
    return commands.outcome


def greeting_plays() -> Playbook:
    play = Playbook()
    play.begin()
    play.reply("Welcome to Acme", at=0.1)
    play.start_prompt(at=0.2)
    return play


# --- before the call -----------------------------------------------------------------------------------------------
def test_a_line_has_half_a_minute_to_answer() -> None:
    play = Playbook()
    play(CallOffered())
    play.until(29.99).refuse(EndCall)
    ended = play.until(30.0)
    assert outcome(ended) == CallOutcome(result="leg_failed", by="gateway", reason="the line did not answer")
    assert ended.sent == [CallEnded(turn=0, by="gateway", cause="the line did not answer")]


# --- hang-ups ------------------------------------------------------------------------------------------------------
def test_a_line_that_was_closed_by_our_side_unasked_is_a_completed_call() -> None:
    play = Playbook()
    play.greet()
    closed = outcome(play(LegClosed(by="gateway", reason="draining")))
    assert closed == CallOutcome(result="completed", by="gateway", reason="draining")


def test_a_line_that_breaks_is_booked_as_such() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    closed = outcome(play(LegClosed(by="failure", reason="lost")))
    assert closed == CallOutcome(result="leg_failed", by="gateway", reason="lost")


def test_what_was_settled_before_the_line_closed_stays_settled() -> None:
    """Also where the playout still owes what was heard when the line is gone already."""
    play = greeting_plays()
    play(OperatorAsked(), at=1.0).expect(StopPlayout(), CloseLeg(reason="operator"))
    play(LegClosed(by="gateway"), at=1.1).refuse(EndCall)
    ended = play.report_stopped(heard="Welcome")
    assert isinstance(ended.sent[0], PlaybackDone)
    assert outcome(ended) == CallOutcome(result="operator", by="gateway", reason="asked by operator")


def test_a_line_has_two_seconds_to_close_and_the_playout_to_report() -> None:
    play = greeting_plays()
    play(OperatorAsked(), at=1.0)
    play(LegClosed(by="gateway"), at=2.5).refuse(EndCall)
    play.until(2.99).refuse(EndCall)
    assert outcome(play.until(3.0)).result == "operator"


def test_a_hang_up_is_asked_for_once() -> None:
    play = Playbook()
    play.greet()
    play(OperatorAsked(), at=3.0).expect(CloseLeg(reason="operator"))
    play(OperatorAsked(), at=3.1).refuse(CloseLeg)
    play(BotFailed(turn=None), at=3.2).refuse(StartPrompt)
    assert play.reply("Wait!", turn=None, at=3.3).prompts == []
    play.press("1", at=3.4)
    assert outcome(play(LegClosed(by="caller"))).result == "operator"


def test_a_bot_that_hangs_up_in_mid_answer_leaves_nothing_playing() -> None:
    play = greeting_plays()
    play.reply(Hangup(after_speech=False, reason="rude"), turn=None, at=1.0).expect(StopPlayout(), CloseLeg())
    play.report_stopped()
    assert outcome(play(LegClosed(by="gateway"))) == CallOutcome(result="completed", by="bot", reason="rude")


def test_what_a_bot_says_to_a_caller_who_has_gone_is_not_spoken() -> None:
    play = greeting_plays()
    play(LegClosed(by="caller"), at=1.0)
    play.reply("And another thing", turn=None, at=1.1)
    play(OperatorAsked(), at=1.2).refuse(CloseLeg)
    ended = play.report_stopped(heard="Welcome")
    assert ended.prompts == []
    assert outcome(ended).result == "abandoned"


def test_a_call_that_has_ended_stays_ended() -> None:
    play = Playbook(number={"max_call": 10})
    play.greet()
    play(LegClosed(by="caller"))
    assert play.late(TimeElapsed(), at=11.0) == []
    assert play.late(LegClosed(by="caller"), at=30.0) == []


def test_nobody_apologises_to_a_caller_who_is_being_let_go() -> None:
    play = Playbook()
    play.begin()
    play.reply("Welcome", at=0.1)
    play(OperatorAsked(), at=0.2)
    (prompt_id,) = play.outstanding
    assert play(PromptEnded(prompt_id=prompt_id, result="failed"), at=0.3).prompts == []


# --- the fallback --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("transfer", "can_transfer", "name"),
    [
        ("sip:1@pbx", True, "fallback_transfer"),
        ("sip:1@pbx", False, "fallback_hangup"),
        (None, True, "fallback_hangup"),
    ],
)
def test_the_fallback_promises_a_transfer_only_where_there_is_one(
    transfer: str | None, can_transfer: bool, name: str
) -> None:
    number: dict[str, Any] = {"fallback": {"transfer": transfer}, "transfer": {"allow": ["sip:*@pbx"]}}
    play = Playbook(number=number, leg=LegCapabilities(can_transfer=can_transfer))
    play.greet()
    assert play(BotFailed(turn=None, detail="gone")).prompts == [ENGLISH.say(name)]
    assert play.every.kept("fallback") == [{"reason": "bot gone: gone"}]
    said = play.play_out()
    assert any(isinstance(command, TransferCall) for command in said) is (name == "fallback_transfer")
    assert any(isinstance(command, CloseLeg) for command in said) is (name == "fallback_hangup")
    assert play.every.kept("transfer_refused") == []


def test_the_fallback_comes_once() -> None:
    play = Playbook()
    play.greet()
    play(BotFailed(turn=None)).expect(StartPrompt)
    assert play(BotFailed(turn=None)).prompts == []
    assert play.reply("I am back", turn=None).prompts == []
    play.play_out().expect(CloseLeg(reason="failure"))
    assert outcome(play(LegClosed(by="gateway"))) == CallOutcome(result="bot_failed", by="gateway", reason="bot gone: ")


def test_the_fallback_stops_what_plays_and_keeps_what_is_to_be_done_after_the_call() -> None:
    play = Playbook()
    play.begin()
    play.reply("Welcome", Hangup(), PostCall(kind="email", data={"to": "x"}), Record(kind="note", data={}), at=0.1)
    play.start_prompt(at=0.2)
    play(BotFailed(turn=None), at=1.0).expect(StopPlayout())
    play.report_stopped()
    assert play.every.kept("post_call_email") == [{"to": "x"}]
    assert play.every.kept("note") == [{}]
    assert play.state is State.SPEAKING  # the fallback's own words


@pytest.mark.parametrize("ok", [True, False])
def test_last_words_are_the_last(ok: bool) -> None:
    """A link that was on its way when the bot failed, or the caller was let go, is not spoken of."""
    for ending in (BotFailed(turn=None), OperatorAsked()):
        play = Playbook()
        play.greet()
        play(ending)
        said = play(LinkSent(url="https://example.com/a", text="See there", ok=ok))
        assert said.prompts == []
        assert play.play_out().prompts == []
        assert play.state is State.ENDING


def test_a_caller_who_does_not_wait_for_the_end_of_the_fallback_was_failed_by_the_bot() -> None:
    play = Playbook()
    play.greet()
    play(BotFailed(turn=None))
    play.start_prompt()
    play(LegClosed(by="caller"))
    assert outcome(play.report_stopped()).result == "bot_failed"


def test_the_words_of_the_fallback_cannot_be_interrupted() -> None:
    play = Playbook(number={"thinking_input": "barge_in", "filler_after": 60})
    play.greet()
    play.speak("hello", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1)
    play(BotFailed(turn=None), at=5.5)
    play.start_prompt(at=5.6).refuse(StopPlayout)
    play.press("1#", at=7.0).refuse(StopPlayout)


# --- the longest call ----------------------------------------------------------------------------------------------
def at_the_limit(*, timeout: float = 100) -> Playbook:
    play = Playbook(number={"max_call": 60, "no_input": {"timeout": timeout}})
    play.greet()
    return play


def test_the_longest_call_ends_whatever_is_going_on() -> None:
    play = at_the_limit()
    play.speak("hello", at=58.0)
    ended = play.until(60.0)
    ended.expect(AbandonTurn(turn=1), StartPrompt)
    assert ended.prompts == [ENGLISH.say("too_long")]
    assert play.reply("Here is your answer", turn=1).prompts == []
    play.play_out().expect(CloseLeg(reason="too_long"))
    assert outcome(play(LegClosed(by="gateway"))) == CallOutcome(result="too_long", by="gateway", reason="max_call")


def test_the_longest_call_stops_what_plays_before_it_says_goodbye() -> None:
    play = at_the_limit()
    play.reply("A long story", Hangup(), Say(text="more"), Record(kind="note", data={}), turn=None, at=55.0)
    play.start_prompt()
    assert play.until(60.0).expect(StopPlayout()).prompts == []
    assert play.report_stopped().prompts == [ENGLISH.say("too_long")]
    assert play.every.kept("note") == [{}]
    play.press("1#", at=60.5).refuse(StopPlayout, SendToBot)
    play.play_out().expect(CloseLeg(reason="too_long"))


def test_the_goodbye_of_the_longest_call_is_not_waited_for_for_ever() -> None:
    play = at_the_limit()
    play.until(60.0)
    play.start_prompt()
    play.until(74.99).refuse(EndCall, StopPlayout)
    play.until(75.0).expect(StopPlayout())
    assert outcome(play.report_stopped()).result == "too_long"


def test_the_limit_of_a_call_that_is_being_hung_up_ends_it_as_it_was_going_to_end() -> None:
    play = at_the_limit()
    play.reply(Hangup(), turn=None, at=59.5).expect(CloseLeg)
    ended = play.until(60.0)
    assert ended.prompts == []
    assert outcome(ended).result == "completed"


def test_a_caller_who_hangs_up_the_moment_the_last_words_are_over_ends_the_call_once() -> None:
    play = at_the_limit()
    play.until(60.0)
    play.start_prompt()
    play.late(LegClosed(by="caller"), at=75.0).refuse(EndCall)
    ended = play.report_stopped()
    assert sum(isinstance(command, EndCall) for command in ended) == 1
    assert play.conversation.next_deadline() is None


def test_a_caller_who_speaks_when_the_longest_call_ends_is_not_listened_to() -> None:
    play = at_the_limit()
    play(SpeechStarted(at=58.0), at=58.1)
    play.until(60.0).refuse(OpenEar)
    play.play_out().refuse(OpenEar)
    assert play.state is State.ENDING


def test_an_account_that_comes_after_the_end_is_nobodys() -> None:
    play = greeting_plays()
    play(LegClosed(by="caller"), at=1.0)
    assert outcome(play.until(3.0)).result == "abandoned"
    assert play(PromptEnded(prompt_id=1, result="stopped")) == []
