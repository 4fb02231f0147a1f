"""The record of a call: who, when, how it went, and for each turn where the time went.

`CallRecord` is built from what the conversation was told and decided, so a replayed journal gives the same record.
It is updated while the call runs; the console, `talkpath call` and the API read it live.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.call.commands import Command, EndCall, FinishUtterance, KeepRecord, SendToBot, StartPrompt
from gateway.call.outcome import CallOutcome
from gateway.events import (
    BotReplied,
    CallEvent,
    CallInfo,
    CallStarted,
    NoInput,
    PlaybackDone,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    TranscriptUpdated,
    TransferResult,
    UserChoice,
    UserDigits,
    UserText,
)

MASK = "***"
MAX_TURNS = 1000
MAX_SAID = 5000  # prompts kept per call
MAX_NOTES = 500  # kept per call; a bot that writes more is cut off, with a line saying so
STAGES = ("endpointing", "recognition", "bot", "synthesis", "playout")


@dataclass(slots=True)
class Waterfall:
    """Moments of one turn, in seconds of call time; None: not reached.

    Attributes:
        stopped: The caller stopped speaking, or pressed the last key.
        endpoint: We decided that his turn was over.
        transcript: The last of his words was recognized.
        asked: The bot was asked.
        answered: Its first answer was here.
        ready: The first audio of the answer could have been sent.
        sent: It was.
    """

    stopped: float | None = None
    endpoint: float | None = None
    transcript: float | None = None
    asked: float | None = None
    answered: float | None = None
    ready: float | None = None
    sent: float | None = None

    def stages(self) -> dict[str, float]:
        """Where the time went, in seconds. The parts sum to the whole, from ``stopped`` to the last moment known."""
        marks = [self.stopped, self.endpoint, self.asked, self.answered, self.ready, self.sent]
        found: dict[str, float] = {}
        since = marks[0]
        for name, moment in zip(STAGES, marks[1:], strict=True):
            if since is None or moment is None:
                break
            found[name] = round(max(moment - since, 0.0), 6)
            since = max(moment, since)
        return found

    @property
    def total(self) -> float | None:
        """From the caller's last sound to the first of the answer."""
        return None if self.stopped is None or self.sent is None else round(self.sent - self.stopped, 6)


@dataclass(slots=True)
class Turn:
    """One exchange: what the caller did, and what he heard in return."""

    number: int
    kind: str
    text: str = ""
    barged_in: bool = False
    is_masked: bool = False
    heard: list[str] = field(default_factory=list)
    heard_seconds: float = 0.0
    cut: bool = False
    waterfall: Waterfall = field(default_factory=Waterfall)

    def to_json(self) -> dict[str, Any]:
        marks = self.waterfall
        names = ("stopped", "endpoint", "transcript", "asked", "answered", "ready", "sent")
        return {
            "turn": self.number,
            "kind": self.kind,
            "caller": MASK if self.is_masked else self.text,
            "barged_in": self.barged_in,
            "bot": " ".join(self.heard),
            "bot_seconds": round(self.heard_seconds, 3),
            "bot_cut": self.cut,
            "at": {name: getattr(marks, name) for name in names if getattr(marks, name) is not None},
            "stages": marks.stages(),
            "answer_seconds": marks.total,
        }


