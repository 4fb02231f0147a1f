"""When the caller talks into a prompt: what pauses it, what stops it, and what lets it go on.

Whether an attempt counts is decided in `bargein`; what an interruption does to the bot's turn, in `turns`.
"""

from __future__ import annotations

from config.call import Interruption
from gateway.call.bargein import Attempt, Verdict, judge
from gateway.call.commands import PausePlayout, ResumePlayout
from gateway.call.facts import Facts
from gateway.call.hearing import Hearing
from gateway.call.question import Question
from gateway.call.speaking import Speaking
from gateway.call.states import since
from gateway.call.turns import Turns


class Interrupting:
    """Watches the caller while something is outstanding."""

    def __init__(self, facts: Facts, question: Question, speaking: Speaking, hearing: Hearing, turns: Turns) -> None:
        self.facts = facts
        self.question = question
        self.speaking = speaking
        self.hearing = hearing
        self.turns = turns

    def pressed(self) -> None:
        """A key was pressed."""
        is_paused = self.facts.paused_at is not None and "digits" in self.question.interrupted_by
        if is_paused or self._verdict("digits") is Verdict.STOP:
            self.turns.interrupted()

    def spoke(self, voiced: float = 0.0) -> None:
        """Voice goes on; ``voiced``: seconds of it so far."""
        match self._verdict("speech", voiced):
            case Verdict.STOP:
                self.turns.interrupted()
            case Verdict.PAUSE:
                self.facts.paused_at = self.facts.now
                self.facts.emit(PausePlayout())
            case Verdict.NO:
                pass

    def understood(self) -> None:
        """A word was recognized."""
        if self.facts.paused_at is not None:
            self.turns.interrupted()
        elif self._speaks_over():
            self.spoke()

    def fell_silent(self) -> None:
        """Voice ended. Without partials the time to confirm a pause counts from here."""
        if self.facts.paused_at is not None and not self.hearing.has_partials:
            self.facts.paused_at = self.facts.now
            self.hearing.finish()

    def recognition_ended(self) -> None:
        """A pause to find out whether words follow ends with the stream: there were none."""
        facts = self.facts
        if facts.paused_at is not None and facts.ear is not None and facts.ear.ended and not facts.caller.words:
            self.resume()

    def prompt_started(self) -> None:
        """A prompt became audible: where the number says so, what was said while the bot thought interrupts it."""
        facts = self.facts
        if facts.number.thinking_input == "barge_in" and facts.caller.ahead and facts.caller.sustained:
            current = self.speaking.current
            if current is not None and current.interruptible and not self.turns.is_leaving:
                self.turns.interrupted()

    def peer_stopped(self) -> None:
        """A peer that speaks for itself has stopped because the caller spoke; its prompts report what was heard."""
        if self.facts.prompts and self.facts.stop_at is None:
            self.turns.interrupted()

    def resume(self) -> None:
        """Take a pause back: the prompt goes on where it stopped."""
        self.facts.paused_at = None
        self.hearing.dismiss()
        self.facts.emit(ResumePlayout())

    def _verdict(self, by: Interruption, voiced: float = 0.0) -> Verdict:
        facts, current = self.facts, self.speaking.current
        if current is None or facts.stop_at is not None or facts.paused_at is not None:
            return Verdict.NO
        if by == "speech" and (facts.dropping or (facts.caller.dismissed and not facts.caller.words)):
            return Verdict.NO
        attempt = Attempt(
            by=by,
            voiced=voiced,
            words=len(facts.caller.words.split()),
            prompt_age=self.speaking.prompt_age,
            interruptible=current.interruptible and not self.turns.is_leaving and not facts.fell_back,
        )
        return judge(attempt, facts.number.barge_in, self.question.interrupted_by)

    def _speaks_over(self) -> bool:
        """Whether the caller's speech overlaps what plays; what he said before is no interruption of it."""
        facts, age = self.facts, self.speaking.prompt_age
        return age is not None and (facts.voice or facts.now - since(facts.caller.stopped_at) <= age)
