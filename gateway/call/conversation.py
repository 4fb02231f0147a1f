"""The heart of a call: every decision and every timer, as a function of what happened and when.

`Conversation.handle` takes an event and returns commands; it never waits and never reads a clock. The state is
derived from the facts after each event and has one deadline (`states`), so that no timer can be left running or
forgotten. The opposite half, which does what is decided here, is `session`.
"""

from __future__ import annotations

import math
from typing import assert_never

from gateway.actions import Hangup, Say, Transfer
from gateway.call.beginning import Beginning
from gateway.call.commands import Command
from gateway.call.endings import Endings
from gateway.call.facts import HOLDING, CallSetup, Facts, Prompt, State
from gateway.call.hearing import MAX_EAR_FAILURES, Hearing, Input, NoMatch
from gateway.call.holding import Holding
from gateway.call.interrupting import Interrupting
from gateway.call.question import Question, ReadOn
from gateway.call.speaking import Speaking
from gateway.call.states import States, since
from gateway.call.turns import Turns
from gateway.call.voices import SpeechInForce
from gateway.events import (
    BotFailed,
    BotReplied,
    CallAnswered,
    CallEvent,
    CallOffered,
    DigitPressed,
    HoldChanged,
    LegClosed,
    LinkSent,
    OperatorAsked,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    RecognizerFailed,
    SpeechCut,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    TimeElapsed,
    TranscriptUpdated,
    TransferFinished,
    VendorFailed,
)

LAST_WORDS = 15.0  # s beyond `max_call` for the goodbye; then the call is over
MAX_MUTE = 3  # prompts in a row that nothing could speak, before the fallback
RESTING = frozenset({State.GAP, State.IDLE, State.LISTENING})
"""States of the caller's turn. After the fallback there is none: nobody would answer it."""
MAX_ROUNDS = 64  # steps one event may cause; more is a loop, hence a bug


