"""What a conversation decides should be done. The session does it, without waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.call.outcome import CallOutcome
from gateway.caller_events import CallerEvent
from gateway.interfaces import HangupReason, TransferTarget
from gateway.speech_interfaces import ListenSettings, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A prompt that is a file; ``alternative`` is spoken when it cannot be played."""

    url: str | None = None
    path: str | None = None
    alternative: Utterance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A comfort tone made on the spot, such as while the bot thinks."""

    name: Literal["wait", "ringback"] = "wait"
    seconds: float = 1.0


Content = Utterance | Recording | Silence | Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Let it ring until `Answer`. Only for legs that can."""

    early_media: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToBot:
    event: CallerEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonTurn:
    """Cancel a `Chat.send` that still runs for this turn."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPrompt:
    """Queue a prompt behind those already handed over."""

    prompt_id: int
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class PausePlayout:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePlayout:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlayout:
    """Stop every prompt, started or queued; each reports `PromptEnded`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEar:
    """Open a recognition stream.

    Attributes:
        stream: Its number; results carry it.
        since: Call time the pre-roll may reach back to: the end of the caller's previous turn.
    """

    stream: int
    settings: ListenSettings
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUtterance:
    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseEar:
    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCall:
    target: TransferTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigitsToCaller:
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLeg:
    reason: HangupReason = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRecord:
    """Something for the call record or its journal: a bot's note, a speech setting asked and used, a warning."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    outcome: CallOutcome


Command = (
    Answer
    | Ring
    | SendToBot
    | AbandonTurn
    | StartPrompt
    | PausePlayout
    | ResumePlayout
    | StopPlayout
    | OpenEar
    | FinishUtterance
    | CloseEar
    | TransferCall
    | SendDigitsToCaller
    | CloseLeg
    | KeepRecord
    | EndCall
)
