"""Twilio's side of a media stream: a carrier with a play buffer, for calls to a `twilio` line.

Facts: Twilio documentation, "Media Streams: WebSocket messages" and "TwiML Stream", November 2026. Twilio plays what it
gets in order, buffers ten minutes, returns a mark when everything before it was played, and all of them on a clear.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Mapping

import msgspec

from audio.format import PCMU_8K
from gateway.caller.connection import open_socket
from gateway.caller.ear import Ear
from gateway.caller.line import CallerLine, Sleep
from gateway.caller.peer import (
    CallerAuth,
    Cleared,
    Complained,
    FarEvent,
    MarkAnswered,
    MarkAsked,
    Message,
    basic_headers,
)
from gateway.clock import Clock
from gateway.kit.signature import twilio_signature

MAX_BUFFERED = 600.0
"""Seconds; further audio is dropped (Twilio warning 31931)."""
PTIME_BYTES = 160
GAP = 0.1
"""Seconds without a word from the caller after which the time stamps jump, as a carrier's do."""


class _Media(msgspec.Struct):
    payload: bytes


class _Mark(msgspec.Struct):
    name: str


class _Out(msgspec.Struct, rename="camel"):
    event: str
    stream_sid: str = ""
    media: _Media | None = None
    mark: _Mark | None = None


_decode = msgspec.json.Decoder(_Out).decode


class TwilioPeer:
    """One stream.

    Args:
        parameters: `<Parameter>`s of the TwiML; caller and called number among them.
        ear: Where the audio goes.
    """

    format = PCMU_8K
    is_over = False
    close_code = 1000
    close_reason = ""
    ends_at_once = True
    has_queued = False

    def __init__(self, parameters: Mapping[str, str], *, call_sid: str | None = None, ear: Ear | None = None) -> None:
        self.ear = ear or Ear(PCMU_8K)
        self.call_sid = call_sid or "CA" + secrets.token_hex(16)
        self.stream_sid = "MZ" + secrets.token_hex(16)
        self._account_sid = "AC" + "0" * 32
        self._parameters = dict(parameters)
        self._marks: deque[tuple[str, float]] = deque()
        self._messages: list[Message] = []
        self._events: list[FarEvent] = []
        self._sequence = self._chunk = self._spoken = 0
        self._started = 0.0

    @property
    def leg_id(self) -> str:
        return self.stream_sid

    def start(self, now: float) -> None:
        self._started = now
        self._messages.append('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {
            "accountSid": self._account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._say("start", start=start)

    def audio(self, data: bytes, now: float) -> None:
        elapsed = round((now - self._started) * PCMU_8K.rate)
        if elapsed - self._spoken > GAP * PCMU_8K.rate:
            self._spoken = elapsed
        for i in range(0, len(data), PTIME_BYTES):
            self._chunk += 1
            self._sequence += 1
            piece = data[i : i + PTIME_BYTES]
            self._messages.append(
                '{"event":"media","sequenceNumber":"%d","streamSid":"%s","media":{"track":"inbound","chunk":"%d",'  # noqa: UP031 - hot
                '"timestamp":"%d","payload":"%s"}}'
                % (
                    self._sequence,
                    self.stream_sid,
                    self._chunk,
                    self._spoken // 8,
                    base64.b64encode(piece).decode("ascii"),
                )
            )
            self._spoken += len(piece)

    def digit(self, digit: str, now: float) -> None:
        self._say("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def end(self, now: float) -> None:
        self._say("stop", stop={"accountSid": self._account_sid, "callSid": self.call_sid})

    def receive(self, message: Message, now: float) -> None:
        self.advance(now)
        try:
            if not isinstance(message, str):
                raise ValueError("binary")
            out = _decode(message)
        except (msgspec.MsgspecError, ValueError):
            self._complain(now, "31924: message not understood")
            return
        if out.stream_sid != self.stream_sid:
            self._complain(now, "31924: message for another stream")
        elif out.event == "media" and out.media is not None:
            self._play(out.media.payload, now)
        elif out.event == "mark" and out.mark is not None:
            self._events.append(MarkAsked(out.mark.name, now))
            self._marks.append((out.mark.name, max(now, self.ear.ends_at)))
            self.advance(now)
        elif out.event == "clear":
            self._clear(now)
        else:
            self._complain(now, "31924: unknown message")

    def advance(self, now: float) -> None:
        while self._marks and self._marks[0][1] <= now:
            name, due = self._marks.popleft()
            self._return(name, due, cleared=False)

    def next_due(self) -> float | None:
        return self._marks[0][1] if self._marks else None

    def take_messages(self) -> list[Message]:
        messages, self._messages = self._messages, []
        return messages

    def take_events(self) -> list[FarEvent]:
        events, self._events = self._events, []
        return events

    def _play(self, payload: bytes, now: float) -> None:
        if self.ear.ends_at - now > MAX_BUFFERED:
            self._complain(now, "31931: ten minutes are buffered, audio dropped")
        else:
            self.ear.play(payload, now)

    def _clear(self, now: float) -> None:
        self._events.append(Cleared(now, self.ear.cut(now)))
        while self._marks:
            self._return(self._marks.popleft()[0], now, cleared=True)

    def _return(self, name: str, at: float, *, cleared: bool) -> None:
        self._events.append(MarkAnswered(name, at, cleared))
        self._say("mark", mark={"name": name})

    def _complain(self, now: float, what: str) -> None:
        self._events.append(Complained(now, what))

    def _say(self, event: str, **body: object) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, **body}
        self._messages.append(msgspec.json.encode(message).decode())


class TwilioCaller:
    """Places calls on `twilio` lines.

    Args:
        keep: Seconds of what was heard that are kept; None: all.
        hear_every, background: As for `CallerLine`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        hear_every: float | None = 0.1,
        background: bool = False,
        keep: float | None = None,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._hear_every = hear_every
        self._background = background
        self._keep = keep

    def connect(
        self,
        url: str,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        auth: CallerAuth | None = None,
        call_sid: str | None = None,
    ) -> CallerLine:
        """See `CallerClient.connect`. ``call_sid``: of the call the voice webhook was asked about."""
        given = {"from": caller, "to": called, **(custom or {})}
        parameters = {name: value for name, value in given.items() if value}
        peer = TwilioPeer(parameters, call_sid=call_sid, ear=Ear(PCMU_8K, self._keep))
        headers = dict(basic_headers(auth))
        if auth is not None and auth.twilio_token is not None:
            headers["X-Twilio-Signature"] = twilio_signature(auth.twilio_token, auth.signed_url or url)
        return CallerLine(
            peer,
            lambda: open_socket(url, headers),
            clock=self._clock,
            sleep=self._sleep,
            hear_every=self._hear_every,
            background=self._background,
        )