class Conversation:
    """One call's conversation between a caller and a bot.

    Args:
        setup: Number settings, call data, and what leg, bot and speech vendors can do.
    """

    def __init__(self, setup: CallSetup) -> None:
        self.facts = Facts(setup=setup)
        self.speech = SpeechInForce(self.facts)
        self.question = Question(self.facts, self.speech)
        self.speaking = Speaking(self.facts, self.speech, self.question)
        self.hearing = Hearing(self.facts, self.question)
        self.endings = Endings(self.facts, self.speaking, self.hearing)
        self.states = States(self.facts, self.question, self.hearing)
        self.turns = Turns(self.facts, self.speech, self.question, self.speaking, self.hearing, self.endings)
        self.interrupting = Interrupting(self.facts, self.question, self.speaking, self.hearing, self.turns)
        self.holding = Holding(self.facts, self.hearing)
        self.beginning = Beginning(self.facts, self.speaking)
        self.touched_sensitive = False
        """The last event, or a command it led to, holds what the caller answered to a sensitive question."""

    # --- the interface ---------------------------------------------------------------------------------------------
    def handle(self, event: CallEvent, now: float) -> list[Command]:
        """Take an event.

        Args:
            event: What happened.
            now: Seconds since the call was offered; never less than before.
        Returns:
            What is to be done, in order; empty once the call is over.
        """
        facts = self.facts
        facts.now = max(now, facts.now)
        facts.out = []
        self.touched_sensitive = self.is_sensitive
        if not facts.over:
            self._take(event)
            self._settle()
            self.touched_sensitive = self.touched_sensitive or self.is_sensitive
        return facts.out

    @property
    def state(self) -> State:
        return self.states.derive()

    @property
    def is_over(self) -> bool:
        return self.facts.over

    @property
    def is_sensitive(self) -> bool:
        """What the caller says or keys now must not be written down."""
        return self.question.sensitive

    def next_deadline(self) -> float | None:
        """When `TimeElapsed` is due; None once the call is over."""
        if self.facts.over:
            return None
        own = self.state_deadline()
        return self._call_limit() if own is None else min(own, self._call_limit())

    def state_deadline(self) -> float | None:
        """The deadline of the state itself, apart from the longest call; rounded as `now` is."""
        own = self.states.deadline(self.states.derive())
        return None if own is None else round(own, 6)

    # --- events ----------------------------------------------------------------------------------------------------
    def _take(self, event: CallEvent) -> None:
        facts = self.facts
        match event:
            case CallOffered():
                self.beginning.offered()
                self.turns.start()
            case CallAnswered():
                self.beginning.answered()
            case LegClosed():
                self.endings.leg_closed(event.by, event.reason)
            case DigitPressed():
                self._digit(event)
            case SpeechStarted():
                self.hearing.speech_started(event)
            case SpeechSustained():
                self.hearing.speech_sustained(event)
                self.interrupting.spoke(event.voiced)
            case SpeechStopped():
                self.hearing.speech_stopped(event)
                self.interrupting.fell_silent()
            case SpeechCut():
                self.interrupting.peer_stopped()
            case HoldChanged():
                self.holding.changed(event.held)
            case TranscriptUpdated():
                self._transcript(event)
            case RecognitionEnded():
                self.hearing.recognition_ended(event)
                self.interrupting.recognition_ended()
            case RecognizerFailed():
                self._recognizer_failed(event)
            case PromptStarted():
                self.speaking.prompt_started(event)
                self.interrupting.prompt_started()
            case PromptEnded():
                self._prompt_ended(event)
            case VendorFailed():
                vendor = {"vendor": event.vendor} if event.vendor else {}
                facts.keep("warning", what=f"{event.part}_failed", **vendor, detail=event.reason)
            case BotReplied():
                self._bot_replied(event)
            case BotFailed():
                self.turns.failed(event)
            case TransferFinished():
                self._transfer_finished(event)
            case OperatorAsked():
                self._operator(event)
            case LinkSent():
                self.turns.link_sent(event)
            case TimeElapsed():
                pass  # the deadlines below see what is due
            case _:
                assert_never(event)

    def _bot_replied(self, event: BotReplied) -> None:
        """What the bot was waited for is said at once, also when the caller has begun to speak meanwhile."""
        was_thinking = self.states.derive() is State.THINKING
        self.turns.replied(event.batch)
        if was_thinking:
            self.turns.run_script()

    def _digit(self, event: DigitPressed) -> None:
        facts = self.facts
        if facts.fell_back or facts.ending_since is not None:
            return
        if not facts.prompts or "digits" in self.question.heard_during_prompt:
            self.hearing.press(event.digit)
        self.interrupting.pressed()

    def _transcript(self, event: TranscriptUpdated) -> None:
        facts = self.facts
        if not self.hearing.transcript(event):
            return
        self.interrupting.understood()
        ends = event.transcript.final and event.transcript.ends_turn
        if ends and (self.question.kind == "free" or facts.setup.leg.hears_text):
            self.hearing.finish()
            if facts.ear is not None:
                facts.ear.ended = True

    def _recognizer_failed(self, event: RecognizerFailed) -> None:
        facts = self.facts
        if facts.ear is None or facts.ear.stream != event.stream:
            return
        if facts.ear_failures == 0:  # of those in a row the first; what comes of the last says why
            vendor = {"vendor": event.vendor} if event.vendor else {}
            facts.keep("warning", what="recognizer_failed", **vendor, detail=event.reason)
        facts.ear.ended = True
        if facts.caller.words:
            return  # what was understood until then is the turn
        facts.ear_failures += 1
        was_speaking = facts.caller.started_at is not None
        self.hearing.forget()
        if facts.paused_at is not None:
            self.interrupting.resume()
        if facts.ear_failures >= MAX_EAR_FAILURES:
            self.endings.fall_back("bot_failed", f"recognizer: {event.reason}", after_speech=True)
        elif was_speaking and not facts.prompts and facts.waiting is None:
            self.turns.turn_failed(f"recognizer: {event.reason}")

    def _prompt_ended(self, event: PromptEnded) -> None:
        facts = self.facts
        prompt = self.speaking.prompt_ended(event)
        if prompt is None:
            return
        self.beginning.prompt_ended(event.prompt_id)
        if event.result == "failed" and event.seconds == 0:
            self._prompt_failed(prompt)
        if facts.prompts:
            self.interrupting.prompt_started()
        else:
            self.speaking.close_stretch()

    def _prompt_failed(self, prompt: Prompt) -> None:
        """Nothing could speak it. The gateway's own sentence stands in; when that fails too, the fallback."""
        facts = self.facts
        facts.keep("warning", what="prompt_failed", role=prompt.role)
        if facts.fell_back or facts.ending_since is not None:
            return
        facts.mute += 1
        if facts.mute >= MAX_MUTE:
            self.endings.fall_back("bot_failed", "nothing can speak")
        elif prompt.role != "system" and not any(other.role == "system" for other in facts.prompts.values()):
            self.speaking.own("apology")

    def _transfer_finished(self, event: TransferFinished) -> None:
        transfer = self.facts.transfer
        if transfer is None or event.transfer_id != transfer.transfer_id:
            return
        is_back = self.endings.transfer_finished(ok=event.ok, cause=event.cause, sip_code=event.sip_code)
        if is_back:
            self.turns.transfer_failed(transfer.transfer_id, transfer.feedback, event.cause, event.sip_code)

    def _operator(self, event: OperatorAsked) -> None:
        facts = self.facts
        if event.target is None:
            self.endings.hang_up("operator", "operator", "gateway", "asked by operator")
            return
        self.turns.abandon()
        self.endings.keep_only_records()
        self.hearing.forget()
        self.speaking.stop()
        facts.script.append((None, Transfer(transfer_id="operator", target=event.target, feedback=False)))

    # --- settling --------------------------------------------------------------------------------------------------
    def _call_limit(self) -> float:
        limit = self.facts.number.max_call
        if self.facts.is_settling:  # it ends as soon as it can
            return math.inf
        return limit + LAST_WORDS if self.facts.too_long else limit

    def _settle(self) -> None:
        """Act on what the facts now say, until nothing is due."""
        for _ in range(MAX_ROUNDS):
            if self.facts.now >= self._call_limit():
                self._call_too_long()
            state = self.states.derive()
            if state not in HOLDING:
                self.turns.run_script()
                state = self.states.derive()
            if state is State.OVER:
                return
            if self.facts.is_settling and not self.facts.prompts:
                self.facts.end()
                return
            if self.facts.fell_back and state in RESTING:
                self.endings.hang_up("failure", "bot_failed", "gateway", "fallback")
                continue
            self._enter(state)
            if self.states.derive() is not state:
                continue
            deadline = self.state_deadline()
            if deadline is None or self.facts.now < deadline:
                return
            self._due(state)
        raise RuntimeError(f"the conversation does not settle in state {self.states.derive()}")

    def _enter(self, state: State) -> None:
        """What a state needs while it lasts: its start, an entry of keys that is complete, and an ear."""
        if state is State.RINGING and self.beginning.is_ready:
            self.beginning.pick_up()
        if state is State.HELD:
            self.holding.fall_silent()
        if state is State.DIGITS:
            self._take_entry()
        if state is State.LISTENING and self.facts.listen_since is None:
            self.facts.listen_since = self.facts.now
            if self.question.listen.is_message and self.facts.number.recording.mode == "messages":
                self.facts.keep("recording_started")
        self.hearing.tend_ear(state)

    def _take_entry(self) -> None:
        entry = self.hearing.take_entry()
        if entry is not None:
            self._answered_by(self.hearing.keyed(entry))

    def _due(self, state: State) -> None:
        """The state's deadline is here."""
        facts = self.facts
        match state:
            case State.RINGING if facts.picked_up_at is None:
                self.beginning.pick_up()  # the caller hears that the bot takes long
            case State.RINGING:
                self.endings.end("leg_failed", "gateway", "the line did not answer")
            case State.ENDING:
                facts.end()
            case State.TRANSFERRING:
                assert facts.transfer is not None
                self._take(TransferFinished(transfer_id=facts.transfer.transfer_id, ok=False, cause="no_answer"))
            case State.PAUSED:
                self.interrupting.resume()
            case State.STOPPING:
                self.speaking.give_up_reports()
                self.speaking.close_stretch()
            case State.THINKING:
                self.turns.waited_long()
            case State.FINISHING:
                self._turn_closed()
            case State.HEARING | State.CLOSING:
                self._finish_or_conclude()
            case State.GAP:
                assert facts.waiting is not None
                facts.waiting.gap_over = True
            case State.IDLE:
                self.endings.fall_back("no_input", "silence")
            case State.LISTENING:
                self.turns.silence(facts.now - since(facts.listen_since))
            case State.OVER | State.SPEAKING | State.DIGITS | State.HELD:
                pass  # none of them has anything to do when its time is over
            case _:
                assert_never(state)

    def _finish_or_conclude(self) -> None:
        """The caller's turn is over. Without a stream there is no text to wait for."""
        if self.facts.ear is None:
            self._turn_closed()
        else:
            self.hearing.finish()

    def _turn_closed(self) -> None:
        if self.hearing.continues():
            return
        self._answered_by(self.hearing.conclude())

    def _answered_by(self, result: Input | ReadOn | NoMatch) -> None:
        match result:
            case NoMatch():
                self.turns.not_understood(result)
            case ReadOn():
                self.turns.read_on(result)
            case _:
                self.turns.send(result)

    def _call_too_long(self) -> None:
        facts = self.facts
        if facts.too_long or facts.ending_since is not None or facts.held_since is not None:
            self.endings.end("too_long", "gateway", "max_call")
            return
        facts.too_long = facts.fell_back = True
        self.turns.abandon()
        self.hearing.keys.clear()
        self.hearing.forget()
        self.endings.keep_only_records()
        self.speaking.stop()
        facts.script.append((None, Say(text=self.speaking.words("too_long"), role="system")))
        facts.script.append((None, Hangup(reason="too_long")))
