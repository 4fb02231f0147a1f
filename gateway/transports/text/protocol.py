"""The messages of a call as text. JSON objects, one per WebSocket message.

From the author: ``{"type": "start", "to": ..., "from": ..., "custom": {...}}`` first, then ``text`` (``text``),
``digits`` (``digits``), ``mark`` (``mark``: the text of this mark was read), ``hangup``. To the author: ``say``
(``text``, ``mark``), ``clear`` (what was not read yet is taken back), ``digits``, ``hangup`` (``reason``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from gateway.errors import RemoteProtocolError
from gateway.events import DigitPressed, LegClosed, LegEvent, MarkReached, Transcript

MAX_TEXT = 4000
MAX_CUSTOM = 50
KEYS = re.compile(r"[0-9A-D*#]{1,64}")


@dataclass(frozen=True, slots=True)
class Start:
    """Who calls whom."""

    caller: str
    called: str
    custom: dict[str, str]


def parse(message: str | bytes) -> dict[str, Any]:
    """One message as an object with a type. Raises RemoteProtocolError."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("a message is no JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise RemoteProtocolError("a message is no object with a type")
    return value


def parse_start(message: str | bytes) -> Start:
    """The first message. Raises RemoteProtocolError."""
    value = parse(message)
    custom = value.get("custom", {})
    if value["type"] != "start" or not isinstance(custom, dict) or len(custom) > MAX_CUSTOM:
        raise RemoteProtocolError("the first message is no start")
    texts = {str(name): str(item) for name, item in custom.items()}
    return Start(str(value.get("from", "")), str(value.get("to", "")), texts)


def events(message: str | bytes) -> list[LegEvent]:
    """What a message means; unknown types mean nothing. Raises RemoteProtocolError."""
    value = parse(message)
    match value["type"]:
        case "text":
            return [Transcript(text=str(value.get("text", ""))[:MAX_TEXT], final=True, ends_turn=True)]
        case "digits":
            keys = str(value.get("digits", ""))
            if not KEYS.fullmatch(keys):
                raise RemoteProtocolError("digits are keys of a telephone")
            return [DigitPressed(digit=key) for key in keys]
        case "mark":
            return [MarkReached(mark_id=str(value.get("mark", "")))]
        case "hangup":
            return [LegClosed(by="caller")]
    return []


def say(text: str, mark_id: str) -> str:
    return json.dumps({"type": "say", "text": text, "mark": mark_id}, ensure_ascii=False)


def clear() -> str:
    return json.dumps({"type": "clear"})


def digits(keys: str) -> str:
    return json.dumps({"type": "digits", "digits": keys})


def hangup(reason: str) -> str:
    return json.dumps({"type": "hangup", "reason": reason})
