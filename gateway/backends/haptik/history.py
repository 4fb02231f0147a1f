"""The transcript Haptik keeps, as lines of the call's record (get_chat_history v2.0, forms ``json`` and ``text``)."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any

from gateway.actions import Record
from gateway.backends.haptik.hsl import without_commands
from gateway.backends.haptik.values import identity, items, mapping, text
from gateway.errors import RemoteProtocolError
from gateway.kit.jsonbody import JsonRefused, parse_json

MAX_LINES = 5000
LINES_PER_RECORD = 100
_TIME = re.compile(r"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) (AM|PM) (\S+)", re.ASCII | re.IGNORECASE)
_SENDER = re.compile(r"([^:\n]{1,80}): ?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message.

    Attributes:
        sender: ``bot``, ``user``, or an agent's name.
        text: As it is shown; ``raw``: with its commands in braces.
        at: ISO 8601 in UTC; as it was written where that cannot be read; empty in the form ``text``.
    """

    sender: str
    text: str
    raw: str
    at: str = ""
    message_id: str = ""

    def to_json(self) -> dict[str, str]:
        found = {"sender": self.sender, "text": self.text, "raw": self.raw, "at": self.at, "id": self.message_id}
        return {key: value for key, value in found.items() if value and not (key == "raw" and value == self.text)}


def parse_history(body: bytes) -> list[Line]:
    """Read a transcript of either form.

    Raises:
        RemoteProtocolError: It is neither.
    """
    try:
        value = mapping(parse_json(body))
    except JsonRefused as refused:
        raise RemoteProtocolError(str(refused)) from refused
    if isinstance(value.get("chat_json"), list):
        return [_line(item) for item in map(mapping, items(value["chat_json"], MAX_LINES))]
    if isinstance(value.get("chat_text"), str):
        return _from_text(value["chat_text"])
    raise RemoteProtocolError("the transcript has neither chat_json nor chat_text")


def records_of(lines: list[Line], conversation_no: int) -> list[Record]:
    """What joins the call's record."""
    chunks = [lines[start : start + LINES_PER_RECORD] for start in range(0, len(lines), LINES_PER_RECORD)]
    about: dict[str, Any] = {"source": "chat_history", "conversation_no": conversation_no}
    return [
        Record(kind="conversation", data={**about, "lines": [line.to_json() for line in chunk]}) for chunk in chunks
    ]


def _line(item: Any) -> Line:
    raw = text(item.get("text"))
    return Line(
        sender=text(item.get("sender")),
        text=without_commands(raw),
        raw=raw,
        at=utc_time(text(item.get("timestamp"))),
        message_id=identity(item.get("message_id")),
    )


def _from_text(chat: str) -> list[Line]:
    """``sender: text`` line by line; a line without a sender goes on with the one before."""
    found: list[tuple[str, str]] = []
    for row in chat.split("\n")[:MAX_LINES]:
        match = _SENDER.fullmatch(row)
        if match is not None:
            found.append((match[1].strip(), match[2]))
        elif found and row.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{row}")
    return [Line(sender=sender, text=without_commands(text(raw)), raw=text(raw)) for sender, raw in found]


def utc_time(stamp: str) -> str:
    """``06/22/20 07:24:25 AM UTC`` as ``2020-06-22T07:24:25Z``; other zones and forms stay as they are."""
    match = _TIME.fullmatch(stamp)
    if match is None or match[8].upper() not in ("UTC", "GMT", "Z"):
        return stamp
    month, day, year, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        at = datetime.datetime(
            2000 + year, month, day, hour % 12 + (12 if match[7].upper() == "PM" else 0), minute, second
        )
    except ValueError:
        return stamp
    return at.isoformat() + "Z"
