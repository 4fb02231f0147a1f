"""The plug-in seams: how a call reaches us, and who answers. Who listens and who speaks: `gateway.speech_interfaces`.

Small protocols, plus capabilities that say what an implementation lacks; nothing is inherited. Contract suites in
`tests/contracts` hold fakes and real adapters to what is said here.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from audio.format import PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.actions import ActionBatch, Record
from gateway.caller_events import CallerEvent
from gateway.events import CallInfo, LegEvent
from gateway.routes import SocketRoute, Webhook
from gateway.speech_interfaces import Utterance

HangupReason = Literal[
    "normal",
    "no_input",
    "unknown_number",
    "busy",
    "full",
    "draining",
    "unauthorized",
    "failure",
    "too_long",
    "operator",
]


# --- transports and legs -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class LegCapabilities:
    """What a leg can do. What it cannot is made up for by playout and conversation.

    Attributes:
        format: The wire's encoding and rate, both directions.
        lookahead: How far ahead of the caller the playout may send, in seconds.
        message: Preferred length of one audio message, in seconds.
        multiple_of: Every audio message has a multiple of this many bytes.
        max_message_bytes: No audio message is longer.
        has_marks: `MarkReached` comes for `mark`.
        has_clear: `clear` drops what the peer has buffered.
        can_ring: The leg is a `RingingLeg`: the caller may be left waiting before `answer`.
    """

    format: AudioFormat = PCMU_8K
    lookahead: float = 1.0
    message: float = 0.2
    multiple_of: int = 1
    max_message_bytes: int = 1 << 16
    has_marks: bool = False
    has_clear: bool = False
    can_ring: bool = False
    can_hangup: bool = True
    can_transfer: bool = False
    can_send_digits: bool = False
    hears_text: bool = False
    speaks_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTarget:
    transfer_id: str
    target: str
    mode: Literal["blind", "attended", "auto"] = "auto"
    ring: float = 25.0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOutcome:
    ok: bool
    cause: str = ""
    sip_code: int | None = None


class Leg(Protocol):
    """One party's connection."""

    @property
    def info(self) -> CallInfo: ...
    @property
    def capabilities(self) -> LegCapabilities: ...
    async def answer(self) -> None:
        """Let the caller hear us. No-op where the line has answered already."""
        ...

    def events(self) -> AsyncIterator[LegEvent]:
        """Everything the peer sends, read straight from its socket; `LegClosed` is last, once."""
        ...

    async def send_audio(self, frame: Frame) -> None:
        """Send audio in the wire's format; waits only while the peer says stop."""
        ...

    async def speak(self, utterance: Utterance, mark_id: str) -> None: ...
    async def mark(self, mark_id: str) -> None: ...
    async def clear(self) -> None:
        """Drop what the peer has not played. At any moment, also while `send_audio` waits, which then returns."""
        ...

    async def send_digits(self, digits: str) -> None: ...
    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        """Send the caller elsewhere; returns also when the leg closes meanwhile."""
        ...

    async def hang_up(self, reason: HangupReason) -> None:
        """End the leg; before `answer`: refuse the call. Calling it twice is harmless."""
        ...


@runtime_checkable
class RingingLeg(Protocol):
    """A leg whose caller can hear that it rings, before `Leg.answer`."""

    async def ring(self, *, early_media: bool) -> None:
        """Let it ring; ``early_media``: by a ringing tone of ours, rather than by the caller's own side's."""
        ...


@runtime_checkable
class DirectLeg(Protocol):
    """A leg that can hand the caller's audio over where it arrives, rather than by a detour over its reader's task."""

    def pass_audio(self, take: Callable[[Frame], None] | None) -> None:
        """Call ``take`` with the caller's audio, in order, and leave it out of `Leg.events`; what waits goes first.

        None ends that. If ``take`` raises, `Leg.events` does, and nothing is passed any more.
        """
        ...


class Transport(Protocol):
    """One per configured line; accepts calls."""

    @property
    def routes(self) -> Sequence[Webhook | SocketRoute]: ...
    async def serve(self, offer: Callable[[Leg], Awaitable[None]]) -> None:
        """Accept calls until cancelled. ``offer(leg)`` lasts as long as the call."""
        ...


@runtime_checkable
class DrainsPeers(Protocol):
    """A line whose peers can be told that it takes no new calls, so that they take their next route by themselves."""

    def drain(self) -> None:
        """Tell them. Calls that are up go on. Waits for nothing."""
        ...


