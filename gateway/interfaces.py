"""The plug-in seams: how a call reaches us, who listens, who speaks, who answers.

Small protocols, plus capabilities that say what an implementation lacks; nothing is inherited. Contract suites in
`tests/contracts` hold fakes and real adapters to what is said here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from audio.format import PCMU_8K, AudioFormat
from audio.frame import Frame
from config.call import Kind
from gateway.actions import ActionBatch, Record
from gateway.caller_events import CallerEvent
from gateway.events import CallInfo, LegEvent, Transcript

HangupReason = Literal[
    "normal", "no_input", "unknown_number", "busy", "draining", "unauthorized", "failure", "too_long", "operator"
]


# --- the shared port -----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A webhook's request as plain values.

    Attributes:
        path: As it arrived, without the server's own prefix.
        url: The public URL of the request, as the sender signed it.
        headers: Names in lower case; repeated ones joined by ", ".
    """

    method: str
    path: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_params: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """The answer to a webhook.

    Attributes:
        unknown_call: A key that nobody in this process claimed: its holder is asked, else this reply is sent.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    unknown_call: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A path the shared port serves for a plug-in, which checks its sender itself.

    Attributes:
        max_bytes: A longer body is refused before `handle` is asked.
        listen: ``host:port`` of a listener that serves this path, too, and nothing but webhooks that name it: for
            senders that insist on paths of their own. A path that is the gateway's own on the shared port
            (``/api/...``) is served there alone.
    """

    path: str
    methods: tuple[str, ...]
    handle: Callable[[HttpRequest], Awaitable[HttpReply]]
    max_bytes: int = 1 << 20
    listen: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRoute:
    """A WebSocket path and the ASGI application behind it, which authenticates before it accepts."""

    path: str
    app: Callable[..., Awaitable[None]]


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
    """

    format: AudioFormat = PCMU_8K
    lookahead: float = 1.0
    message: float = 0.2
    multiple_of: int = 1
    max_message_bytes: int = 1 << 16
    has_marks: bool = False
    has_clear: bool = False
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


class Transport(Protocol):
    """One per configured line; accepts calls."""

    @property
    def routes(self) -> Sequence[Webhook | SocketRoute]: ...
    async def serve(self, offer: Callable[[Leg], Awaitable[None]]) -> None:
        """Accept calls until cancelled. ``offer(leg)`` lasts as long as the call."""
        ...


# --- recognizers ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerCapabilities:
    """What a recognizer can do.

    Attributes:
        own_endpointing: ``utterance``: reports ends of utterances; ``turn``: a model that knows when a turn is over.
        speech_only: Wants only audio with speech in it (and a little around it).
        needs_hints: Hears nothing but hints, menu labels, digits and the like.
        formats: What it takes, best first; empty: whatever the line has.
        languages: BCP 47 tags, or base languages; empty: any.
    """

    partials: bool = True
    own_endpointing: Literal["none", "utterance", "turn"] = "none"
    speech_only: bool = False
    needs_hints: bool = False
    formats: tuple[AudioFormat, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """What a recognition stream is opened with.

    Attributes:
        vendor: Its name in the configuration; for the directory that picks the recognizer.
        phrases: The only things the question allows (menu labels with their aliases), best recognised exactly.
        hints: Words and phrases that are likely.
        sensitive: Nothing of it may be logged or kept.
        format: What the frames to be pushed will have; the directory sets it. None: known with the first frame.
    """

    vendor: str = "local"
    language: str = "en-GB"
    kind: Kind = "free"
    phrases: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    model: str | None = None
    end_silence: float = 0.8
    max_length: float = 30.0
    sensitive: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    format: AudioFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechHeard:
    """A recognizer's own notice that speech started or stopped; ``at`` in seconds of the audio pushed so far."""

    started: bool
    at: float


class RecognitionStream(Protocol):
    """One caller turn."""

    async def push(self, frame: Frame) -> None: ...
    async def finish(self) -> None:
        """The caller's turn is over: deliver what is left, then `results` ends."""
        ...

    def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        """Raises VendorError when the stream breaks."""
        ...


class Recognizer(Protocol):
    """One per configured vendor; may keep sockets warm between streams."""

    @property
    def capabilities(self) -> RecognizerCapabilities: ...
    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]: ...


# --- synthesizers --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A piece of speech for a synthesizer: the whole effective request, which is also the prompt cache's key.

    Attributes:
        text: Plain text, or SSML when ``ssml``.
        plain: The text without markup, for the record of what was heard.
        vendor: Its name in the configuration.
        sensitive: Nothing of it may be logged or kept.
        format: What the line takes; the directory sets it. A synthesizer that cannot make it gives the nearest of its
            own, which the directory converts. None: the synthesizer's first.
    """

    text: str
    plain: str = ""
    ssml: bool = False
    vendor: str = "local"
    language: str = "en-GB"
    voice: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    sensitive: bool = False
    format: AudioFormat | None = None


@dataclass(frozen=True, slots=True)
class SpokenFrame:
    """Synthesized audio; ``chars``: how many characters of the plain text are spoken by its end, where known."""

    frame: Frame
    chars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizerCapabilities:
    """What a synthesizer can do; ``formats``: what it can produce, best first; empty: whatever is asked for."""

    ssml: bool = False
    word_times: bool = False
    formats: tuple[AudioFormat, ...] = ()
    languages: tuple[str, ...] = ()


class Synthesizer(Protocol):
    """One per configured vendor."""

    @property
    def capabilities(self) -> SynthesizerCapabilities: ...
    def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Raises VendorError. Leaving the iterator cancels the request."""
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
