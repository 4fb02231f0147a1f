"""The bot's turns: what is sent to it, which of its answers still count, and what its actions do."""

from __future__ import annotations

from collections import deque
from typing import assert_never

from gateway.actions import (
    Action,
    ActionBatch,
    Fail,
    Hangup,
    Listen,
    Menu,
    Pause,
    Play,
    PostCall,
    Record,
    Release,
    Say,
    SendDigits,
    SendLink,
    SetSpeech,
    Transfer,
)
from gateway.call.commands import AbandonTurn, KeepRecord, SendDigitsToCaller, SendToBot
from gateway.call.endings import Endings
from gateway.call.facts import Facts, Waiting
from gateway.call.hearing import Hearing, Input, NoMatch
from gateway.call.outcome import Result
from gateway.call.question import Question, ReadOn
from gateway.call.speaking import Speaking
from gateway.call.voices import SpeechInForce
from gateway.caller_events import CallStarted, NoInput, TransferResult
from gateway.events import BotFailed, LinkSent

MAX_FAILURES = 3  # failed turns in a row before the fallback
BARRIERS = (Hangup, Transfer, Release, SendDigits)  # wait until everything before them was heard
SPOKEN = (Say, Play, Pause)
QUIET = (Record, PostCall, SetSpeech, SendLink)  # no sign that the bot has answered


