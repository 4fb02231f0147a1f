"""An engine of one's own as a plug-in."""

from __future__ import annotations

from typing import ClassVar

from gateway.kit.http import HttpClient
from gateway.speech.custom.client import CustomRecognizer, CustomSynthesizer
from gateway.speech.custom.settings import CustomSpeechSection


class CustomSpeech:
    """See `gateway.plugins`. Which options there are is the engine's affair; all are passed on."""

    Section = CustomSpeechSection
    examples: ClassVar = {"": {"url": "http://127.0.0.1:9000"}}

    def __init__(self, name: str, settings: CustomSpeechSection, http: HttpClient) -> None:
        speaks, hears = settings.address_spoken, settings.address_heard
        self.synthesizer = CustomSynthesizer(name, settings, http, speaks) if speaks else None
        self.recognizer = CustomRecognizer(name, settings, hears) if hears else None

    async def start(self) -> None:
        """Connections are opened when they are needed."""

    async def close(self) -> None:
        if self.recognizer is not None:
            await self.recognizer.close()
