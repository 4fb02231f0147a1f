"""Google's speech services as a plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gateway.kit.http import HttpClient
from gateway.speech.google.client import GoogleClients
from gateway.speech.google.options import GoogleListenOptions, GoogleSpeakOptions
from gateway.speech.google.recognizer import GoogleRecognizer
from gateway.speech.google.settings import GoogleSpeechSection
from gateway.speech.google.synthesizer import GoogleSynthesizer


class GoogleSpeech:
    """See `gateway.plugins`. ``http`` is what every plug-in is given; Google's clients bring their own."""

    Section = GoogleSpeechSection
    ListenOptions = GoogleListenOptions
    SpeakOptions = GoogleSpeakOptions
    examples: ClassVar[Mapping[str, Mapping[str, str]]] = {"v1": {}, "v2": {"api": "v2"}}

    def __init__(self, name: str, settings: GoogleSpeechSection, http: HttpClient | None = None) -> None:
        self._clients = GoogleClients(name, settings)
        self.recognizer = GoogleRecognizer(self._clients, settings)
        self.synthesizer = GoogleSynthesizer(self._clients)

    async def start(self) -> None:
        """Load Google's clients and find the credentials. Raises ConfigError where either is missing."""
        await self._clients.load()

    async def close(self) -> None:
        await self._clients.close()
