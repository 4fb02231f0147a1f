"""Deepgram as a plug-in; see `gateway.plugins`."""

from __future__ import annotations

from gateway.kit.http import HttpClient
from gateway.speech.deepgram import options
from gateway.speech.deepgram.recognizer import DeepgramRecognizer
from gateway.speech.deepgram.settings import DeepgramSpeechSection
from gateway.speech.deepgram.synthesizer import DeepgramSynthesizer


class DeepgramSpeech:
    """Listens and speaks through one Deepgram project."""

    Section = DeepgramSpeechSection
    ListenOptions = options.ListenOptions
    SpeakOptions = options.SpeakOptions

    def __init__(self, name: str, settings: DeepgramSpeechSection, http: HttpClient) -> None:
        self.recognizer = DeepgramRecognizer(name, settings)
        self.synthesizer = DeepgramSynthesizer(name, settings, http)

    async def start(self) -> None:
        """Nothing to start: connections are opened with the first turn."""

    async def close(self) -> None:
        await self.recognizer.close()
        await self.synthesizer.close()
