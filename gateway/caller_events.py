"""What a bot is told of its call and its caller; the opposite direction is `gateway.actions`.

Values like those of `gateway.events`: frozen, comparable, JSON-serialisable through `gateway.kit.serial`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted:
    """Always first. What is known of the call came with `Backend.open_chat`."""

    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserText:
    """What the caller said or keyed.

    Attributes:
        value: The parsed input, where the question had a kind other than free.
        barged_in: A prompt was stopped by this input.
        started_at, ended_at: Call time, in seconds.
    """

    turn: int
    text: str
    source: Literal["speech", "digits", "message"] = "speech"
    value: Any = None
    confidence: float | None = None
    language: str | None = None
    alternatives: tuple[str, ...] = ()
    barged_in: bool = False
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChoice:
    """The caller chose from a `Menu`."""

    turn: int
    menu_id: str
    option_id: str
    label: str
    source: Literal["digits", "speech", "label"] = "speech"
    barged_in: bool = False
    confidence: float | None = None
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDigits:
    """Keys, for bots that want them as such."""

    turn: int
    digits: str
    terminator: str | None = None
    barged_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoInput:
    """Silence. Opens a turn only when exhausted, or for bots that want every one."""

    turn: int
    count: int
    elapsed: float
    exhausted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackDone:
    """One stretch of the bot's speech is over.

    Attributes:
        turn: The turn whose answer it was.
        complete: Nothing was cut off.
        played: Seconds heard.
        heard_text: What the caller really heard.
    """

    turn: int
    complete: bool
    played: float
    heard_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    turn: int
    transfer_id: str
    ok: bool
    cause: str = ""
    sip_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMedia:
    """The caller has left a message, or sent a file.

    Attributes:
        url: Where it can be fetched for a while by anybody who knows the address; empty in the journal.
        duration: Seconds of sound.
        size: Bytes; 0: not known.
        text: What was understood of it.
        started_at, ended_at: Call time, in seconds.
    """

    turn: int
    url: str
    mime: str
    duration: float | None = None
    size: int = 0
    text: str = ""
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLocation:
    turn: int
    lat: float
    lon: float
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactOptOut:
    turn: int
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    turn: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """Always last, once."""

    turn: int
    by: Literal["caller", "bot", "gateway", "transfer"]
    cause: str = ""
    sip_code: int | None = None


CallerEvent = (
    CallStarted
    | UserText
    | UserChoice
    | UserDigits
    | NoInput
    | PlaybackDone
    | TransferResult
    | UserMedia
    | UserLocation
    | ContactOptOut
    | Timer
    | CallEnded
)