RegistrationState = Literal["registered", "trying", "refused", "left"]
REGISTRATION_STATES: tuple[RegistrationState, ...] = ("registered", "trying", "refused", "left")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationStatus:
    """How an account of ours stands at a PBX.

    Attributes:
        account: Its address.
        registrar: Where it is registered, without secrets.
        state: ``registered``: calls reach us; ``trying``: not yet, or not any more, and it may pass; ``refused``:
            somebody has to set something right; ``left``: we are about to stop.
        since: When that began (UTC); None: nothing was asked yet.
        status: What the PBX said last, where it is not well; None: nothing.
        reason: Why it is not well.
        advice: A sentence on what to do about it.
        next_attempt_in: Seconds until it is tried again by itself; None: just now, or nothing is to be tried.
        expires_in: Seconds for which the PBX knows us, unless that is refreshed.
    """

    account: str
    registrar: str
    state: RegistrationState
    since: datetime.datetime | None = None
    status: int | None = None
    reason: str = ""
    advice: str = ""
    next_attempt_in: float | None = None
    expires_in: float | None = None


@runtime_checkable
class ListensLater(Protocol):
    """A leg whose peer does not listen yet when the call is answered, so that the first word would be lost."""

    async def until_heard(self) -> None:
        """Until the peer listens, as far as we can tell; a fraction of a second at most."""
        ...


@runtime_checkable
class RegistersAtPeers(Protocol):
    """A line with accounts at PBXs, which send it calls while it is registered."""

    def registrations(self) -> Sequence[RegistrationStatus]:
        """How each account stands, in the order of the settings. Waits for nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageInvitation:
    """What a page needs for one call.

    Attributes:
        token: Secret; a bearer token.
        path: On the shared port, to which the page sends its offer.
        lasts: Seconds for which the token is good.
    """

    token: str
    path: str
    lasts: float


@runtime_checkable
class InvitesPages(Protocol):
    """A line on which pages call, each time by invitation."""

    def invite(self, called: str, caller: str = "") -> PageInvitation:
        """An invitation to one call, for somebody who was let in already. Waits for nothing."""
        ...


# --- backends ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCapabilities:
    """What a chat platform does and wants.

    Attributes:
        greets_first: `CallStarted` is answered with a greeting.
        pushes: Batches may come unasked.
        wants_no_input: Every silence is reported, not only exhaustion.
        wants_digits: Keys come as `UserDigits` rather than as text.
        transfer_feedback: `TransferResult` is of use to it.
    """

    greets_first: bool = True
    pushes: bool = False
    wants_no_input: bool = False
    wants_digits: bool = False
    transfer_feedback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something `talkpath check` should say."""

    severity: Literal["error", "warning"]
    text: str
    field: str | None = None


class Chat(Protocol):
    """One per call."""

    async def send(self, event: CallerEvent) -> None:
        """One event at a time; may last as long as the answer does. Cancelled when the turn is abandoned."""
        ...

    def actions(self) -> AsyncIterator[ActionBatch]:
        """At once, later, or unasked. Ends only when the bot is gone."""
        ...


class Backend(Protocol):
    """A chat platform. One instance per configured bot, as long as the process; one Chat per call."""

    @property
    def capabilities(self) -> BackendCapabilities: ...
    @property
    def routes(self) -> Sequence[Webhook]: ...
    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[Chat]:
        """Waits for nothing. ``claim(key)``: webhooks that name key are this call's."""
        ...

    async def check(self) -> list[Problem]: ...


@runtime_checkable
class LooksAtMedia(Protocol):
    """A backend that has to know a file before it takes it from its bot."""

    def look_with(self, content_type: Callable[[str], Awaitable[str]]) -> None:
        """``content_type(url)`` fetches a file under the gateway's media policy and says what it is, such as
        ``audio/mpeg``; it raises MediaError. Called once, before the first call."""
        ...


# --- after the call ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class AfterCallJob:
    """One `PostCall` at work, after the call is over.

    Attributes:
        key: The same at every attempt, also after a restart: where the platform takes an idempotency key, send it.
        kind: Of the `PostCall`; ``backend`` here.
        data: As the bot's adapter gave it, without ``delay``.
        call: The call's record as JSON, as ``/api/records/CALL`` shows it, whose ``from`` and ``to`` are ``caller`` and
            ``called`` here; what a database that was away has lost of
            it is missing: ``call_id``, ``bot``, ``number``, ``caller``, ``line`` and ``started_at`` are always there.
    """

    key: str
    kind: str
    data: Mapping[str, Any]
    call: Mapping[str, Any]


@runtime_checkable
class AfterCall(Protocol):
    """A backend that has something to do when a call is over: ``PostCall(kind="backend", data=...)``."""

    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        """Do it; what is returned joins the call's record.

        At least once, and again after a crash at the wrong moment: `AfterCallJob.key` tells repetitions apart.

        Raises:
            VendorError: A retryable one means again later, another one that it is given up.
        """
        ...