@dataclass(slots=True)
class CallRecord:
    """See the module's docstring.

    Attributes:
        started_at: When the call was offered, as ISO 8601 in UTC.
        is_masked: Asked before each event is taken: whether it touches an answer nobody may write down.
    """

    info: CallInfo
    started_at: str
    turns: list[Turn] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    """Every prompt that ended, the gateway's own included: when, what was heard of it, for how long."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    outcome: CallOutcome | None = None
    seconds: float = 0.0
    _endpoint: float | None = None
    _transcript: float | None = None
    _prompts: dict[int, tuple[int, float]] = field(default_factory=dict)
    _answered: bool = False
    _heard_by_bot: bool = False

    def observe(self, now: float, event: CallEvent, commands: Sequence[Command], *, is_masked: bool = False) -> None:
        """Take one step of the call, exactly as handled."""
        self.seconds = now
        self._take(now, event)
        for command in commands:
            self._follow(now, command, is_masked)

    # --- events ----------------------------------------------------------------------------------------------------
    def _take(self, now: float, event: CallEvent) -> None:
        match event:
            case TranscriptUpdated(transcript=heard) if heard.final:
                self._transcript = now
            case RecognitionEnded():
                self._transcript = now if self._transcript is None else self._transcript
            case BotReplied(batch=batch) if self.turns and batch.turn in (None, self.turns[-1].number):
                marks = self.turns[-1].waterfall
                if marks.answered is None and (batch.actions or batch.turn_done):
                    marks.answered = now
                    self._answered = True
            case PromptStarted():
                self._prompt_started(now, event)
            case PromptEnded():
                self._prompts.pop(event.prompt_id, None)
                self._note_said(now, event)

    def _prompt_started(self, now: float, event: PromptStarted) -> None:
        turn_index, asked = self._prompts.get(event.prompt_id, (-1, 0.0))
        if turn_index < 0 or turn_index >= len(self.turns):
            return
        marks = self.turns[turn_index].waterfall
        if marks.sent is None:
            marks.ready = min(now, round(asked + event.ready, 6))
            marks.sent = now

    def _note_said(self, now: float, event: PromptEnded) -> None:
        if len(self.said) < MAX_SAID:
            heard = {"text": event.heard_text, "seconds": event.seconds, "result": event.result}
            self.said.append({"at": now, **heard})

    # --- commands --------------------------------------------------------------------------------------------------
    def _follow(self, now: float, command: Command, is_masked: bool) -> None:
        match command:
            case FinishUtterance():
                self._endpoint = now
            case StartPrompt():
                if self._answered and self.turns:
                    self._prompts[command.prompt_id] = (len(self.turns) - 1, now)
            case SendToBot(event=sent):
                self._sent(now, sent, is_masked)
            case KeepRecord():
                self._note(now, command)
            case EndCall():
                self.outcome = command.outcome

    def _sent(self, now: float, sent: object, is_masked: bool) -> None:
        match sent:
            case CallStarted():
                self._open(now, Turn(number=0, kind="start"), stopped=now)
            case UserText():
                turn = Turn(number=sent.turn, kind=sent.source, text=sent.text, barged_in=sent.barged_in)
                self._open(now, turn, stopped=sent.ended_at, is_masked=is_masked)
            case UserChoice():
                turn = Turn(number=sent.turn, kind="choice", text=sent.label, barged_in=sent.barged_in)
                self._open(now, turn, stopped=sent.ended_at, is_masked=is_masked)
            case UserDigits():
                turn = Turn(number=sent.turn, kind="digits", text=sent.digits, barged_in=sent.barged_in)
                self._open(now, turn, stopped=None, is_masked=is_masked)
            case NoInput():
                self._open(now, Turn(number=sent.turn, kind="no_input"), stopped=None)
            case TransferResult():
                self._open(now, Turn(number=sent.turn, kind="transfer_failed", text=sent.cause), stopped=None)
            case PlaybackDone() if self.turns:
                turn = next((turn for turn in reversed(self.turns) if turn.number == sent.turn), self.turns[-1])
                if sent.heard_text:
                    turn.heard.append(sent.heard_text)
                turn.heard_seconds += sent.played
                turn.cut = turn.cut or not sent.complete

    def _open(self, now: float, turn: Turn, *, stopped: float | None, is_masked: bool = False) -> None:
        if len(self.turns) >= MAX_TURNS:
            return
        turn.is_masked = is_masked
        marks = turn.waterfall
        marks.stopped = now if stopped is None else stopped
        is_speech = self._endpoint is not None and turn.kind in ("speech", "choice")
        marks.endpoint = self._endpoint if is_speech else now
        marks.transcript = self._transcript if is_speech else None
        marks.asked = now
        self.turns.append(turn)
        self._endpoint = self._transcript = None
        self._answered = False
        if turn.barged_in:
            self._count("barge_ins")
        self._count("turns")

    def _note(self, now: float, command: KeepRecord) -> None:
        if command.kind in ("no_input", "no_match", "failed_turn"):
            self._count({"no_match": "no_matches"}.get(command.kind, f"{command.kind}s"))
        if len(self.notes) < MAX_NOTES:
            self.notes.append({"at": now, "kind": command.kind, **{"data": command.data}})
        elif len(self.notes) == MAX_NOTES:
            self.notes.append({"at": now, "kind": "cut", "data": {"reason": f"more than {MAX_NOTES} notes"}})

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    # --- out -------------------------------------------------------------------------------------------------------
    def summary(self) -> dict[str, Any]:
        """One line of a list of calls."""
        answers = [turn.waterfall.total for turn in self.turns[1:] if turn.waterfall.total is not None]
        return {
            "call_id": self.info.call_id,
            "line": self.info.line,
            "number": self.info.number,
            "caller": self.info.caller,
            "called": self.info.called,
            "started_at": self.started_at,
            "seconds": round(self.seconds, 3),
            "turns": max(self.counts.get("turns", 0) - 1, 0),
            "result": None if self.outcome is None else self.outcome.result,
            "by": None if self.outcome is None else self.outcome.by,
            "reason": "" if self.outcome is None else self.outcome.reason,
            "barge_ins": self.counts.get("barge_ins", 0),
            "no_inputs": self.counts.get("no_inputs", 0),
            "no_matches": self.counts.get("no_matches", 0),
            "failed_turns": self.counts.get("failed_turns", 0),
            "answer_p50": round(statistics.median(answers), 6) if answers else None,
        }

    def to_json(self) -> dict[str, Any]:
        """The whole record."""
        return {
            **self.summary(),
            "leg_id": self.info.leg_id,
            "direction": self.info.direction,
            "display_name": self.info.display_name,
            "custom": dict(self.info.custom),
            "said": list(self.said),
            "exchange": [turn.to_json() for turn in self.turns],
            "notes": list(self.notes),
        }
