"""An answer of the TALKR Chatbot API v4.2, read as liberally as its document leaves it open.

Only what is said here is known of the answer; keys that are not are kept for the call record. Numbers keep the exact
text they were written in, because a tracking or a session may be one and must go back unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import RemoteProtocolError

MAX_DEPTH = 64
MAX_ITEMS = 100  # messages or retry blocks in one answer; more is not something to read to a caller
KNOWN_KEYS = frozenset({"session", "code", "name", "language", "variables", "data"})
KNOWN_DATA_KEYS = frozenset(
    {
        "messages",
        "responses",
        "object_id",
        "has_background_text",
        "retries",
        "hangup_no_response",
        "speech_synthesis",
        "speech_recognizer",
    }
)


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Absent:
    """Marks a key that is not there, which means something else than null."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A retry block: what to say on silence, and the tracking that belongs to it. ``raw``: a message as it came."""

    type: str = ""
    content: str = ""
    tracking: str = ""
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    Attributes:
        session, object_id: Empty when not given.
        code: The body's own status; None when it has none, or none that is a status.
        answer: ``variables.bot_answer`` where it is text and not blank.
        error: ``variables.error`` where it says anything.
        synthesis, recognizer: The object, None for an explicit null, `ABSENT` when the key is missing.
        retries: None when the number's own rules.
        other: Keys nobody knows, for the record; those of ``data`` under ``data``.
    """

    session: str = ""
    code: int | None = None
    name: str = ""
    slug: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    answer: str | None = None
    error: str | None = None
    messages: tuple[Block, ...] = ()
    responses: tuple[Block, ...] = ()
    object_id: str = ""
    background: bool = False
    retries: int | None = None
    hangup: bool = False
    synthesis: Mapping[str, Any] | Absent | None = ABSENT
    recognizer: Mapping[str, Any] | Absent | None = ABSENT
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """The messages' contents as they came: what rule 6 compares."""
        return tuple(block.content for block in self.messages)

    @property
    def tracking(self) -> str:
        """The first retry block's tracking, else the first there is, else the block's id; empty when there is none."""
        return next((block.tracking for block in self.responses if block.tracking.strip()), "") or self.object_id


def parse_reply(body: bytes) -> Reply:
    """Read a response body.

    Raises:
        RemoteProtocolError: It is not a JSON object in UTF-8, or nests deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"), parse_int=Number, parse_float=Number, parse_constant=lambda _: None
        )
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("the answer is not JSON") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError("the answer is not a JSON object")
    if _deeper_than(value, MAX_DEPTH):
        raise RemoteProtocolError(f"the answer nests deeper than {MAX_DEPTH}")
    return _reply(value)


def _reply(value: dict[str, Any]) -> Reply:
    data = mapping(value.get("data"))
    variables = mapping(value.get("variables"))
    language = value.get("language")
    other = {key: item for key, item in value.items() if key not in KNOWN_KEYS}
    unknown_data = {key: item for key, item in data.items() if key not in KNOWN_DATA_KEYS}
    return Reply(
        session=identity(value.get("session")),
        code=_status(value.get("code")),
        name=text(value.get("name")),
        slug=text(language.get("slug")) if isinstance(language, dict) else text(language),
        variables=variables,
        answer=text(variables.get("bot_answer")) or None,
        error=_error(variables.get("error")),
        messages=_blocks(data.get("messages")),
        responses=_blocks(data.get("responses")),
        object_id=identity(data.get("object_id")),
        background=flag(data.get("has_background_text")) or False,
        retries=_retries(data.get("retries")),
        hangup=flag(data.get("hangup_no_response")) or False,
        synthesis=_settings(data, "speech_synthesis"),
        recognizer=_settings(data, "speech_recognizer"),
        other=plain({**other, **({"data": unknown_data} if unknown_data else {})}),
    )


def _deeper_than(value: Any, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [item for holder in level for item in _children(holder)]
    return any(isinstance(item, (dict, list)) for item in level)


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _blocks(value: Any) -> tuple[Block, ...]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_block(item) for item in items[:MAX_ITEMS])


def _block(item: Any) -> Block:
    if not isinstance(item, dict):
        return Block(content=text(item), raw=item)
    content = item["content"] if item.get("content") is not None else item.get("text")
    kind = text(item.get("type")).lower()
    return Block(type=kind, content=text(content), tracking=identity(item.get("tracking")), raw=item)


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """Text fit to be spoken or kept: stripped, without halves of surrogate pairs; empty for what is not text."""
    return str(value).strip().encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def identity(value: Any) -> str:
    """An opaque id: not trimmed, a number as its exact text; empty when blank or not given."""
    return str(value) if isinstance(value, str) and value.strip() else ""


def flag(value: Any) -> bool | None:
    """A yes or no in any of its spellings (``1``, ``"1"``, ``true``); None when it is none of them."""
    if isinstance(value, bool):
        return value
    word = text(value).lower()
    return True if word in ("1", "true", "yes", "on", "1.0") else False if word in ("0", "false", "no", "off") else None


def number(value: Any) -> float | None:
    """A finite number, also one in quotes; None for anything else."""
    try:
        found = float(text(value))
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None


def _retries(value: Any) -> int | None:
    found = number(value)
    return min(10, int(found)) if found is not None and found >= 0 and found == int(found) else None


def _status(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and 100 <= found < 600 else None


def _error(value: Any) -> str | None:
    """Whatever ``variables.error`` holds, as text; null, blank, empty and any spelling of no are no error."""
    if isinstance(value, (dict, list)) and value:
        return json.dumps(plain(value))
    return None if flag(value) is False else text("true" if value is True else value) or None


def _settings(data: dict[str, Any], key: str) -> Mapping[str, Any] | Absent | None:
    value = data.get(key, ABSENT)
    return value if value is None or isinstance(value, dict) else ABSENT


def plain(value: Any) -> Any:
    """The value with ordinary numbers again, for the record and for a vendor's options."""
    if isinstance(value, Number):
        whole = int(value) if value.lstrip("-").isdigit() and len(value) < 19 else None
        found = whole if whole is not None else number(value)
        return str(value) if found is None else found
    if isinstance(value, dict):
        return {text(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return text(value) if isinstance(value, str) else value
