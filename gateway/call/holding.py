"""When somebody on the caller's side puts the call on hold: nobody hears us, and what we hear is no caller.

While it lasts only the longest call runs; the leg itself notices a peer that is gone. What was playing goes on at its
very next sample afterwards, what the bot says meanwhile waits, and no clock of the conversation has moved.
"""

from __future__ import annotations

from gateway.call.commands import PausePlayout, ResumePlayout
from gateway.call.facts import Facts
from gateway.call.hearing import Hearing


class Holding:
    """Stops the conversation's clocks, and lets them go on."""

    def __init__(self, facts: Facts, hearing: Hearing) -> None:
        self.facts = facts
        self.hearing = hearing

    def changed(self, held: bool) -> None:
        """The peer says whether we are on hold."""
        is_held = self.facts.held_since is not None
        if held and not is_held:
            self._begin()
        elif is_held and not held:
            self._end()

    def fall_silent(self) -> None:
        """Nothing is played to nobody. A playout that was stopped meanwhile has to be told again."""
        if not self.facts.is_mute:
            self.facts.is_mute = True
            self.facts.emit(PausePlayout())

    def _begin(self) -> None:
        facts, caller = self.facts, self.facts.caller
        facts.held_since = facts.now
        facts.voice = facts.dropping = False
        if facts.paused_at is not None:  # whether words follow cannot be known any more
            facts.paused_at = None
            facts.is_mute = True
            self.hearing.dismiss()
        elif caller.started_at is not None and caller.stopped_at is None:
            caller.stopped_at = facts.now
        self.hearing.close_ear()
        facts.keep("held")

    def _end(self) -> None:
        """Go on as if no time had passed; what the caller had begun to say counts as far as it was understood."""
        facts = self.facts
        assert facts.held_since is not None
        missed, facts.held_since = facts.now - facts.held_since, None
        if facts.waiting is not None:
            facts.waiting.postpone(missed)
        if facts.idle_since is not None:
            facts.idle_since += missed
        self.hearing.keys.postpone(missed)
        facts.listen_since = None
        facts.voice = False
        facts.boundary = max(facts.boundary, facts.now)  # hold music opens no stream
        if not facts.caller.words:
            self.hearing.forget()
        facts.keep("resumed", seconds=round(missed, 3))
        if facts.is_mute:
            facts.is_mute = False
            facts.emit(ResumePlayout())
