"""How a call begins: it rings or is answered at once, and where it is recorded the caller is told so first."""

from __future__ import annotations

from gateway.call.commands import Answer, Ring
from gateway.call.facts import Facts
from gateway.call.speaking import Speaking


class Beginning:
    """Answers the call."""

    def __init__(self, facts: Facts, speaking: Speaking) -> None:
        self.facts = facts
        self.speaking = speaking
        self._announcement: int | None = None

    def offered(self) -> None:
        """A leg wants the call. Where number and leg allow it, it rings until the bot has something to say."""
        setup = self.facts.setup
        rings = setup.number.pick_up != "at_once" and setup.leg.can_ring and setup.backend.greets_first
        if rings and setup.people is None:
            self.facts.emit(Ring(early_media=setup.number.pick_up == "early_media"))
        else:
            self.pick_up()

    def pick_up(self) -> None:
        """Answer. What is to be said waits until the leg has."""
        self.facts.picked_up_at = self.facts.now
        self.facts.emit(Answer())

    @property
    def is_ready(self) -> bool:
        """It rings, and the bot has answered, or cannot."""
        return self.facts.picked_up_at is None and not self.facts.is_thinking

    def answered(self) -> None:
        """The caller can hear us."""
        facts = self.facts
        facts.answered = True
        if facts.waiting is not None:  # nobody waited for a filler before he could hear one
            facts.waiting.next_filler = facts.now + facts.number.filler_after
        if not facts.setup.has_recording or facts.number.recording.mode != "on":
            return
        if facts.number.recording.announce:
            self._announcement = facts.next_prompt
            self.speaking.own_text(facts.number.recording.announce)
        if self._announcement not in facts.prompts:
            self._announcement = None
            facts.keep("recording_started")

    def prompt_ended(self, prompt_id: int) -> None:
        """A prompt is over; behind the announcement the recording starts."""
        if prompt_id == self._announcement:
            self._announcement = None
            self.facts.keep("recording_started")
