"""chan_websocket on the wire, without I/O: media as BINARY messages, control as TEXT. The far side is
`gateway.caller.asterisk`.

Control is JSON or plain text; the peer's first message decides, for both directions. Facts: Asterisk's
channels/chan_websocket.c, tags 20.16 to 23.4, and captures from 22.10.1, November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from gateway.errors import LocalProtocolError, RemoteProtocolError, Unwelcome
from gateway.events import DigitPressed, MarkReached

MAX_TEXT_BYTES = 128
"""Longer commands are ignored by Asterisk, with a line in its log and nothing else."""
MAX_BINARY_BYTES = 64_000
"""65,535 with the header ends the call; the documentation says 65,500."""
FORMATS = {"ulaw": PCMU_8K, "alaw": PCMA_8K, "slin": L16_8K, "slin16": L16_16K}
"""Asterisk's names; slin is in host byte order, little-endian on every usual machine."""
NO_PASSTHROUGH = "take p out of the options of Dial(WebSocket/...)"
DIGITS = frozenset("0123456789*#ABCD")


# --- what comes in -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStarted:
    """The first message: the channel, and what its media looks like.

    Attributes:
        channel_id: Unique id of the channel; its name before 20.18, which has no id.
        frame_bytes: One frame of 20 ms; every message we send is a multiple of it.
        variables: Channel variables; plain text has none.
        has_marks: Knows MARK_MEDIA (since 20.18, when channel ids came too).
    """

    connection_id: str
    channel_id: str
    format: AudioFormat
    frame_bytes: int
    variables: dict[str, str]
    has_marks: bool


@dataclass(frozen=True, slots=True)
class QueueFilled:
    """MEDIA_XOFF: 18 s are queued; more than 20 s would be dropped."""


@dataclass(frozen=True, slots=True)
class QueueEased:
    """MEDIA_XON."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """ERROR: Asterisk did not do what we asked for."""

    text: str


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """An event we have no use for, or newer than this file."""

    name: str


AsteriskEvent = (
    bytes | MediaStarted | DigitPressed | MarkReached | QueueFilled | QueueEased | Complaint | UnknownMessage
)
"""`bytes` is the caller's audio, as it came."""

_ARGUMENTS = re.compile(r"\([^)]*\)")
_Scalar = str | int | float | bool | None


class _Fields(msgspec.Struct):
    """Every field of every event we read; the plain-text parser fills it too."""

    event: str
    connection_id: str | int = ""
    channel: str = ""
    channel_id: str | int = ""
    format: str = ""
    optimal_frame_size: int = 0
    channel_variables: dict[str, _Scalar] = {}
    digit: str | int = ""
    correlation_id: str | int = ""
    error_text: str = ""


_decode = msgspec.json.Decoder(_Fields, strict=False).decode


