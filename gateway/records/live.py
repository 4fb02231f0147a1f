"""What a call's record does not have yet: the words that the bot is just saying. For whoever watches the call."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.call.commands import Command, StartPrompt
from gateway.events import CallEvent, PromptEnded, PromptStarted
from gateway.speech_interfaces import Utterance

MAX_PROMPTS = 100
"""That wait to be spoken; of more, the oldest are not shown."""


class Saying:
    """Watches one call; `observe` is an observer of its session."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._current: int | None = None

    @property
    def text(self) -> str:
        """Of the prompt whose audio is on its way; empty between prompts."""
        return "" if self._current is None else self._texts.get(self._current, "")

    def observe(self, _: float, event: CallEvent, commands: Sequence[Command]) -> None:
        if isinstance(event, PromptStarted):
            self._current = event.prompt_id
        elif isinstance(event, PromptEnded):
            self._texts.pop(event.prompt_id, None)
            if self._current == event.prompt_id:
                self._current = None
        for command in commands:
            if isinstance(command, StartPrompt) and isinstance(command.content, Utterance):
                said = command.content
                self._texts[command.prompt_id] = "" if said.sensitive else said.plain or said.text
                if len(self._texts) > MAX_PROMPTS:
                    del self._texts[next(iter(self._texts))]
