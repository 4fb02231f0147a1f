"""Azure's speech services as a plug-in."""

from __future__ import annotations

from typing import ClassVar

from gateway.kit.http import HttpClient
from gateway.speech.azure.options import AzureListenOptions, AzureSpeakOptions
from gateway.speech.azure.recognizer import AzureRecognizer
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech.azure.synthesizer import AzureSynthesizer


class AzureSpeech:
    """See `gateway.plugins`."""

    Section = AzureSpeechSection
    examples: ClassVar = {"": {"region": "westeurope", "api_key": "placeholder"}}
    ListenOptions = AzureListenOptions
    SpeakOptions = AzureSpeakOptions

    def __init__(self, name: str, settings: AzureSpeechSection, http: HttpClient | None = None) -> None:
        self.recognizer = AzureRecognizer(name, settings)
        self.synthesizer = AzureSynthesizer(name, settings, http)

    async def start(self) -> None:
        """Load Microsoft's SDK. Raises ConfigError where it is not installed."""
        await self.recognizer.load()

    async def close(self) -> None:
        await self.recognizer.close()