class AsteriskProtocol:
    """One socket. `receive` wants MEDIA_START first, and once."""

    def __init__(self) -> None:
        self._is_json: bool | None = None
        self._started: MediaStarted | None = None

    def receive(self, data: bytes | str) -> AsteriskEvent:
        """Read one message.

        Raises:
            RemoteProtocolError: for anything that is not a message of this protocol, or not at this point of it;
                Unwelcome for media we do not speak, with the change to the dialplan as its hint.
        """
        if isinstance(data, str):
            return self._control(data)
        if self._started is None:
            raise RemoteProtocolError("media came before MEDIA_START", hint="MEDIA_START expected")
        if len(data) % self._started.format.encoding.bytes_per_sample:
            raise RemoteProtocolError("media with half a sample")
        return data

    def _control(self, text: str) -> AsteriskEvent:
        if self._is_json is None:
            self._is_json = text.lstrip().startswith("{")
            if not self._is_json and not text.startswith("MEDIA_START "):
                raise RemoteProtocolError("the first message is not MEDIA_START", hint="MEDIA_START expected")
        fields = _read_json(text) if self._is_json else _read_plain(text)
        if fields.event == "MEDIA_START":
            return self._start(fields)
        if self._started is None:
            raise RemoteProtocolError("the first message is not MEDIA_START", hint="MEDIA_START expected")
        match fields.event:
            case "DTMF_END":
                digit = str(fields.digit).upper()
                if digit not in DIGITS:
                    raise RemoteProtocolError("a key that no telephone has")
                return DigitPressed(digit=digit)
            case "MEDIA_MARK_PROCESSED":
                return MarkReached(mark_id=str(fields.correlation_id))
            case "MEDIA_BUFFERING_COMPLETED" if not self._started.has_marks:
                return MarkReached(mark_id=str(fields.correlation_id))
            case "MEDIA_XOFF":
                return QueueFilled()
            case "MEDIA_XON":
                return QueueEased()
            case "ERROR":
                return Complaint(fields.error_text.strip())
            case name:
                return UnknownMessage(name)

    def _start(self, fields: _Fields) -> MediaStarted:
        if self._started is not None:
            raise RemoteProtocolError("a second MEDIA_START", hint="one channel per socket")
        format = FORMATS.get(fields.format)
        if format is None:
            raise Unwelcome(
                f"format {fields.format[:20]} is not spoken here",
                hint="write c(ulaw), c(alaw), c(slin) or c(slin16) among the options of Dial(WebSocket/...)",
            )
        if fields.optimal_frame_size <= 0 or fields.optimal_frame_size % format.encoding.bytes_per_sample:
            raise Unwelcome("a channel in passthrough mode", hint=NO_PASSTHROUGH)
        if _is_passthrough(_text(fields.channel_variables.get("DIALEDPEERNUMBER"))):
            raise Unwelcome("a channel in passthrough mode", hint=NO_PASSTHROUGH)
        if fields.optimal_frame_size > format.bytes_per_second:
            raise RemoteProtocolError("a frame of more than a second")
        self._started = MediaStarted(
            connection_id=str(fields.connection_id),
            channel_id=str(fields.channel_id) or fields.channel,
            format=format,
            frame_bytes=fields.optimal_frame_size,
            # An inherited variable comes with the underscores that make it one: `__name` (22.10.1).
            variables={name.lstrip("_"): _text(value) for name, value in fields.channel_variables.items()},
            has_marks=bool(self._is_json) or str(fields.channel_id) != "",
        )
        return self._started

    # --- what goes out ---------------------------------------------------------------------------------------------
    def answer(self) -> str:
        """Answer the channel; without effect where it answers by itself (no `n` among the dial options)."""
        return self._command("ANSWER")

    def hang_up(self) -> str:
        """Hang up the channel; before it is answered, the caller gets 603."""
        return self._command("HANGUP")

    def flush(self) -> str:
        """Drop what is queued, marks included: they never come back."""
        return self._command("FLUSH_MEDIA")

    def mark(self, mark_id: str) -> tuple[str, ...]:
        """Ask for a word when everything before it has been played.

        Before 20.18 there are no marks; there the end of an empty stretch of buffered media says the same.

        Raises:
            LocalProtocolError: for an id that does not fit into a command.
        """
        if self._started is not None and self._started.has_marks:
            return (self._command("MARK_MEDIA", mark_id),)
        return self._command("START_MEDIA_BUFFERING"), self._command("STOP_MEDIA_BUFFERING", mark_id)

    def _command(self, name: str, correlation_id: str | None = None) -> str:
        if self._started is None:
            raise LocalProtocolError("nothing can be sent before MEDIA_START")
        if self._is_json:
            fields = (
                {"command": name} if correlation_id is None else {"command": name, "correlation_id": correlation_id}
            )
            text = msgspec.json.encode(fields).decode()
        else:
            if correlation_id is not None and (not correlation_id.isprintable() or " " in correlation_id):
                raise LocalProtocolError("a plain-text command has room for one word")
            text = name if correlation_id is None else f"{name} {correlation_id}"
        if len(text.encode()) > MAX_TEXT_BYTES:
            raise LocalProtocolError(f"a command of more than {MAX_TEXT_BYTES} bytes is ignored by Asterisk")
        return text


def _read_json(text: str) -> _Fields:
    try:
        return _decode(text)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError("a malformed event") from error
    except (msgspec.DecodeError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise RemoteProtocolError("a message is not JSON") from error


def _read_plain(text: str) -> _Fields:
    """Read ``EVENT key:value key:value``, ``EVENT word`` or ``EVENT``; a value may itself contain colons."""
    name, _, rest = text.strip().partition(" ")
    if not name.isascii() or not name.replace("_", "").isalpha():
        raise RemoteProtocolError("a message that is no event")
    if name in ("MEDIA_MARK_PROCESSED", "MEDIA_BUFFERING_COMPLETED"):
        return _Fields(event=name, correlation_id=rest)
    if name == "ERROR":
        return _Fields(event=name, error_text=rest.partition("error_text:")[2] or rest)
    if name not in ("MEDIA_START", "DTMF_END"):
        return _Fields(event=name)
    values = {key: value for key, colon, value in (word.partition(":") for word in rest.split()) if colon}
    try:
        return msgspec.convert({**values, "channel_variables": {}, "event": name}, _Fields, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise RemoteProtocolError("a malformed event") from error


def _is_passthrough(dialled: str) -> bool:
    """Whether `p` is among the options of a dial string such as ``gateway/c(ulaw)npf(json)``.

    22.10.1 announces its usual frame size then, takes no marks, and passes our messages on as they are, unpaced.
    """
    return "p" in _ARGUMENTS.sub("", dialled.partition("/")[2])


def _text(value: _Scalar) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
