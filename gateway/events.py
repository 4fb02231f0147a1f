"""What happens, grouped by who says it: the leg, the recognizer, the session; and whose call it is.

Everything here is a value: frozen, comparable, and, but for the audio itself, JSON-serialisable through
`gateway.kit.serial`, so that a journal can be replayed. What bots are told is in `gateway.caller_events`, what they
ask for in `gateway.actions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from audio.frame import Frame
from gateway.actions import ActionBatch


# --- the leg -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Caller audio as it came; the leg has set `pts_samples` from the wire's own time stamps, or by counting."""

    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitPressed:
    """A key, whatever carried it: ``0``-``9``, ``*``, ``#``, ``A``-``D``."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReached:
    """The peer played everything that was sent before the mark (or dropped it: playout knows)."""

    mark_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCut:
    """A peer that speaks for itself was interrupted; ``heard_text`` is what the caller heard."""

    heard_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged:
    """The far side has put us on hold, or takes the call up again. While held a leg passes on no audio."""

    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LegClosed:
    """The leg is gone; always its last event, once.

    Attributes:
        by: ``caller`` when the far side hung up, ``gateway`` when we did, ``failure`` when the connection broke.
    """

    by: Literal["caller", "gateway", "failure"] = "caller"
    reason: str = ""


# --- the recognizer ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Recognized text of the current caller turn.

    Attributes:
        text: A partial replaces the partial before it; finals add up.
        ends_turn: A turn-detecting model says that the caller has finished.
        alternatives: Other readings of a final, best first.
    """

    text: str
    final: bool
    ends_turn: bool = False
    confidence: float | None = None
    language: str | None = None
    alternatives: tuple[str, ...] = ()


# --- what a conversation is told -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class CallOffered:
    """A leg wants the call. Time zero of the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    """`Leg.answer` returned: the caller can hear us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Voice began.

    Attributes:
        at: Call time of the first voiced sample, in seconds; a little in the past.
    """

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSustained:
    """Voice goes on: said again after each `barge_in.min_speech` of voiced audio.

    Attributes:
        at: Call time of the newest voiced sample.
        voiced: Seconds of voice since `SpeechStarted`.
    """

    at: float
    voiced: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """Voice ended.

    Attributes:
        at: Call time at which it ended; the detector's own hang-over is already subtracted.
    """

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptUpdated:
    """A recognizer's `Transcript`, with the stream (the number of `OpenEar`) it belongs to."""

    stream: int
    transcript: Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionEnded:
    """A stream's results are complete: no more text will come from it."""

    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerFailed:
    """A stream broke, and so did whatever stood behind it.

    Attributes:
        vendor: The last one that was asked; empty where it is not known.
    """

    stream: int
    reason: str
    vendor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStarted:
    """The first audio of a prompt is on its way.

    Attributes:
        ready: Seconds from `StartPrompt` to the first audio that could have been sent.
        cached: Whether it came from the prompt cache.
    """

    prompt_id: int
    ready: float = 0.0
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEnded:
    """What became of a prompt. The playout owes exactly one for each `StartPrompt`.

    Attributes:
        seconds: How much of it was heard.
        heard_text: The part of the text that was heard, where it has text; all of it when played.
    """

    prompt_id: int
    result: Literal["played", "stopped", "failed"]
    seconds: float = 0.0
    heard_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorFailed:
    """Somebody who should have spoken, listened or sent a recording did not, whether or not another stood in.

    Attributes:
        vendor: Its name in the configuration; empty for a recording.
        reason: One sentence, free of personal data and secrets.
    """

    part: Literal["synthesizer", "recognizer", "media"]
    vendor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotReplied:
    """A batch of the bot's, asked for or not."""

    batch: ActionBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFailed:
    """A turn failed in the adapter.

    Attributes:
        turn: The turn that failed; None when the bot is gone altogether.
    """

    turn: int | None
    kind: Literal["config", "auth", "unavailable", "protocol"] = "unavailable"
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFinished:
    """`Leg.transfer` returned.

    Attributes:
        ok: The caller is with the target; the leg closes, or has closed.
        cause: ``busy``, ``no_answer``, ``rejected``, ``unsupported``, ``failed`` ...
    """

    transfer_id: str
    ok: bool
    cause: str = ""
    sip_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAsked:
    """Somebody asked by the API: hang up, or transfer when a target is named."""

    hang_up: bool = True
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSent:
    """The number's hook has taken a link for the caller, or has failed at it; ``text``: the bot's, beside the link."""

    url: str
    ok: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeElapsed:
    """The deadline the conversation asked for is here."""


CallEvent = (
    CallOffered
    | CallAnswered
    | LegClosed
    | DigitPressed
    | SpeechStarted
    | SpeechSustained
    | SpeechStopped
    | SpeechCut
    | HoldChanged
    | TranscriptUpdated
    | RecognitionEnded
    | RecognizerFailed
    | PromptStarted
    | PromptEnded
    | VendorFailed
    | BotReplied
    | BotFailed
    | TransferFinished
    | OperatorAsked
    | LinkSent
    | TimeElapsed
)
LegEvent = AudioReceived | DigitPressed | MarkReached | Transcript | SpeechCut | HoldChanged | LegClosed


# --- the call ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """Who calls whom, and what the line knows about it. Complete when the leg is offered.

    Attributes:
        call_id: Ours; unique for ever.
        leg_id: The peer's name for the leg: channel id, stream id.
        line: The line's name in the configuration.
        caller: The calling number, normalised; empty when withheld. ``from`` in templates.
        called: The called number, normalised. ``to`` in templates.
        number: Key of the number settings that rule the call.
        custom: Everything else the line passed on.
    """

    call_id: str
    leg_id: str = ""
    line: str = ""
    direction: Literal["inbound", "outbound"] = "inbound"
    caller: str = ""
    called: str = ""
    display_name: str = ""
    language: str = ""
    number: str = ""
    sip_headers: dict[str, str] = field(default_factory=dict)
    custom: dict[str, str] = field(default_factory=dict)