class Turns:
    """One turn at a time: sent, answered, stale."""

    def __init__(
        self,
        facts: Facts,
        speech: SpeechInForce,
        question: Question,
        speaking: Speaking,
        hearing: Hearing,
        endings: Endings,
    ) -> None:
        self.facts = facts
        self.speech = speech
        self.question = question
        self.speaking = speaking
        self.hearing = hearing
        self.endings = endings

    # --- towards the bot -------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Open the conversation with the bot; where people come first, once none of them has taken the caller."""
        if self.facts.setup.people is None:
            self._begin()
        else:
            people = Transfer(transfer_id="people", target=self.facts.setup.people)
            self.facts.script.append((None, people))

    def _begin(self) -> None:
        facts = self.facts
        facts.has_begun = True
        if facts.setup.backend.greets_first:
            self._wait_for(0, is_start=True)
        facts.emit(SendToBot(event=CallStarted(turn=0)))

    def send(self, event: Input | NoInput | TransferResult) -> None:
        """Open a new turn. Answers to earlier ones are stale from here on."""
        facts = self.facts
        if facts.waiting is not None:
            facts.emit(AbandonTurn(turn=facts.waiting.turn))
        facts.turn = event.turn
        facts.script = deque(
            (turn, action) for turn, action in facts.script if turn is None or isinstance(action, Record | PostCall)
        )
        if not isinstance(event, NoInput | TransferResult):
            facts.caller_spoke = True
            facts.silences = 0
        facts.idle_since = facts.listen_since = None
        facts.question_asked = False
        self.hearing.forget()
        self.question.reset()
        self._wait_for(event.turn, is_start=False)
        facts.emit(SendToBot(event=event))

    def _wait_for(self, turn: int, *, is_start: bool) -> None:
        now, number = self.facts.now, self.facts.number
        self.facts.waiting = Waiting(turn=turn, sent_at=now, next_filler=now + number.filler_after, is_start=is_start)

    def abandon(self) -> None:
        """Nobody waits for the running turn any more; its batches are stale."""
        facts = self.facts
        if facts.waiting is not None:
            facts.abandoned = facts.waiting.turn
            facts.emit(AbandonTurn(turn=facts.waiting.turn))
            facts.waiting = None

    # --- from the bot ----------------------------------------------------------------------------------------------
    def is_stale(self, turn: int | None) -> bool:
        return turn is not None and (turn < self.facts.turn or turn <= self.facts.abandoned)

    def replied(self, batch: ActionBatch) -> None:
        facts = self.facts
        if self.is_stale(batch.turn) or facts.fell_back or facts.ending_since is not None:
            self._keep_records(batch)
            return
        facts.script.extend((batch.turn, action) for action in batch.actions)
        waiting = facts.waiting
        if waiting is None or (batch.turn is not None and batch.turn != waiting.turn):
            return
        is_done = batch.turn_done and batch.turn is not None
        is_answer = any(not isinstance(action, QUIET) for action in batch.actions)
        if is_done or is_answer:
            waiting.replied_at = facts.now
            if not any(isinstance(action, Fail) for action in batch.actions):
                facts.failures = 0
        if is_done:
            facts.waiting = None

    def _keep_records(self, batch: ActionBatch) -> None:
        for action in batch.actions:
            if isinstance(action, Record | PostCall):
                self._keep(action)
        self.facts.keep("stale_batch", turn=batch.turn, actions=len(batch.actions))

    def failed(self, event: BotFailed) -> None:
        """The adapter gave a turn up, or the bot is gone."""
        if event.turn is None:
            self.endings.fall_back("bot_failed", f"bot gone: {event.detail}")
        elif self.facts.waiting is not None and self.facts.waiting.turn == event.turn:
            self.turn_failed(f"{event.kind}: {event.detail}")
        elif not self.is_stale(event.turn):
            self.facts.keep("warning", what="bot_event_failed", turn=event.turn, detail=event.detail)

    def waited_long(self) -> None:
        """The bot is waited for: a filler is due, or the answer will not come any more."""
        facts = self.facts
        assert facts.waiting is not None
        if facts.now >= round(facts.waiting.sent_at + facts.number.answer_timeout, 6):
            self.turn_failed("no answer in time")
            return
        facts.waiting.next_filler = facts.now + facts.number.filler_every
        self.speaking.filler()

    def turn_failed(self, reason: str) -> None:
        """An apology and another try; the third failure in a row, or one on the first words, is the fallback."""
        facts = self.facts
        at_start = facts.waiting is not None and facts.waiting.is_start
        if facts.waiting is not None:
            self.question.reopen()
        self.abandon()
        facts.failures += 1
        facts.keep("failed_turn", reason=reason, in_a_row=facts.failures)
        if at_start or facts.failures >= MAX_FAILURES:
            self.endings.fall_back("bot_failed", reason)
            return
        self.speaking.own("apology")

    # --- the script ------------------------------------------------------------------------------------------------
    def run_script(self) -> None:
        """Do what the bot asked for, in order, up to the first thing that has to wait for speech before it."""
        facts = self.facts
        while facts.script and not facts.over and facts.ending_since is None and facts.transfer is None:
            turn, action = facts.script[0]
            if isinstance(action, BARRIERS):
                self.speaking.end_stream(facts.turn)
                is_blunt = isinstance(action, Hangup) and not action.after_speech
                if facts.prompts and not is_blunt:
                    return
            facts.script.popleft()
            if self.is_stale(turn) and not isinstance(action, Record | PostCall):
                continue
            self._do(action)

    def _do(self, action: Action) -> None:
        turn = self.facts.turn
        if not isinstance(action, Say):
            self.speaking.end_stream(turn)
        match action:
            case Say():
                self.speaking.say(action, turn)
            case Play():
                self.speaking.play(action, turn)
            case Pause():
                self.speaking.pause(action, turn)
            case Menu():
                self.facts.question_asked = True
                self.speaking.ask(action, turn, aloud=action.aloud)
            case Listen():
                self.facts.question_asked = True
                self.question.listen = action
                if self.question.takes_message:
                    self.facts.keep("message_asked", longest=self.question.max_length)
            case SetSpeech():
                self.speech.set(action)
            case Transfer():
                if (refusal := self.endings.transfer(action)) is not None:
                    self.transfer_failed(action.transfer_id, action.feedback, refusal)
            case Hangup():
                self._hang_up(action.reason)
            case Release():
                result: Result = "bot_failed" if action.policy == "failed" else "completed"
                self.endings.fall_back(result, f"released: {action.policy}")
            case SendDigits():
                self.facts.emit(SendDigitsToCaller(digits=action.digits))
            case SendLink():
                self._send_link(action, turn)
            case Record() | PostCall():
                self._keep(action)
            case Fail():
                self._fail(action)
            case _:
                assert_never(action)

    def _hang_up(self, reason: str) -> None:
        match reason:
            case "no_input":
                self.endings.hang_up("no_input", "no_input", "gateway", "silence")
            case "too_long":
                self.endings.hang_up("too_long", "too_long", "gateway", "max_call")
            case "fallback":
                self.endings.hang_up("failure", "bot_failed", "gateway", "fallback")
            case _:
                self.endings.hang_up("normal", "completed", "bot", reason)

    def _keep(self, action: Record | PostCall) -> None:
        kind = action.kind if isinstance(action, Record) else f"post_call_{action.kind}"
        self.facts.emit(KeepRecord(kind=kind, data=dict(action.data)))

    def _send_link(self, link: SendLink, turn: int) -> None:
        """By the number's policy. A link cannot be said: what is said is the bot's text beside it."""
        facts = self.facts
        policy, hook = facts.number.links, facts.number.link_hook
        if policy == "hook" and not facts.setup.info.caller:
            policy = "speak"  # a withheld number gets no message
        if policy == "hook":  # the caller hears of it when the hook has taken it: `link_sent`
            facts.keep("link", url=link.url, text=link.text, policy=policy, hook=hook)
            return
        facts.keep("link", url=link.url, text=link.text, policy=policy)
        if policy == "speak" and link.text:
            self.speaking.say(Say(text=link.text), turn)

    def link_sent(self, event: LinkSent) -> None:
        """Say what is true: that the link was sent, once it was; else the bot's text, as if there were no hook."""
        facts = self.facts
        facts.keep("link_sent" if event.ok else "link_not_sent", url=event.url)
        if event.ok:  # behind the last words, in a call that is about to end, neither is heard
            facts.script.append((None, Say(text=self.speaking.words("link_sent"), role="system")))
        else:
            facts.script.append((None, Say(text=event.text, role="agent")))

    def _fail(self, action: Fail) -> None:
        if self.facts.waiting is None and self.facts.turn == 0 and not self.facts.answer:
            self.endings.fall_back("bot_failed", f"{action.kind}: {action.detail}")
        else:
            self.turn_failed(f"{action.kind}: {action.detail}")

    def transfer_failed(self, transfer_id: str, feedback: bool, cause: str, sip_code: int | None = None) -> None:
        """The caller is back: the bot is told where that is of use to it, else the caller is."""
        facts = self.facts
        if not facts.has_begun:
            self._begin()
        elif feedback and facts.setup.backend.transfer_feedback:
            result = TransferResult(
                turn=facts.turn + 1, transfer_id=transfer_id, ok=False, cause=cause, sip_code=sip_code
            )
            self.send(result)
        else:
            self.speaking.own("transfer_failed", interruptible=True)
            facts.question_asked = True

    # --- interruptions ---------------------------------------------------------------------------------------------
    @property
    def is_leaving(self) -> bool:
        """A hang-up or a transfer waits for the speech before it, which therefore cannot be interrupted."""
        return any(isinstance(action, Hangup | Transfer | Release) for _, action in self.facts.script)

    def interrupted(self) -> None:
        """The caller interrupts: the speech that had arrived is dropped, everything else still takes effect."""
        facts = self.facts
        self.speaking.drop_stream()
        rest = [action for _, action in facts.script if not isinstance(action, SPOKEN)]
        facts.script.clear()
        for action in rest:
            if isinstance(action, Menu):
                self.speaking.ask(action, facts.turn, aloud=False)
            else:
                self._do(action)
        if facts.waiting is not None and facts.waiting.replied_at is not None:
            self.abandon()
        self.speaking.stop()

    # --- silence ---------------------------------------------------------------------------------------------------
    def silence(self, waited: float) -> None:
        """The no-input time is over."""
        facts = self.facts
        facts.listen_since = None
        facts.silences += 1
        exhausted = facts.silences > self.question.retries
        facts.keep("no_input", count=facts.silences, exhausted=exhausted)
        if facts.setup.backend.wants_no_input and (self.question.then == "event" or not exhausted):
            self._tell_silence(waited, exhausted)
        elif exhausted:
            self._exhausted(waited)
        else:
            self._ask_again()

    def read_on(self, wish: ReadOn) -> None:
        """The caller is there, and wants to hear more of the menu before he answers: nothing the bot has to know."""
        facts = self.facts
        facts.silences = 0
        facts.listen_since = None
        facts.keep("menu_read_on", group=wish.group)
        self.speaking.read_on(wish.group, facts.turn)

    def not_understood(self, heard: NoMatch) -> None:
        """The caller's turn brought no text. Noise is no turn at all; idle, nobody is asked again."""
        facts = self.facts
        if not heard.counts or facts.idle_since is not None:
            return
        facts.listen_since = None
        if facts.number.no_input.nomatch_counts:
            facts.silences += 1
        facts.keep("no_match", count=facts.silences)
        if facts.silences > self.question.retries:
            self._exhausted(0.0)
        else:
            self._ask_again()

    def _tell_silence(self, waited: float, exhausted: bool) -> None:
        facts = self.facts
        silences = facts.silences
        if exhausted:
            facts.silences = 0  # what the bot makes of it has rules of its own
        self.send(NoInput(turn=facts.turn + 1, count=silences, elapsed=round(waited, 3), exhausted=exhausted))

    def _ask_again(self) -> None:
        facts, prompts = self.facts, self.question.prompts
        index = min(max(facts.silences - 1, 0), len(prompts) - 1)
        text = prompts[index] if prompts else ""
        if text.strip():
            say = Say(text=text, format=self.question.listen.no_input_format, role="agent")
            self.speaking.say(say, facts.turn)
        elif not self.speaking.repeat():
            words = self.speaking.words("no_input", variant=max(facts.silences - 1, 0))
            self.speaking.own_text(words, interruptible=True)

    def _exhausted(self, waited: float) -> None:
        facts = self.facts
        match self.question.then:
            case "event":
                self._tell_silence(waited, exhausted=True)
            case "hangup":
                if facts.number.no_input.goodbye:
                    self.speaking.own_text(facts.number.no_input.goodbye)
                facts.script.append((None, Hangup(reason="no_input")))
            case "idle":
                facts.idle_since = facts.now
