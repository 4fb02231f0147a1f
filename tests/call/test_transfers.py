"""The caller is sent elsewhere: where he may be sent, who is told when it fails, and how the call is booked."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gateway.actions import Say, Transfer
from gateway.call.commands import CloseLeg, EndCall, SendToBot, StartPrompt, StopPlayout, TransferCall
from gateway.call.facts import State
from gateway.call.outcome import CallOutcome
from gateway.caller_events import CallEnded, CallStarted, TransferResult
from gateway.events import BotFailed, DigitPressed, LegClosed, OperatorAsked, TransferFinished
from gateway.interfaces import BackendCapabilities, LegCapabilities, TransferTarget
from gateway.text.catalogue import Catalogue
from tests.fakes.playbook import Commands, Playbook

SORRY = Catalogue.for_language("en-GB").say("transfer_failed")
TOLD = BackendCapabilities(transfer_feedback=True)
DESK = "sip:100@pbx"
Mode = Literal["blind", "attended", "auto"]


def call(*, can_transfer: bool = True, backend: BackendCapabilities | None = None, **number: Any) -> Playbook:
    """A caller who has said something, to which the bot has not answered yet."""
    settings = {"transfer": {"allow": ["sip:*@pbx"]}, "filler_after": 60, **number}
    play = Playbook(number=settings, leg=LegCapabilities(can_transfer=can_transfer), backend=backend)
    play.greet()
    play.speak("to somebody, please", at=3.0)
    return play


def transferring(play: Playbook, **transfer: Any) -> Playbook:
    play.reply(Transfer(**{"transfer_id": "t1", "target": DESK, **transfer}), at=5.0).expect(TransferCall)
    assert play.state is State.TRANSFERRING
    return play


def outcome(commands: Commands) -> CallOutcome:
    assert commands.outcome is not None
    return commands.outcome


# --- going -----------------------------------------------------------------------------------------------------------
def test_a_transfer_waits_for_the_words_before_it_and_takes_the_caller_away() -> None:
    play = call()
    transfer = Transfer(transfer_id="t1", target=DESK, mode="attended", headers={"X-Case": "7"})
    play.reply("I put you through", transfer, at=5.0).refuse(TransferCall)
    target = TransferTarget(transfer_id="t1", target=DESK, mode="attended", ring=25.0, headers={"X-Case": "7"})
    play.play_out().expect(TransferCall(target=target))
    done = play(TransferFinished(transfer_id="t1", ok=True, cause="answered"), at=12.0)
    assert done.sent == [CallEnded(turn=1, by="transfer", cause="answered")]
    assert outcome(done) == CallOutcome(result="transferred", by="transfer", reason="answered")


@pytest.mark.parametrize(
    ("kind", "asked", "done"),
    [
        ("blind", "auto", "auto"),
        ("attended", "auto", "attended"),
        ("attended", "blind", "blind"),
        ("blind", "attended", "attended"),
    ],
)
def test_where_the_bot_does_not_say_how_the_number_does(kind: str, asked: Mode, done: Mode) -> None:
    play = call(transfer={"allow": ["sip:*@pbx"], "kind": kind})
    commands = play.reply(Transfer(transfer_id="t1", target=DESK, mode=asked), at=5.0)
    commands.expect(TransferCall(target=TransferTarget(transfer_id="t1", target=DESK, mode=done)))


def test_nothing_is_said_or_taken_down_while_the_target_rings() -> None:
    play = transferring(call())
    assert play.reply("One more thing", turn=None, at=6.0).prompts == []
    play(DigitPressed(digit="1"), at=6.5).refuse(SendToBot)
    play(TransferFinished(transfer_id="t1", ok=True)).expect(EndCall)


@pytest.mark.parametrize(("asked", "given_up"), [(None, 30.0), (60.0, 65.0)])
def test_a_transfer_that_does_not_report_has_failed_a_little_after_the_ring_time(
    asked: float | None, given_up: float
) -> None:
    play = transferring(call(), ring=asked)
    assert play.until(5.0 + given_up - 0.01).prompts == []
    assert play.until(5.0 + given_up).prompts == [SORRY]
    assert play.every.kept("transfer_failed") == [{"cause": "no_answer", "sip_code": None}]


# --- not going -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "can_transfer", "cause"),
    [(None, True, "no_target"), ("+33123", True, "not_allowed"), (DESK, False, "unsupported")],
)
def test_a_transfer_that_cannot_be_is_refused_with_its_reason(
    target: str | None, can_transfer: bool, cause: str
) -> None:
    transfer = Transfer(transfer_id="t1", target=target)
    play = call(can_transfer=can_transfer)
    refused = play.reply(transfer, at=5.0).refuse(TransferCall)
    assert refused.prompts == [SORRY]
    assert refused.kept("transfer_refused") == [{"cause": cause}]
    play = call(can_transfer=can_transfer, backend=TOLD)
    told = play.reply(transfer, at=5.0)
    assert told.sent == [TransferResult(turn=2, transfer_id="t1", ok=False, cause=cause)]
    assert told.prompts == []


def test_a_bot_that_makes_use_of_it_is_told_why_its_transfer_failed() -> None:
    play = transferring(call(backend=TOLD))
    back = play(TransferFinished(transfer_id="t1", ok=False, cause="busy", sip_code=486), at=9.0)
    assert back.sent == [TransferResult(turn=2, transfer_id="t1", ok=False, cause="busy", sip_code=486)]
    assert back.prompts == []
    assert play.reply("They are busy.").prompts == ["They are busy."]


@pytest.mark.parametrize(("wants", "feedback"), [(True, False), (False, True)])
def test_else_the_caller_is_told_and_may_go_on_at_once(wants: bool, feedback: bool) -> None:
    play = transferring(call(backend=BackendCapabilities(transfer_feedback=wants)), feedback=feedback)
    back = play(TransferFinished(transfer_id="t1", ok=False, cause="busy"), at=9.0)
    assert back.prompts == [SORRY]
    assert back.sent == []
    play.start_prompt(at=9.1)
    play.press("1", at=10.0).expect(StopPlayout())


def test_a_transfer_that_fails_is_nothing_the_caller_said() -> None:
    play = Playbook(
        number={"transfer": {"allow": ["*"]}, "no_input": {"retries": 1, "timeout": 5, "then": "hangup"}},
        leg=LegCapabilities(can_transfer=True),
        backend=TOLD,
    )
    play.greet()
    play.until(play.now + 5.01)
    play.play_out()
    play.reply(Transfer(transfer_id="t1", target=DESK), turn=None)
    play(TransferFinished(transfer_id="t1", ok=False, cause="busy"))
    play.reply("They are busy.")
    play.play_out()
    play.until(play.now + 5.01).expect(CloseLeg(reason="no_input"))


def test_the_report_of_another_transfer_is_nothing() -> None:
    play = transferring(call())
    assert play(TransferFinished(transfer_id="t0", ok=True), at=6.0) == []
    assert play.state is State.TRANSFERRING
    play(TransferFinished(transfer_id="t1", ok=False, cause="busy"), at=7.0)
    assert play(TransferFinished(transfer_id="t1", ok=True), at=8.0) == []


# --- by the operator -------------------------------------------------------------------------------------------------
def test_an_operator_takes_the_caller_out_of_the_bots_hands() -> None:
    play = call()
    play.reply("A long answer", Say(text="and more"), done=False, at=5.0)
    play.start_prompt(at=5.1)
    play(OperatorAsked(target=DESK), at=6.0).expect(StopPlayout()).refuse(CloseLeg)
    play.report_stopped(at=6.1).expect(TransferCall)
    assert play.reply("Where are you?", turn=1, at=6.2).prompts == []
    ended = play(TransferFinished(transfer_id="operator", ok=True, cause="answered"), at=9.0)
    assert outcome(ended).result == "transferred"


def test_the_bot_is_not_told_that_the_operators_transfer_failed() -> None:
    play = call(backend=TOLD)
    play(OperatorAsked(target=DESK), at=6.0).expect(TransferCall)
    back = play(TransferFinished(transfer_id="operator", ok=False, cause="busy"), at=9.0)
    assert back.prompts == [SORRY]
    assert back.sent == []
    play = call(backend=TOLD)
    refused = play(OperatorAsked(target="+33123"), at=6.0)
    assert refused.prompts == [SORRY]
    assert refused.sent == []


def test_a_caller_does_not_interrupt_by_what_the_operator_stopped() -> None:
    play = call()
    play.reply("A long answer", at=5.0)
    play.start_prompt(at=5.1)
    play(OperatorAsked(target="+33123"), at=6.0)
    assert play.report_stopped(at=6.1).prompts == [SORRY]
    play.play_out()
    (event,) = play.speak("and now?", at=play.now + 1).sent
    assert not event.barged_in


def test_an_operator_can_end_a_call_that_is_being_transferred() -> None:
    play = transferring(call())
    play(OperatorAsked(), at=6.0).expect(CloseLeg(reason="operator"))
    play(TransferFinished(transfer_id="t1", ok=False, cause="failed"), at=6.1).refuse(StartPrompt)
    assert outcome(play(LegClosed(by="gateway"), at=6.2)).result == "operator"


# --- the line closes meanwhile ---------------------------------------------------------------------------------------
def test_a_line_that_closes_because_the_caller_is_elsewhere_is_a_transfer() -> None:
    play = transferring(call())
    play(LegClosed(by="caller"), at=8.0).refuse(EndCall)
    ended = play(TransferFinished(transfer_id="t1", ok=True, cause="answered"), at=8.1)
    assert outcome(ended).result == "transferred"


@pytest.mark.parametrize(("spoke", "result"), [(True, "completed"), (False, "abandoned")])
def test_a_caller_who_hangs_up_while_the_target_rings_has_ended_the_call(spoke: bool, result: str) -> None:
    play = call()
    if not spoke:
        play = Playbook(
            number={"transfer": {"allow": ["*"]}, "filler_after": 60}, leg=LegCapabilities(can_transfer=True)
        )
        play.begin()
        play.until(4.0)
    transferring(play)
    play(LegClosed(by="caller"), at=8.0).refuse(EndCall)
    ended = play(TransferFinished(transfer_id="t1", ok=False, cause="hung_up"), at=8.1)
    assert ended.prompts == []
    assert outcome(ended) == CallOutcome(result=result, by="caller", reason="hung_up")


# --- people before the bot -------------------------------------------------------------------------------------------
def answered_by_people() -> Playbook:
    number = {"transfer": {"allow": ["sip:*@pbx"]}}
    play = Playbook(number=number, leg=LegCapabilities(can_transfer=True), backend=TOLD, people=DESK)
    play.begin().expect(TransferCall).refuse(SendToBot)
    return play


def test_people_who_take_the_caller_leave_nothing_to_the_bot() -> None:
    play = answered_by_people()
    ended = play(TransferFinished(transfer_id="people", ok=True, cause="answered"), at=8.0)
    assert outcome(ended).result == "transferred"
    assert not any(isinstance(event, CallStarted) for event in play.every.sent)


def test_where_none_of_them_answers_the_bot_begins_as_if_nothing_had_been() -> None:
    play = answered_by_people()
    back = play(TransferFinished(transfer_id="people", ok=False, cause="busy"), at=8.0)
    assert back.sent == [CallStarted(turn=0)]
    assert back.prompts == []
    assert play.reply("Welcome").prompts == ["Welcome"]


# --- the fallback's own ----------------------------------------------------------------------------------------------
def test_a_fallback_whose_transfer_fails_ends_the_call() -> None:
    play = call(fallback={"transfer": DESK}, backend=TOLD)
    play(BotFailed(turn=None, detail="gone"), at=5.0)
    play.play_out().expect(TransferCall)
    back = play(TransferFinished(transfer_id="fallback", ok=False, cause="busy"))
    back.expect(CloseLeg(reason="failure"))
    assert back.prompts == []
    assert back.sent == []
    ended = outcome(play(LegClosed(by="gateway")))
    assert ended == CallOutcome(result="bot_failed", by="gateway", reason="bot gone: gone")


def test_a_fallback_whose_transfer_is_refused_ends_the_call() -> None:
    play = call(fallback={"transfer": "+33123"})
    play(BotFailed(turn=None), at=5.0)
    said = play.play_out()
    said.expect(CloseLeg(reason="failure"))
    assert said.prompts == []


def test_a_fallback_whose_transfer_succeeds_is_a_transfer() -> None:
    play = call(fallback={"transfer": DESK})
    play(BotFailed(turn=None), at=5.0)
    play.play_out()
    ended = outcome(play(TransferFinished(transfer_id="fallback", ok=True, cause="answered")))
    assert (ended.result, ended.by) == ("transferred", "transfer")


def test_a_caller_who_hangs_up_while_the_fallback_rings_has_ended_a_failed_call() -> None:
    play = call(fallback={"transfer": DESK})
    play(BotFailed(turn=None), at=5.0)
    play.play_out()
    play(LegClosed(by="caller"))
    ended = outcome(play(TransferFinished(transfer_id="fallback", ok=False, cause="hung_up")))
    assert ended.result == "bot_failed"
