"""The far side of a media line: what it does, as values, and what the thin client in `line` asks of a protocol."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.caller.ear import Ear

Message = str | bytes


@dataclass(frozen=True, slots=True)
class AudioHeard:
    """Audio the caller has just heard, in the wire's format; ``at``: when its first sample reached the ear."""

    frame: Frame
    at: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The gateway took the call, where that takes an act."""

    at: float


@dataclass(frozen=True, slots=True)
class MarkAsked:
    """The gateway wants to know when it was heard so far; answered when that is so."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class MarkAnswered:
    """``cleared``: the mark came back because what was before it had been dropped."""

    name: str
    at: float
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Cleared:
    """The gateway took back what was not yet heard: ``seconds`` of it."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Complained:
    """The gateway did something the real peer ignores, drops or logs; ``what`` in a few words."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over; always the last event, once."""

    at: float
    by: Literal["caller", "gateway", "failure"]
    code: int | None = None  # of the closing WebSocket, or of the refusal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rang:
    """The gateway takes its time: it lets the caller hear a tone (180), or sounds of its own (183)."""

    at: float
    status: int


@dataclass(frozen=True, slots=True)
class Referred:
    """The gateway wants the caller to talk to somebody else."""

    at: float
    target: str


@dataclass(frozen=True, slots=True)
class Keyed:
    """The gateway pressed a key."""

    at: float
    digit: str


FarEvent = AudioHeard | Rang | Answered | Referred | Keyed | MarkAsked | MarkAnswered | Cleared | Complained | HungUp


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerAuth:
    """How the far side proves itself; what is not set is not sent.

    Attributes:
        twilio_token: Auth token to sign the upgrade with.
        signed_url: What is signed, where the gateway is known by another URL than the one we connect to.
    """

    username: str | None = None
    password: str = ""
    bearer: str | None = None
    twilio_token: str | None = None
    signed_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerTrust:
    """Whom the far side believes, where it calls by TLS.

    Attributes:
        cafile: Certificates in PEM of the authorities it believes; None: those of the system.
        insecure: It believes everybody.
    """

    cafile: Path | None = None
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """For a connection. Raises OSError: the file cannot be used."""
        context = ssl.create_default_context(cafile=self.cafile)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Peer(Protocol):
    """A protocol's far side, without I/O: told what happens and when, it collects what to send and what to report.

    ``now`` is any monotonic time in seconds, and never goes back.
    """

    @property
    def format(self) -> AudioFormat: ...
    @property
    def ear(self) -> Ear: ...
    @property
    def leg_id(self) -> str:
        """The peer's name for the call, which becomes `CallInfo.leg_id`."""
        ...

    @property
    def is_over(self) -> bool:
        """The gateway ended the call, or broke it: the socket is to be closed with `close_code`."""
        ...

    @property
    def close_code(self) -> int | None: ...
    @property
    def close_reason(self) -> str: ...
    @property
    def ends_at_once(self) -> bool:
        """After `end` nothing is to be waited for. Otherwise `is_over` tells when the far side has agreed."""
        ...

    @property
    def has_queued(self) -> bool:
        """Audio waits that `ear` does not know of yet, because only `advance` plays it."""
        ...

    def start(self, now: float) -> None:
        """The socket is open."""
        ...

    def audio(self, data: bytes, now: float) -> None:
        """The caller says something: audio in `format`, of any length."""
        ...

    def digit(self, digit: str, now: float) -> None: ...
    def end(self, now: float) -> None:
        """The caller hangs up."""
        ...

    def receive(self, message: Message, now: float) -> None:
        """A message from the gateway."""
        ...

    def advance(self, now: float) -> None:
        """Time has passed."""
        ...

    def next_due(self) -> float | None:
        """When `advance` has something to say without a further message."""
        ...

    def take_messages(self) -> list[Message]: ...
    def take_events(self) -> list[FarEvent]: ...


def basic_headers(auth: CallerAuth | None) -> Mapping[str, str]:
    """The Authorization header of Basic or Bearer credentials, if there are any."""
    if auth is None:
        return {}
    if auth.username is not None:
        pair = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {auth.bearer}"} if auth.bearer is not None else {}
