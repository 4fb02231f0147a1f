"""Twilio Media Streams on the wire, bidirectional, without I/O. The far side is `gateway.caller.twilio`.

Every message is a TEXT frame with one JSON object; audio is base64 of mu-law at 8 kHz, mono, without a header. Numbers
come as JSON strings; both are taken. Facts: Twilio documentation, "Media Streams: WebSocket messages", November 2026.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

import msgspec

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import DigitPressed, MarkReached

DIGITS = frozenset("0123456789*#ABCD")
ENCODING, RATE = "audio/x-mulaw", 8000
SAMPLES_PER_MS = RATE // 1000


# --- what comes in -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """The first message that says something.

    Attributes:
        parameters: `<Parameter>` names and values of the TwiML, as they came.
    """

    stream_sid: str
    call_sid: str
    account_sid: str = ""
    parameters: dict[str, str]


class MediaReceived(msgspec.Struct, frozen=True):
    """The caller's audio, as the decoder made it: fifty a second of these, so that no second object is made.

    Attributes:
        timestamp: Milliseconds since the stream began, at the first sample; None where the peer did not say.
    """

    payload: bytes
    timestamp: int | None = None
    track: str = "inbound"


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The call, or its stream, is over; Twilio closes the socket."""


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """Something newer than this file; to be ignored."""

    name: str


TwilioEvent = StreamStarted | MediaReceived | DigitPressed | MarkReached | StreamStopped | UnknownMessage


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = ENCODING
    sample_rate: int = RATE
    channels: int = 1


class _Start(msgspec.Struct, rename="camel"):
    call_sid: str = ""
    account_sid: str = ""
    stream_sid: str = ""
    media_format: _Format = msgspec.field(default_factory=_Format)
    custom_parameters: dict[str, str | int | float | bool | None] = {}


class _Digit(msgspec.Struct):
    digit: str | int


class _Name(msgspec.Struct):
    name: str | int


class _ConnectedMessage(msgspec.Struct, tag_field="event", tag="connected"):
    pass


class _StartMessage(msgspec.Struct, tag_field="event", tag="start", rename="camel"):
    start: _Start
    stream_sid: str = ""


class _MediaMessage(msgspec.Struct, tag_field="event", tag="media"):
    media: MediaReceived


class _DigitMessage(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: _Digit


class _MarkMessage(msgspec.Struct, tag_field="event", tag="mark"):
    mark: _Name


class _StopMessage(msgspec.Struct, tag_field="event", tag="stop"):
    pass


class _AnyMessage(msgspec.Struct):
    event: str


_Message = _ConnectedMessage | _StartMessage | _MediaMessage | _DigitMessage | _MarkMessage | _StopMessage
_KNOWN = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})
_decode = msgspec.json.Decoder(_Message, strict=False).decode
_decode_any = msgspec.json.Decoder(_AnyMessage).decode


class TwilioProtocol:
    """One stream. `receive` wants a start before anything else but `connected`, and one start only."""

    def __init__(self) -> None:
        self._stream_sid: str | None = None
        self._head = ""

    def receive(self, data: str | bytes) -> TwilioEvent | None:
        """Read one message.

        Returns:
            What it says; None when it says nothing we need.
        Raises:
            RemoteProtocolError: for anything that is not a message of this protocol, or not at this point of it.
        """
        if not isinstance(data, str):
            raise RemoteProtocolError("a binary message on a stream that has only text", hint="text messages expected")
        try:
            message = _decode(data)
        except msgspec.ValidationError as error:
            return self._unknown(data, error)
        except (msgspec.DecodeError, ValueError) as error:  # ValueError: a number of thousands of digits
            raise RemoteProtocolError("a message is not JSON") from error
        if type(message) is _MediaMessage and self._stream_sid is not None:
            media = message.media
            return media if media.track == "inbound" else None
        return self._other(message)

    def _other(self, message: _Message) -> TwilioEvent | None:
        match message:
            case _ConnectedMessage():
                return None
            case _StartMessage():
                return self._started(message)
            case _ if self._stream_sid is None:
                raise RemoteProtocolError("a message came before the stream started", hint="start expected")
            case _DigitMessage():
                digit = str(message.dtmf.digit).upper()
                if digit not in DIGITS:
                    raise RemoteProtocolError("a key that no telephone has")
                return DigitPressed(digit=digit)
            case _MarkMessage():
                return MarkReached(mark_id=str(message.mark.name))
            case _:
                return StreamStopped()

    def _started(self, message: _StartMessage) -> StreamStarted:
        start = message.start
        if self._stream_sid is not None:
            raise RemoteProtocolError("the stream started twice", hint="one stream per socket")
        stream_sid = message.stream_sid or start.stream_sid
        if not stream_sid:
            raise RemoteProtocolError("the start names no stream", hint="streamSid expected")
        audio = start.media_format
        if (audio.encoding.lower(), audio.sample_rate, audio.channels) != (ENCODING, RATE, 1):
            raise RemoteProtocolError("audio that is not mu-law at 8 kHz", hint="audio/x-mulaw, 8000 Hz expected")
        self._stream_sid = stream_sid
        self._head = '"streamSid":' + msgspec.json.encode(stream_sid).decode()
        parameters = {name: _text(value) for name, value in start.custom_parameters.items()}
        return StreamStarted(
            stream_sid=stream_sid, call_sid=start.call_sid, account_sid=start.account_sid, parameters=parameters
        )

    def _unknown(self, data: str, error: msgspec.ValidationError) -> UnknownMessage:
        try:
            name = _decode_any(data).event
        except (msgspec.MsgspecError, ValueError):
            raise RemoteProtocolError("a message names no event", hint="event expected") from error
        if name in _KNOWN:
            raise RemoteProtocolError(f"a malformed {name} message") from error
        return UnknownMessage(name)

    # --- what goes out ---------------------------------------------------------------------------------------------
    def media(self, payload: bytes) -> str:
        """Audio to play behind what was sent before: mu-law, 8 kHz, of any length."""
        audio = binascii.b2a_base64(payload, newline=False).decode("ascii")
        return '{"event":"media",%s,"media":{"payload":"%s"}}' % (self._started_head(), audio)  # noqa: UP031 - hot

    def mark(self, name: str) -> str:
        """Ask for the same mark when everything before it has been played, or dropped by `clear`."""
        return f'{{"event":"mark",{self._started_head()},"mark":{{"name":{_json(name)}}}}}'

    def clear(self) -> str:
        """Drop what was not played; the marks in it come back at once."""
        return f'{{"event":"clear",{self._started_head()}}}'

    def _started_head(self) -> str:
        if not self._head:
            raise LocalProtocolError("nothing can be sent before the stream has started")
        return self._head


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _text(value: str | int | float | bool | None) -> str:
    return value if isinstance(value, str) else "" if value is None else _json_scalar(value)


def _json_scalar(value: int | float | bool) -> str:
    return msgspec.json.encode(value).decode()
