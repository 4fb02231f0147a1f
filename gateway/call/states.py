"""Where a call stands, derived from its facts: the first row that fits, and that state's one deadline.

Nothing is armed and nothing is cleared: a deadline is computed from the same facts as the state it belongs to.
"""

from __future__ import annotations

from typing import assert_never

from gateway.call.endings import LEG_CLOSES_WITHIN
from gateway.call.facts import Facts, State
from gateway.call.hearing import Hearing
from gateway.call.question import Question
from gateway.call.speaking import STOP_WAIT

ANSWER_WITHIN = 30.0  # s a leg may take to let the caller hear us


def since(moment: float | None) -> float:
    """When a state began. There is such a moment wherever the state's row in `States.derive` fits."""
    assert moment is not None
    return moment


class States:
    """Reads the facts; changes nothing."""

    def __init__(self, facts: Facts, question: Question, hearing: Hearing) -> None:
        self.facts = facts
        self.question = question
        self.hearing = hearing

    def derive(self) -> State:
        """The first row that fits."""
        facts = self.facts
        rows = (
            (facts.over, State.OVER),
            (facts.ending_since is not None, State.ENDING),
            (not facts.answered, State.RINGING),
            (facts.transfer is not None, State.TRANSFERRING),
            (facts.stop_at is not None, State.STOPPING),
            (facts.held_since is not None, State.HELD),
            (facts.paused_at is not None, State.PAUSED),
            (bool(facts.prompts), State.SPEAKING),
            (facts.is_thinking, State.THINKING),
            (bool(self.hearing.keys), State.DIGITS),
            (facts.ear is not None and (facts.ear.finish_at is not None or self._is_complete), State.FINISHING),
            (facts.caller.started_at is not None and facts.caller.stopped_at is None, State.HEARING),
            (facts.caller.started_at is not None, State.CLOSING),
            (self._is_gap, State.GAP),
            (facts.idle_since is not None, State.IDLE),
        )
        return next((state for fits, state in rows if fits), State.LISTENING)

    @property
    def _is_complete(self) -> bool:
        """The stream ended by itself, with something in it."""
        ear = self.facts.ear
        return ear is not None and ear.ended and self.facts.caller.started_at is not None

    @property
    def _is_gap(self) -> bool:
        waiting = self.facts.waiting
        return waiting is not None and not waiting.gap_over and not self.facts.question_asked

    def deadline(self, state: State) -> float | None:
        facts, number, caller = self.facts, self.facts.number, self.facts.caller
        match state:
            case State.OVER | State.SPEAKING | State.HELD:
                return None
            case State.RINGING:
                return self._ringing_deadline()
            case State.ENDING:
                return since(facts.ending_since) + LEG_CLOSES_WITHIN
            case State.TRANSFERRING:
                assert facts.transfer is not None
                return facts.transfer.until
            case State.PAUSED:
                return self._pause_deadline()
            case State.STOPPING:
                return since(facts.stop_at) + STOP_WAIT
            case State.THINKING:
                assert facts.waiting is not None
                return min(facts.waiting.next_filler, facts.waiting.sent_at + number.answer_timeout)
            case State.DIGITS:
                return self.hearing.keys.deadline()
            case State.FINISHING:
                assert facts.ear is not None
                finished = facts.now if facts.ear.finish_at is None else facts.ear.finish_at
                return finished if facts.ear.ended else finished + number.transcript_timeout
            case State.HEARING:
                return since(caller.started_at) + self.question.max_length
            case State.CLOSING:
                return since(caller.stopped_at) + self.question.end_silence
            case State.GAP:
                assert facts.waiting is not None
                return since(facts.waiting.replied_at) + number.batch_gap
            case State.IDLE:
                return since(facts.idle_since) + number.idle_limit
            case State.LISTENING:
                return since(facts.listen_since) + self.question.start_timeout
            case _:
                assert_never(state)

    def _ringing_deadline(self) -> float:
        facts = self.facts
        if facts.picked_up_at is None and facts.waiting is not None:  # it rings for the bot
            return facts.waiting.sent_at + facts.number.answer_timeout
        return (facts.picked_up_at or 0.0) + ANSWER_WITHIN

    def _pause_deadline(self) -> float:
        facts = self.facts
        if facts.voice and not self.hearing.has_partials:  # words cannot come before the speech is over
            return since(facts.paused_at) + self.question.max_length
        return since(facts.paused_at) + facts.number.barge_in.confirm_within
