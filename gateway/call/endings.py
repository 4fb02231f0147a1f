"""How a call leaves the bot: hang-up, transfer, the number's fallback."""

from __future__ import annotations

from typing import Literal

from config.targets import is_allowed
from gateway.actions import Hangup, PostCall, Record, Say, Transfer
from gateway.call.commands import AbandonTurn, CloseLeg, TransferCall
from gateway.call.facts import Facts, UnderWay
from gateway.call.hearing import Hearing
from gateway.call.outcome import CallOutcome, Party, Result
from gateway.call.speaking import Speaking
from gateway.interfaces import HangupReason, TransferTarget

LEG_CLOSES_WITHIN = 2.0  # s after CloseLeg; then the call is over whatever the leg says
TRANSFER_GRACE = 5.0  # s beyond the ring time for the transfer to report


class Endings:
    """Ends calls, once everything that must be heard was heard."""

    def __init__(self, facts: Facts, speaking: Speaking, hearing: Hearing) -> None:
        self.facts = facts
        self.speaking = speaking
        self.hearing = hearing

    def hang_up(self, reason: HangupReason, result: Result, by: Party, detail: str = "") -> None:
        """Close the leg. The outcome is settled here, however the leg reports its end."""
        facts = self.facts
        if facts.ending_since is not None:
            return
        if facts.final_outcome is None:  # the fallback has said already why the call ends
            facts.final_outcome = CallOutcome(result=result, by=by, reason=detail)
        facts.ending_since = facts.now
        facts.transfer = None  # a transfer that is under way goes down with the leg
        self.hearing.forget()
        self.speaking.stop()
        facts.emit(CloseLeg(reason=reason))

    def keep_only_records(self) -> None:
        """Of what the bot has asked for, what is not about speech still counts."""
        kept = [(turn, action) for turn, action in self.facts.script if isinstance(action, Record | PostCall)]
        self.facts.script.clear()
        self.facts.script.extend(kept)

    def fall_back(self, result: Result, reason: str, *, after_speech: bool = False) -> None:
        """The bot cannot go on: say so, then transfer where that is possible, else hang up. Once per call.

        Args:
            after_speech: What is being said is said to its end first.
        """
        facts = self.facts
        if facts.fell_back or facts.ending_since is not None:
            return
        facts.fell_back = True
        facts.keep("fallback", reason=reason)
        facts.final_outcome = CallOutcome(result=result, by="gateway", reason=reason)
        if facts.waiting is not None:
            facts.abandoned = facts.waiting.turn
            facts.emit(AbandonTurn(turn=facts.waiting.turn))
            facts.waiting = None
        self.hearing.keys.clear()
        self.hearing.forget()
        self.keep_only_records()
        if not after_speech:
            self.speaking.stop()
        settings = facts.number.fallback
        goes_on = settings.transfer is not None and facts.setup.leg.can_transfer
        text = settings.say or self.speaking.words("fallback_transfer" if goes_on else "fallback_hangup")
        facts.script.append((None, Say(text=text, role="system")))
        if goes_on:
            facts.script.append((None, Transfer(transfer_id="fallback", target=settings.transfer)))
        facts.script.append((None, Hangup(reason="fallback")))

    def transfer(self, action: Transfer) -> str | None:
        """Start a transfer. Returns why it failed at once, where somebody must go on with the caller."""
        facts = self.facts
        self.hearing.forget()
        refusal = self._refusal(action)
        if refusal is not None:
            facts.keep("transfer_refused", cause=refusal)
            return refusal if self.transfer_finished(ok=False, cause=refusal) else None
        ring = action.ring or facts.number.transfer.ring
        facts.transfer = UnderWay(
            transfer_id=action.transfer_id, until=facts.now + ring + TRANSFER_GRACE, feedback=action.feedback
        )
        target = TransferTarget(
            transfer_id=action.transfer_id,
            target=action.target or "",
            mode="attended" if action.mode == "auto" and facts.number.transfer.kind == "attended" else action.mode,
            ring=ring,
            headers=action.headers,
        )
        facts.emit(TransferCall(target=target))
        return None

    def _refusal(self, action: Transfer) -> Literal["no_target", "not_allowed", "unsupported"] | None:
        if not action.target:
            return "no_target"
        if not is_allowed(action.target, self.facts.number.transfer.allow):
            return "not_allowed"
        return None if self.facts.setup.leg.can_transfer else "unsupported"

    def transfer_finished(self, *, ok: bool, cause: str, sip_code: int | None = None) -> bool:
        """Book a transfer's end. Returns whether the caller is back and somebody must go on with him."""
        facts = self.facts
        facts.transfer = None
        if ok:
            facts.final_outcome = None  # also where the fallback has said why the call ends
            self.end("transferred", "transfer", cause)
            return False
        facts.keep("transfer_failed", cause=cause, sip_code=sip_code)
        if facts.leg_gone:
            self.end("completed" if facts.caller_spoke else "abandoned", "caller", cause)
            return False
        return not facts.fell_back

    def leg_closed(self, by: Literal["caller", "gateway", "failure"], reason: str) -> None:
        facts = self.facts
        facts.leg_gone = True
        if facts.transfer is not None:
            return  # decides nothing until the transfer has reported
        if by == "failure":
            self.end("leg_failed", "gateway", reason)
        elif by == "caller" and facts.ending_since is None:
            if facts.fell_back:
                self.end("bot_failed", "gateway", reason)
            else:
                facts.final_outcome = None
                self.end("completed" if facts.caller_spoke else "abandoned", "caller", reason)
        else:
            self.end("completed", "gateway", reason)

    def end(self, result: Result, by: Party, reason: str = "") -> None:
        """End the call. What was playing is stopped first, so that its part that was heard is in the account."""
        facts = self.facts
        if facts.final_outcome is None:
            facts.final_outcome = CallOutcome(result=result, by=by, reason=reason)
        facts.is_settling = True
        if facts.ending_since is None:
            facts.ending_since = facts.now
        self.hearing.forget()
        self.speaking.stop()
