"""What a conversation knows. Its state is derived from these facts after every event; nothing else is remembered.

`Facts` is shared by the parts of the conversation: `speaking` (prompts), `hearing` (the caller's turn), `turns` (the
bot), `endings` (hang-up, transfer, fallback). `conversation` derives the state from it.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from config.call import NumberSettings
from gateway.actions import Action
from gateway.call.commands import Command, Content, EndCall, KeepRecord, SendToBot
from gateway.call.outcome import CallOutcome
from gateway.caller_events import CallEnded
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, LegCapabilities
from gateway.speech_interfaces import ListenSettings, RecognizerCapabilities


class State(StrEnum):
    """Where a call stands; the first row that fits, in this order (`states.States.derive`)."""

    OVER = "over"
    RINGING = "ringing"
    ENDING = "ending"
    TRANSFERRING = "transferring"
    STOPPING = "stopping"
    HELD = "held"
    PAUSED = "paused"
    SPEAKING = "speaking"
    THINKING = "thinking"
    DIGITS = "digits"
    FINISHING = "finishing"
    HEARING = "hearing"
    CLOSING = "closing"
    GAP = "gap"
    IDLE = "idle"
    LISTENING = "listening"


HOLDING = frozenset(
    {
        State.OVER,
        State.RINGING,
        State.ENDING,
        State.TRANSFERRING,
        State.STOPPING,
        State.HELD,
        State.PAUSED,
        State.DIGITS,
        State.FINISHING,
        State.HEARING,
        State.CLOSING,
    }
)
"""States in which the bot's actions wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSetup:
    """Everything a conversation is given; the first line of the journal.

    Attributes:
        recognizers, synthesizers: What is configured, by name. A bot's wish for another vendor falls back.
        words: An operator's own wording of the gateway's sentences, by language.
        has_recording: Somebody keeps the audio, so the announcement is due.
        shares_messages: A message that the caller leaves can be given to the bot as sound.
        today: For dates such as "tomorrow".
        people: Where the caller is sent before the bot hears of him; None: the bot answers.
    """

    number: NumberSettings
    info: CallInfo
    leg: LegCapabilities = field(default_factory=LegCapabilities)
    backend: BackendCapabilities = field(default_factory=BackendCapabilities)
    recognizers: Mapping[str, RecognizerCapabilities] = field(default_factory=dict)
    synthesizers: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    has_recording: bool = False
    shares_messages: bool = False
    today: datetime.date
    people: str | None = None


@dataclass(slots=True)
class Prompt:
    """A prompt the playout still owes a `PromptEnded` for."""

    content: Content
    turn: int
    role: Literal["answer", "waiting", "agent", "system"]
    interruptible: bool


@dataclass(slots=True)
class Stretch:
    """The bot's speech from the first prompt to the moment nothing is outstanding."""

    turn: int
    seconds: float = 0.0
    heard: list[str] = field(default_factory=list)
    stopped: bool = False
    failed: bool = False
    by_bot: bool = False
    since: float | None = None


@dataclass(slots=True)
class Waiting:
    """A turn the bot has not finished answering."""

    turn: int
    sent_at: float
    next_filler: float
    is_start: bool
    replied_at: float | None = None
    gap_over: bool = False

    def postpone(self, seconds: float) -> None:
        """Nothing that is waited for was due while time stood still."""
        self.sent_at += seconds
        self.next_filler += seconds
        if self.replied_at is not None:
            self.replied_at += seconds


@dataclass(slots=True)
class Ear:
    """An open recognition stream and what came of it."""

    stream: int
    settings: ListenSettings
    opened_at: float
    finish_at: float | None = None
    ended: bool = False


