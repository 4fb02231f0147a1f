"""A voice that can die while others rely on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.errors import VendorUnavailable
from gateway.speech.scripted.client import ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech_interfaces import SpokenFrame, Utterance


class MortalVoice:
    """Speaks as the scripted voice does, until it is dead.

    Attributes:
        refused: What it was asked to say since.
    """

    def __init__(self, *, is_dead: bool = False, **script: object) -> None:
        self._voice = ScriptedSynthesizer(ScriptedSpeechSection.model_validate(script))
        self.capabilities = self._voice.capabilities
        self.is_dead = is_dead
        self.refused: list[str] = []

    @property
    def requests(self) -> list[Utterance]:
        """What it was asked to say while it lived."""
        return self._voice.requests

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        if self.is_dead:
            self.refused.append(utterance.plain)
            raise VendorUnavailable("it is dead", vendor=utterance.vendor, operation="speak")
        async for spoken in self._voice.speak(utterance):
            yield spoken


@dataclass
class MortalVendor:
    """Implements `gateway.plugins.SpeechVendor`: speaks only."""

    synthesizer: MortalVoice
    recognizer: None = None

    async def start(self) -> None: ...
    async def close(self) -> None: ...
