"""Where the time of a turn goes: its moments, taken from what the conversation was told and decided."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.actions import ActionBatch, Fail, Menu, Play, PostCall, Record, Say, SendLink, SetSpeech
from gateway.call.commands import (
    Command,
    FinishUtterance,
    KeepRecord,
    OpenEar,
    Recording,
    StartPrompt,
    StopPlayout,
)
from gateway.caller_events import UserChoice, UserDigits, UserMedia, UserText
from gateway.events import (
    BotReplied,
    CallAnswered,
    CallEvent,
    DigitPressed,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    TranscriptUpdated,
)
from gateway.speech_interfaces import Utterance

STAGES = ("endpointing", "recognition", "handover", "bot", "synthesis", "playout")
MARKS = ("stopped", "endpoint", "transcript", "asked", "answered", "ready", "sent")
QUIET = (Record, PostCall, SetSpeech, SendLink, Fail)  # no answer
SPOKEN = (Say, Play, Menu)
OWN_WORDS = frozenset(
    {"no_input", "no_match", "failed_turn", "fallback", "transfer_failed", "transfer_refused", "prompt_failed"}
)
"""Notes of steps in which the gateway speaks for itself; such prompts are not the bot's answer."""


@dataclass(slots=True)
class Waterfall:
    """Moments of one turn, in seconds of call time; None: not reached, or not part of this turn.

    Attributes:
        stopped: The caller stopped speaking, or pressed the last key.
        endpoint: We decided that his turn was over.
        transcript: The last of his words was recognized; None where he pressed keys.
        asked: The bot was asked.
        answered: The first of its answer was here.
        ready: The first audio of the answer could have been sent.
        sent: It was.
    """

    stopped: float
    endpoint: float
    transcript: float | None
    asked: float
    answered: float | None = None
    ready: float | None = None
    sent: float | None = None

    def stages(self) -> dict[str, float]:
        """Where the time went, in seconds. The parts sum to the whole, from ``stopped`` to the last moment known."""
        found: dict[str, float] = {}
        since = self.stopped
        for name, mark in zip(STAGES, MARKS[1:], strict=True):
            moment: float | None = getattr(self, mark)
            if moment is None and mark == "transcript":
                continue  # keys have none
            if moment is None:
                break
            found[name] = round(max(moment - since, 0.0), 6)
            since = max(moment, since)
        return found

    @property
    def total(self) -> float | None:
        """From the caller's last sound to the first of the answer."""
        return None if self.sent is None else round(self.sent - self.stopped, 6)

    def to_json(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in MARKS if getattr(self, name) is not None}


class Stopwatch:
    """Takes the times of a call's turns. Of each step first `take`, then `asked` for what is sent, then `follow`.

    Args:
        has_announcement: The first prompt after the answer announces the recording.
    """

    def __init__(self, *, has_announcement: bool = False) -> None:
        self._has_announcement = has_announcement
        self._turn = -1
        self._current: Waterfall | None = None
        self._stream = 0
        self._endpoint: float | None = None
        self._transcript: float | None = None
        self._key: float | None = None
        self._awaits_speech = False
        self._speaks_itself = False
        self._skips = 0
        self._prompts: dict[int, tuple[Waterfall, float]] = {}

    def take(self, now: float, event: CallEvent, commands: Sequence[Command]) -> None:
        """What has happened."""
        notes = _notes(commands)
        self._speaks_itself = not OWN_WORDS.isdisjoint(notes)
        self._skips = 1 if self._has_announcement and isinstance(event, CallAnswered) else 0
        match event:
            case TranscriptUpdated(stream=self._stream, transcript=heard) if heard.final and heard.text.strip():
                self._transcript = now
            case RecognitionEnded(stream=self._stream) if self._transcript is None:
                self._transcript = now
            case DigitPressed():
                self._key = now
            case BotReplied(batch=batch) if "stale_batch" not in notes:
                self._answered(now, batch)
            case PromptStarted():
                self._started(now, event)
            case PromptEnded():
                self._prompts.pop(event.prompt_id, None)

    def _answered(self, now: float, batch: ActionBatch) -> None:
        marks = self._current
        if marks is None or marks.answered is not None or batch.turn not in (None, self._turn):
            return
        if is_answer(batch):
            marks.answered = now
            is_done = batch.turn_done and batch.turn is not None
            self._awaits_speech = not is_done or any(isinstance(action, SPOKEN) for action in batch.actions)

    def _started(self, now: float, event: PromptStarted) -> None:
        marks, asked = self._prompts.get(event.prompt_id, (None, 0.0))
        if marks is not None and marks.sent is None:
            marks.ready = min(now, round(asked + event.ready, 6))
            marks.sent = now

    def follow(self, now: float, command: Command) -> None:
        """What was decided."""
        match command:
            case OpenEar(stream=stream):
                self._stream = stream
                self._endpoint = self._transcript = None
            case FinishUtterance(stream=self._stream):
                self._endpoint = now
            case StopPlayout():
                self._awaits_speech = False
                self._prompts.clear()
            case StartPrompt():
                self._prompt(now, command)

    def _prompt(self, now: float, command: StartPrompt) -> None:
        if self._skips:
            self._skips -= 1
            return
        marks = self._current
        is_audible = isinstance(command.content, Utterance | Recording)
        if marks is not None and marks.sent is None and self._awaits_speech and is_audible and not self._speaks_itself:
            self._prompts[command.prompt_id] = (marks, now)

    def asked(self, now: float, turn: int, sent: object) -> Waterfall:
        """The bot is asked: a turn begins."""
        stopped, endpoint, transcript = now, now, None
        match sent:
            case UserText(source="digits") | UserChoice(source="digits"):
                stopped = now if sent.ended_at is None else sent.ended_at
            case UserText() | UserChoice() | UserMedia():
                stopped = now if sent.ended_at is None else sent.ended_at
                endpoint = now if self._endpoint is None else self._endpoint
                transcript = now if self._transcript is None else self._transcript
            case UserDigits():
                stopped = now if self._key is None else self._key
        self._turn = turn
        self._current = Waterfall(min(stopped, now), endpoint, transcript, now)
        self._endpoint = self._transcript = None
        self._awaits_speech = False
        return self._current


def is_answer(batch: ActionBatch) -> bool:
    """Whether a batch answers, be it by silence; notes and settings alone do not, nor does an adapter's failure."""
    if any(not isinstance(action, QUIET) for action in batch.actions):
        return True
    has_failed = any(isinstance(action, Fail) for action in batch.actions)
    return batch.turn_done and batch.turn is not None and not has_failed


def _notes(commands: Sequence[Command]) -> Collection[str]:
    """Kinds of what is noted in a step; of a warning, what it warns of."""
    kept = [command for command in commands if isinstance(command, KeepRecord)]
    return {str(note.data.get("what")) if note.kind == "warning" else note.kind for note in kept}