@dataclass(slots=True)
class CallerTurn:
    """What the caller has said since the last input was sent; may span several streams.

    Attributes:
        overlapped: The speech began while a prompt was playing.
        ahead: The speech began while the bot was thinking, perhaps over a filler.
        interrupted: A prompt was stopped because of it.
        dismissed: A reversible barge-in was taken back: no word came, so this speech opens no turn.
    """

    started_at: float | None = None
    stopped_at: float | None = None
    sustained: bool = False
    overlapped: bool = False
    ahead: bool = False
    interrupted: bool = False
    dismissed: bool = False
    finals: list[str] = field(default_factory=list)
    partial: str = ""
    confidences: list[float] = field(default_factory=list)
    alternatives: tuple[str, ...] = ()
    language: str | None = None

    @property
    def words(self) -> str:
        """Everything recognized so far, the newest partial included."""
        return " ".join(piece for piece in (*self.finals, self.partial) if piece.strip()).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A transfer that has been started and has not reported yet.

    Attributes:
        until: Then it has failed, whatever the leg says.
        feedback: Whoever asked for it is told when it fails.
    """

    transfer_id: str
    until: float
    feedback: bool


@dataclass(slots=True)
class Facts:
    """See the module's docstring. Times are seconds since the call was offered."""

    setup: CallSetup
    now: float = 0.0
    out: list[Command] = field(default_factory=list)

    # the call
    over: bool = False
    picked_up_at: float | None = None
    """The leg was asked to answer; until then it rings."""
    answered: bool = False
    ending_since: float | None = None
    is_settling: bool = False
    """The call is over but for the playout's reports of what was heard."""
    final_outcome: CallOutcome | None = None
    fell_back: bool = False
    too_long: bool = False
    held_since: float | None = None
    is_mute: bool = False
    """The playout is paused because the call is on hold."""
    caller_spoke: bool = False
    """Some input was sent to the bot."""

    # the bot
    has_begun: bool = False
    """The bot knows of the call."""
    turn: int = 0
    abandoned: int = -1
    waiting: Waiting | None = None
    script: deque[tuple[int | None, Action]] = field(default_factory=deque)
    failures: int = 0
    """Failed turns in a row."""

    # what we say
    prompts: dict[int, Prompt] = field(default_factory=dict)
    next_prompt: int = 1
    stretch: Stretch | None = None
    paused_at: float | None = None
    stop_at: float | None = None
    mute: int = 0
    """Prompts in a row that nothing could speak."""
    answer: list[tuple[Content, bool]] = field(default_factory=list)
    """The bot's last answer, to be repeated on silence: content, and whether it may be interrupted."""
    answer_turn: int | None = None

    # what we hear
    voice: bool = False
    voice_since: float = 0.0
    dropping: bool = False
    """The present speech began while the bot was thinking, and is dropped to its end."""
    ear: Ear | None = None
    next_stream: int = 1
    ear_failures: int = 0
    caller: CallerTurn = field(default_factory=CallerTurn)
    boundary: float = 0.0
    """End of the caller's previous turn; a new stream's pre-roll never reaches back before it."""
    listen_since: float | None = None
    idle_since: float | None = None
    silences: int = 0
    question_asked: bool = False

    # transfer
    transfer: UnderWay | None = None
    leg_gone: bool = False

    @property
    def number(self) -> NumberSettings:
        return self.setup.number

    @property
    def is_thinking(self) -> bool:
        """The bot was asked and has not answered at all, whatever is heard meanwhile."""
        return self.waiting is not None and self.waiting.replied_at is None

    def emit(self, command: Command) -> None:
        self.out.append(command)

    def keep(self, kind: str, **data: object) -> None:
        self.emit(KeepRecord(kind=kind, data=data))

    def end(self) -> None:
        """The call is over, as `final_outcome` says. Tells the bot and the session."""
        outcome = self.final_outcome
        assert outcome is not None
        self.over = True
        self.emit(SendToBot(event=CallEnded(turn=self.turn, by=outcome.by, cause=outcome.reason or outcome.result)))
        self.emit(EndCall(outcome=outcome))
