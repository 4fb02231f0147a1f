"""Asterisk's side of a media WebSocket: a channel with its queue, for calls to an `asterisk` line.

It is as strict as chan_websocket (channels/chan_websocket.c, tags 20.16 to 23.4; captures from 22.10.1, November 2026):
what does not fill a frame outside buffering is dropped, commands of more than 128 bytes are ignored, a message of more
than 65,535 bytes ends the call, and marks that were flushed never come back.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Literal

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from gateway.caller.asterisk_queue import TICK, XOFF_AT, XON_BELOW, Marker, MediaQueue
from gateway.caller.ear import Ear
from gateway.caller.peer import (
    Answered,
    Cleared,
    Complained,
    FarEvent,
    MarkAnswered,
    MarkAsked,
    Message,
)

FORMATS = {"ulaw": PCMU_8K, "alaw": PCMA_8K, "slin": L16_8K, "slin16": L16_16K}
Codec = Literal["ulaw", "alaw", "slin", "slin16"]
MAX_TEXT_BYTES = 128
MAX_MESSAGE_BYTES = 65_535 - 10
"""Header and payload of a WebSocket frame together fit into 65,535 bytes."""


class AsteriskPeer:
    """One channel, in JSON or plain text.

    Args:
        codec: As in `c(...)` of the dial string.
        is_json: `f(json)`; else plain text, which carries no variables.
        answers_itself: False is dial option `n`: no audio flows before ANSWER.
        variables: Channel variables.
        connection_id: Name of the section in websocket_client.conf, or the id of an INCOMING channel.
        is_old: A release before 20.18: plain text, no channel ids, no MARK_MEDIA.
        keep: Seconds of what was heard that are kept; None: all.
    """

    def __init__(
        self,
        *,
        codec: Codec = "ulaw",
        is_json: bool = True,
        answers_itself: bool = True,
        variables: Mapping[str, str] | None = None,
        connection_id: str = "gateway",
        is_old: bool = False,
        keep: float | None = None,
    ) -> None:
        self.format = FORMATS[codec]
        self.ear = Ear(self.format, keep)
        self.is_over = False
        self.close_code = 1000
        self.close_reason = ""
        self.ends_at_once = True
        self.is_answered = answers_itself
        self.refused = False
        self.connection_id = connection_id
        self.channel_id = f"{1795214411 + secrets.randbelow(10**6)}.{secrets.randbelow(10**4)}"
        self._channel = f"WebSocket/{connection_id}/0x7f{secrets.token_hex(5)}"
        self._codec = codec
        self._is_json = is_json and not is_old
        self._is_old = is_old
        self._variables = dict(variables or {})
        self._frame_bytes = self.format.size(TICK)
        self._queue = MediaQueue(self._frame_bytes, self.ear.play_at, self._reported)
        self._direction = "both"
        self._messages: list[Message] = []
        self._events: list[FarEvent] = []
        self._commands: dict[str, Callable[[dict[str, Any], float], None]] = {
            "ANSWER": self._answer,
            "HANGUP": self._hang_up,
            "START_MEDIA_BUFFERING": self._start_buffering,
            "STOP_MEDIA_BUFFERING": self._stop_buffering,
            "MARK_MEDIA": self._mark,
            "FLUSH_MEDIA": self._flush,
            "PAUSE_MEDIA": self._pause,
            "CONTINUE_MEDIA": self._continue,
            "REPORT_QUEUE_DRAINED": self._report_drained,
            "GET_STATUS": self._status,
            "SET_MEDIA_DIRECTION": self._set_direction,
        }
        if is_old:
            del self._commands["MARK_MEDIA"], self._commands["SET_MEDIA_DIRECTION"]

    @property
    def leg_id(self) -> str:
        return self._channel if self._is_old else self.channel_id

    # --- the caller's side -----------------------------------------------------------------------------------------
    def start(self, now: float) -> None:
        self._queue.start(now)
        fields: dict[str, Any] = {
            "connection_id": self.connection_id,
            "channel": self._channel,
            "channel_id": self.channel_id,
            "format": self._codec,
            "optimal_frame_size": self._frame_bytes,
            "ptime": 20,
        }
        if self._is_json:
            own = {
                "DIALEDPEERNUMBER": f"{self.connection_id}/c({self._codec})f(json)",
                "MEDIA_WEBSOCKET_CONNECTION_ID": self.connection_id,
                "MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": str(self._frame_bytes),
            }
            fields["channel_variables"] = {**self._variables, **own}
        if self._is_old:
            del fields["channel_id"]
        self._say("MEDIA_START", with_channel=False, **fields)

    def audio(self, data: bytes, now: float) -> None:
        if not self.is_answered or self._direction == "out":
            return
        for start in range(0, len(data), self._frame_bytes):
            self._messages.append(data[start : start + self._frame_bytes])

    def digit(self, digit: str, now: float) -> None:
        self._say("DTMF_END", digit=digit)

    def end(self, now: float) -> None:
        """Asterisk only closes the socket; no message says that the caller hung up."""

    # --- the gateway's side ----------------------------------------------------------------------------------------
    def receive(self, message: Message, now: float) -> None:
        self.advance(now)
        if isinstance(message, bytes):
            self._media(message, now)
        elif len(message.encode()) > MAX_TEXT_BYTES:
            self._complain(now, "command of more than 128 bytes ignored")
        else:
            self._command(message, now)

    def advance(self, now: float) -> None:
        self._queue.advance(now)

    @property
    def has_queued(self) -> bool:
        return self._queue.frames > 0 and not self._queue.is_paused

    def next_due(self) -> float | None:
        return self._queue.next_due()

    def take_messages(self) -> list[Message]:
        messages, self._messages = self._messages, []
        return messages

    def take_events(self) -> list[FarEvent]:
        events, self._events = self._events, []
        return events

    def _media(self, data: bytes, now: float) -> None:
        if len(data) > MAX_MESSAGE_BYTES:
            self._complain(now, "cannot fit huge websocket frame")
            self.is_over, self.close_code = True, 1009
        elif self._direction == "in":
            self._complain(now, "media dropped: direction is in")
        elif dropped := self._queue.put(data, now):
            self._complain(now, f"{dropped} bytes dropped")

    def _command(self, text: str, now: float) -> None:
        fields = self._parse(text)
        if fields is None:
            self._error("Unable to parse JSON command")
            return
        name = str(fields.get("command"))
        perform = self._commands.get(name)
        if perform is None:
            self._complain(now, "unknown command ignored")
        elif self._direction == "in" and name in _MEDIA_COMMANDS:
            self._error(f"{name} not supported while media direction is 'in'")
        else:
            perform(fields, now)

    def _parse(self, text: str) -> dict[str, Any] | None:
        if not self._is_json:
            name, _, rest = text.partition(" ")
            return {"command": name, "correlation_id": rest}
        try:
            fields = json.loads(text)
        except ValueError:
            return None
        return fields if isinstance(fields, dict) else None

    def _answer(self, fields: dict[str, Any], now: float) -> None:
        if not self.is_answered:
            self.is_answered = True
            self._events.append(Answered(now))

    def _hang_up(self, fields: dict[str, Any], now: float) -> None:
        self.refused = not self.is_answered  # the caller gets 603
        self.is_over = True

    def _start_buffering(self, fields: dict[str, Any], now: float) -> None:
        self._queue.is_buffering = True

    def _stop_buffering(self, fields: dict[str, Any], now: float) -> None:
        name = str(fields.get("correlation_id", ""))
        self._events.append(MarkAsked(name, now))
        self._queue.stop_buffering(name)

    def _mark(self, fields: dict[str, Any], now: float) -> None:
        name = str(fields.get("correlation_id", ""))
        self._events.append(MarkAsked(name, now))
        self._queue.mark(Marker("MEDIA_MARK_PROCESSED", name))

    def _flush(self, fields: dict[str, Any], now: float) -> None:
        self._events.append(Cleared(now, self.format.seconds(self._queue.flush())))

    def _pause(self, fields: dict[str, Any], now: float) -> None:
        self._queue.is_paused = True

    def _continue(self, fields: dict[str, Any], now: float) -> None:
        self._queue.is_paused = False

    def _report_drained(self, fields: dict[str, Any], now: float) -> None:
        self._queue.want_drained()

    def _status(self, fields: dict[str, Any], now: float) -> None:
        queue = self._queue
        self._say(
            "STATUS",
            queue_length=queue.frames,
            xon_level=XON_BELOW,
            xoff_level=XOFF_AT,
            queue_full=queue.is_over_xoff,
            bulk_media=queue.is_buffering,
            media_paused=queue.is_paused,
        )

    def _set_direction(self, fields: dict[str, Any], now: float) -> None:
        if not self._is_json:
            self._error("SET_MEDIA_DIRECTION only supports JSON format.\n")
        elif fields.get("direction") in ("both", "in", "out"):
            self._direction = fields["direction"]

    # --- what we say -----------------------------------------------------------------------------------------------
    def _reported(self, event: str, name: str, at: float) -> None:
        if event in ("MEDIA_MARK_PROCESSED", "MEDIA_BUFFERING_COMPLETED"):
            self._events.append(MarkAnswered(name, at))
            if self._is_json:
                self._say(event, correlation_id=name)
            else:
                self._messages.append(f"{event} {name}".strip())
        else:
            self._say(event, plain_channel=False)

    def _error(self, text: str) -> None:
        self._say("ERROR", error_text=text)

    def _complain(self, now: float, what: str) -> None:
        self._events.append(Complained(now, what))

    def _say(self, event: str, *, with_channel: bool = True, plain_channel: bool = True, **fields: object) -> None:
        if self._is_json:
            head = {"event": event, **({"channel_id": self.channel_id} if with_channel else {})}
            self._messages.append(json.dumps({**head, **fields}, separators=(",", ":")))
            return
        words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
        if with_channel and plain_channel and not self._is_old:
            channel = {"channel_id": self.channel_id}
            words = {**words, **channel} if event == "DTMF_END" else {**channel, **words}
        self._messages.append(" ".join([event, *(f"{name}:{value}" for name, value in words.items())]))


_MEDIA_COMMANDS = frozenset(
    {"START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING", "MARK_MEDIA", "PAUSE_MEDIA", "CONTINUE_MEDIA"}
)
