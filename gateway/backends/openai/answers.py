"""What a model writes, piece by piece: words to be said, and tools to be called. Pure.

Facts: OpenAI API reference, "Chat completions" and "Streaming", November 2026; servers of the same shape leave out
``[DONE]``, send chunks that hold nothing but usage, and answer without streaming: all of that is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import RemoteProtocolError
from gateway.kit.jsonbody import JsonRefused, parse_json

DONE = "[DONE]"
MAX_TOOLS = 16
MAX_ARGUMENTS = 64 * 1024  # characters
_OPEN = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_CLOSE = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_LONGEST_TAG = len("</thinking>")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants called; ``arguments`` is the JSON text it wrote."""

    id: str
    name: str
    arguments: str

    def values(self) -> dict[str, Any]:
        """What it filled in. Raises JsonRefused."""
        value = parse_json(self.arguments.encode()) if self.arguments.strip() else {}
        if not isinstance(value, dict):
            raise JsonRefused("the arguments are no object")
        return value


class Thoughts:
    """Takes a model's reasoning out of what it writes: everything between ``<think>`` and ``</think>``."""

    def __init__(self) -> None:
        self._is_thinking = False
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be said of it now; the beginning of a tag waits for its end."""
        text, self._held, said = self._held + text, "", ""
        while True:
            tag = (_CLOSE if self._is_thinking else _OPEN).search(text)
            if tag is None:
                break
            said += "" if self._is_thinking else text[: tag.start()]
            text = text[tag.end() :]
            self._is_thinking = not self._is_thinking
        start = _possible_tag(text)
        self._held = text[start:]
        return said if self._is_thinking else said + text[:start]

    def close(self) -> str:
        """What was held back and is no tag."""
        held, self._held = self._held, ""
        return "" if self._is_thinking else held


def _possible_tag(text: str) -> int:
    """Where a tag may begin that is not complete yet."""
    start = text.rfind("<", max(0, len(text) - _LONGEST_TAG))
    return len(text) if start < 0 or ">" in text[start:] else start


@dataclass
class Answer:
    """One completion, as far as it has come."""

    text: str = ""
    finish: str = ""
    is_over: bool = False
    refused: str = ""
    _thoughts: Thoughts = field(default_factory=Thoughts)
    _tools: dict[int, dict[str, str]] = field(default_factory=dict)

    def feed(self, data: str) -> str:
        """One event's data; returns the words that are new.

        Raises:
            RemoteProtocolError: it is no JSON, or the server reports an error in the middle of it.
        """
        if data.strip() == DONE:
            return self.close()
        try:
            value = parse_json(data.encode())
        except JsonRefused as error:
            raise RemoteProtocolError(f"a chunk cannot be read: {error.reason}") from error
        return self._take(value, "delta")

    def whole(self, body: bytes) -> str:
        """A completion that came in one piece; returns its words. Raises RemoteProtocolError."""
        try:
            value = parse_json(body)
        except JsonRefused as error:
            raise RemoteProtocolError(f"the answer cannot be read: {error.reason}") from error
        return self._take(value, "message") + self.close()

    def close(self) -> str:
        """Nothing more comes; returns the words that were held back."""
        self.is_over = True
        rest = self._thoughts.close()
        self.text += rest
        return rest

    @property
    def tools(self) -> list[ToolCall]:
        """The tools that are to be called, in order. Those without a name are none."""
        calls = [self._tools[index] for index in sorted(self._tools)]
        return [
            ToolCall(call["id"] or f"call_{place}", call["name"], call["arguments"])
            for place, call in enumerate(calls)
            if call["name"]
        ]

    def _take(self, value: Any, part: str) -> str:
        if not isinstance(value, dict):
            return ""
        if value.get("error"):
            raise RemoteProtocolError(f"the server reports {error_of(value) or 'an error'}")
        choices = value.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        reason = first.get("finish_reason")
        self.finish = reason if isinstance(reason, str) else self.finish
        piece = first.get(part)
        if not isinstance(piece, dict):
            return ""
        self._take_tools(piece.get("tool_calls"))
        refusal = piece.get("refusal")
        self.refused += refusal if isinstance(refusal, str) else ""
        words = self._thoughts.feed("".join(_texts(piece.get("content"))))
        self.text += words
        return words

    def _take_tools(self, calls: Any) -> None:
        for place, call in enumerate(calls if isinstance(calls, list) else []):
            if not isinstance(call, dict):
                continue
            index = call.get("index")
            index = index if type(index) is int and 0 <= index < MAX_TOOLS else place
            if index >= MAX_TOOLS:
                continue
            known = self._tools.setdefault(index, {"id": "", "name": "", "arguments": ""})
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            known["id"] = known["id"] or _text(call.get("id"))
            known["name"] = known["name"] or _text(function.get("name"))
            known["arguments"] = (known["arguments"] + _text(function.get("arguments")))[:MAX_ARGUMENTS]


def error_of(value: Any) -> str:
    """The message of an error's body; empty where it has none."""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        return _text(error.get("message"))[:200]
    return error[:200] if isinstance(error, str) else ""


def _texts(content: Any) -> Iterable[str]:
    """A message's content: a text, or a list of parts of which some are text."""
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [_text(part.get("text")) for part in parts if isinstance(part, dict)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
