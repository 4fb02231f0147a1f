"""Wyoming's events as bytes: a line of JSON, more JSON and a payload of the lengths it names (wyoming 1.10).

https://github.com/OHF-Voice/wyoming, "Format" in its README, read in November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import RemoteProtocolError

MAX_JSON_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """One message, either way."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""


def encode(event: Event) -> bytes:
    """An event for the wire."""
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    head: dict[str, Any] = {"type": event.type, "version": "1.10.0"}
    if data:
        head["data_length"] = len(data)
    if event.payload:
        head["payload_length"] = len(event.payload)
    return json.dumps(head).encode() + b"\n" + data + event.payload


class EventReader:
    """Takes bytes as they come, gives the events that are whole."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._head: dict[str, Any] | None = None

    @property
    def is_between_events(self) -> bool:
        return not self._rest and self._head is None

    def feed(self, data: bytes) -> list[Event]:
        """Raises RemoteProtocolError: it is not Wyoming, or too large."""
        self._rest += data
        events = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def _next(self) -> Event | None:
        if self._head is None:
            self._head = self._line()
            if self._head is None:
                return None
        data_size = _length(self._head, "data_length", MAX_JSON_BYTES)
        size = data_size + _length(self._head, "payload_length", MAX_PAYLOAD_BYTES)
        if len(self._rest) < size:
            return None
        more, payload = bytes(self._rest[:data_size]), bytes(self._rest[data_size:size])
        del self._rest[:size]
        head, self._head = self._head, None
        data = {**_mapping(head.get("data") or {}), **(_parsed(more) if more else {})}
        return Event(head["type"], data, payload)

    def _line(self) -> dict[str, Any] | None:
        end = self._rest.find(b"\n")
        if end < 0:
            if len(self._rest) > MAX_JSON_BYTES:
                raise RemoteProtocolError("a line does not end")
            return None
        head = _parsed(bytes(self._rest[:end]))
        del self._rest[: end + 1]
        if not isinstance(head.get("type"), str):
            raise RemoteProtocolError("an event has no type")
        return head


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        return _mapping(json.loads(text))
    except ValueError as error:
        raise RemoteProtocolError("an event is no JSON") from error


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RemoteProtocolError("an event is no object")
    return value


def _length(head: Mapping[str, Any], name: str, limit: int) -> int:
    length = head.get(name) or 0
    if not isinstance(length, int) or not 0 <= length <= limit:
        raise RemoteProtocolError(f"an event's {name} cannot be used")
    return length
