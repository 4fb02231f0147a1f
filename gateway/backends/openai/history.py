"""The conversation as the model is shown it: what was said, and of its own words those that were really heard. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from gateway.backends.openai.answers import ToolCall

INTERRUPTED = "[interrupted]"
TELEPHONE_RULES = (
    "You are on the telephone: everything you write is read aloud at once, and the caller's words come from speech "
    "recognition, which may be wrong. Answer in one to three short sentences. Write no lists, headings, links, emoji "
    "or other markup. Ask one question at a time. Write numbers, dates and abbreviations as they are spoken. "
    f"{INTERRUPTED} marks where the caller interrupted you: he has not heard what would have followed."
)


@dataclass
class History:
    """One call's messages.

    Args:
        instructions: The system message.
        limit: Most characters that are sent, the instructions apart.
    """

    instructions: str
    limit: int
    _messages: list[dict[str, Any]] = field(default_factory=list)
    _turns: list[int] = field(default_factory=list)  # beside every message

    def user(self, text: str, turn: int) -> None:
        self._add({"role": "user", "content": text}, turn)

    def note(self, text: str, turn: int) -> None:
        """Something the model should know that nobody has said."""
        self._add({"role": "system", "content": text}, turn)

    def assistant(self, text: str, turn: int) -> dict[str, Any]:
        """What the model has written; the message, to be completed while it writes."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        self._add(message, turn)
        return message

    def tool(self, call: ToolCall, result: str, turn: int) -> None:
        self._add({"role": "tool", "tool_call_id": call.id, "content": result}, turn)

    def heard(self, turn: int, text: str) -> None:
        """The caller has interrupted a turn's words: only so much was heard.

        Of several messages of a turn, those before the interruption were heard to their end.
        """
        left = " ".join(text.split())
        own = [
            message
            for message, at in zip(self._messages, self._turns, strict=True)
            if at == turn and message["role"] == "assistant" and message["content"]
        ]
        for place, message in enumerate(own):
            whole = " ".join(message["content"].split())
            if left.startswith(whole) and place < len(own) - 1:
                left = left[len(whole) :].lstrip()
                continue
            message["content"] = f"{left} {INTERRUPTED}".lstrip()
            left = ""

    def messages(self) -> list[dict[str, Any]]:
        """What is sent: the instructions, and the newest turns that fit, at least the last one."""
        newest = self._messages[self._first_that_fits() :]
        kept = [_without_open_calls(message, newest) for message in newest]
        said = [message for message in kept if message["content"] or message.get("tool_calls")]
        return [{"role": "system", "content": self.instructions}, *said]

    def _first_that_fits(self) -> int:
        """A turn is kept whole: a tool's result without its call is an error to every server."""
        size, start = 0, len(self._messages)
        for place in range(len(self._messages) - 1, -1, -1):
            size += len(json.dumps(self._messages[place], ensure_ascii=False))
            if size > self.limit and self._turns[place] != self._turns[-1]:
                break
            if place == 0 or self._turns[place - 1] != self._turns[place]:
                start = place
        return start

    def _add(self, message: dict[str, Any], turn: int) -> None:
        self._messages.append(message)
        self._turns.append(turn)


def _without_open_calls(message: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A message without the tools that were never done: the caller has interrupted, and no server takes such a call."""
    if "tool_calls" not in message:
        return message
    done = {other.get("tool_call_id") for other in messages}
    calls = [call for call in message["tool_calls"] if call["id"] in done]
    rest = {name: value for name, value in message.items() if name != "tool_calls"}
    return {**rest, "tool_calls": calls} if calls else rest
