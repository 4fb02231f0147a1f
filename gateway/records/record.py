"""The record of a call: who, when, how it went, and for each turn where the time went.

`CallRecord` is built from what the conversation was told and decided, so a replayed journal gives the same record.
It is updated while the call runs; the console, `talkpath call` and the API read it live. What may not be written down
is masked before it comes here (`secrecy`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.call.commands import Command, EndCall, KeepRecord, SendToBot, StopPlayout
from gateway.call.outcome import CallOutcome
from gateway.caller_events import (
    CallerEvent,
    CallStarted,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserChoice,
    UserDigits,
    UserMedia,
    UserText,
)
from gateway.events import (
    CallEvent,
    CallInfo,
    DigitPressed,
    PromptEnded,
    PromptStarted,
    SpeechCut,
    SpeechSustained,
    TranscriptUpdated,
)
from gateway.records.usage import Usage
from gateway.records.waterfall import Stopwatch, Waterfall

MAX_TURNS = 1000
MAX_NOTES = 500  # kept per call; a bot that writes more is cut off, with a line saying so
MAX_SAID = 5000  # prompts kept per call
MAX_DEPTH = 20  # of a note's data
MAX_ITEMS = 2000  # values in one note
MAX_TEXT = 20_000  # characters of one text
COUNTED = {"no_input": "no_inputs", "no_match": "no_matches", "failed_turn": "failed_turns"}
_INTERRUPTIONS = (DigitPressed, SpeechSustained, TranscriptUpdated, SpeechCut, PromptStarted)


@dataclass(slots=True)
class Turn:
    """One exchange: what the caller did, and what he heard in return."""

    number: int
    kind: str
    waterfall: Waterfall
    text: str = ""
    barged_in: bool = False
    is_masked: bool = False
    heard: list[str] = field(default_factory=list)
    heard_seconds: float = 0.0
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "turn": self.number,
            "kind": self.kind,
            "caller": plain(self.text),
            "masked": self.is_masked,
            "barged_in": self.barged_in,
            "bot": plain(" ".join(self.heard)),
            "bot_seconds": round(self.heard_seconds, 3),
            "bot_cut": self.cut,
            "at": self.waterfall.to_json(),
            "stages": self.waterfall.stages(),
            "answer_seconds": self.waterfall.total,
        }


@dataclass(slots=True)
class CallRecord:
    """See the module's docstring.

    Attributes:
        started_at: When the call was offered, as ISO 8601 in UTC.
        has_announcement: The recording is announced before the bot is heard.
        usage: What speech vendors did; not part of a journal.
        said: Every prompt that ended, the gateway's own included: when, what was heard of it, for how long.
    """

    info: CallInfo
    started_at: str
    has_announcement: bool = False
    turns: list[Turn] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    outcome: CallOutcome | None = None
    seconds: float = 0.0
    _watch: Stopwatch = field(init=False)

    def __post_init__(self) -> None:
        self._watch = Stopwatch(has_announcement=self.has_announcement)

    def observe(self, now: float, event: CallEvent, commands: Sequence[Command], *, is_masked: bool = False) -> None:
        """Take one step of the call, exactly as handled, masked already where that is due."""
        self.seconds = now
        self._watch.take(now, event, commands)
        if isinstance(event, PromptEnded):
            self._note_said(now, event)
        if is_barge_in(event, commands):
            self._count("barge_ins")
        for command in commands:
            self._follow(now, command, is_masked)

    def _follow(self, now: float, command: Command, is_masked: bool) -> None:
        match command:
            case SendToBot(event=PlaybackDone() as done):
                self._played(done)
            case SendToBot(event=sent):
                self._sent(now, sent, is_masked)
            case KeepRecord():
                self._note(now, command)
            case EndCall():
                self.outcome = command.outcome
        self._watch.follow(now, command)

    # --- turns -----------------------------------------------------------------------------------------------------
    def _sent(self, now: float, sent: CallerEvent, is_masked: bool) -> None:
        match sent:
            case CallStarted():
                self._open(now, sent, "start")
            case UserText():
                self._open(now, sent, sent.source, sent.text, barged_in=sent.barged_in, is_masked=is_masked)
            case UserChoice():
                self._open(now, sent, "choice", sent.label, barged_in=sent.barged_in, is_masked=is_masked)
            case UserDigits():
                self._open(now, sent, "digits", sent.digits, barged_in=sent.barged_in, is_masked=is_masked)
            case UserMedia():
                self._open(now, sent, "recording", sent.text, is_masked=is_masked)
            case NoInput():
                self._open(now, sent, "no_input")
            case TransferResult():
                self._open(now, sent, "transfer_failed", sent.cause)

    def _open(
        self,
        now: float,
        sent: CallStarted | UserText | UserChoice | UserDigits | UserMedia | NoInput | TransferResult,
        kind: str,
        text: str = "",
        *,
        barged_in: bool = False,
        is_masked: bool = False,
    ) -> None:
        waterfall = self._watch.asked(now, sent.turn, sent)
        self._count("turns")
        if len(self.turns) < MAX_TURNS:
            self.turns.append(Turn(sent.turn, kind, waterfall, text, barged_in=barged_in, is_masked=is_masked))

    def _played(self, done: PlaybackDone) -> None:
        turn = next((turn for turn in reversed(self.turns) if turn.number == done.turn), None)
        if turn is None:
            return
        if done.heard_text:
            turn.heard.append(done.heard_text)
        turn.heard_seconds += done.played
        turn.cut = turn.cut or not done.complete

    # --- everything else -------------------------------------------------------------------------------------------
    def _note_said(self, now: float, event: PromptEnded) -> None:
        if len(self.said) < MAX_SAID:
            heard = {"text": plain(event.heard_text), "seconds": event.seconds, "result": event.result}
            self.said.append({"at": now, **heard})

    def _note(self, now: float, command: KeepRecord) -> None:
        if command.kind in COUNTED:
            self._count(COUNTED[command.kind])
        if len(self.notes) < MAX_NOTES:
            self.notes.append({"at": now, "kind": command.kind, "data": plain_data(command.data)})
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
            "caller": plain(self.info.caller),
            "called": plain(self.info.called),
            "started_at": self.started_at,
            "seconds": round(self.seconds, 3),
            "turns": max(self.counts.get("turns", 0) - 1, 0),
            "result": None if self.outcome is None else self.outcome.result,
            "by": None if self.outcome is None else self.outcome.by,
            "reason": "" if self.outcome is None else plain(self.outcome.reason),
            "barge_ins": self.counts.get("barge_ins", 0),
            **{name: self.counts.get(name, 0) for name in COUNTED.values()},
            "answer_p50": round(statistics.median(answers), 6) if answers else None,
        }

    def to_json(self) -> dict[str, Any]:
        """The whole record; nothing in it that JSON, UTF-8 or a database could not take."""
        return {
            **self.summary(),
            "leg_id": plain(self.info.leg_id),
            "direction": self.info.direction,
            "display_name": plain(self.info.display_name),
            "custom": plain_data(self.info.custom),
            "usage": self.usage.to_json(),
            "said": list(self.said),
            "exchange": [turn.to_json() for turn in self.turns],
            "notes": list(self.notes),
        }


def is_barge_in(event: CallEvent, commands: Sequence[Command]) -> bool:
    """Whether the caller has just stopped the bot's speech; operators, fallbacks and hang-ups stop it, too."""
    return isinstance(event, _INTERRUPTIONS) and any(isinstance(command, StopPlayout) for command in commands)


def plain(text: str) -> str:
    """A text that can be stored: bounded, and without halves of surrogate pairs, which UTF-8 has no bytes for."""
    return text[:MAX_TEXT].encode(errors="replace").decode()


def plain_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """A bot's data as JSON can have it, bounded in depth and number; what is beyond is left out."""
    left = [MAX_ITEMS]

    def take(value: Any, depth: int) -> Any:
        left[0] -= 1
        if isinstance(value, str):
            return plain(value)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if depth >= MAX_DEPTH or left[0] <= 0:
            return "..."
        if isinstance(value, Mapping):
            return {plain(str(name)): take(item, depth + 1) for name, item in value.items() if left[0] > 0}
        if isinstance(value, list | tuple):
            return [take(item, depth + 1) for item in value if left[0] > 0]
        return plain(str(value))

    taken = take(data, 0)
    return taken if isinstance(taken, dict) else {}
