"""A Vosk server as a plug-in: it listens, and does not speak."""

from __future__ import annotations

from typing import Any

from gateway.speech.vosk.options import ListenOptions
from gateway.speech.vosk.recognizer import VoskRecognizer
from gateway.speech.vosk.settings import VoskSpeechSection


class VoskSpeech:
    """See `gateway.plugins`. ``http`` is what every plug-in is given; nothing here needs it."""

    Section = VoskSpeechSection
    ListenOptions = ListenOptions
    synthesizer = None

    def __init__(self, name: str, settings: VoskSpeechSection, http: Any = None) -> None:
        self.recognizer = VoskRecognizer(name, settings)

    async def start(self) -> None:
        """Nothing to start: connections are opened with the first turn."""

    async def close(self) -> None:
        await self.recognizer.close()
