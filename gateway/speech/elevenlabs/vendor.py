"""ElevenLabs as a plug-in; see `gateway.plugins`."""

from __future__ import annotations

from gateway.kit.http import HttpClient
from gateway.speech.elevenlabs import options
from gateway.speech.elevenlabs.recognizer import ElevenLabsRecognizer
from gateway.speech.elevenlabs.settings import ElevenLabsSpeechSection
from gateway.speech.elevenlabs.synthesizer import ElevenLabsSynthesizer


class ElevenLabsSpeech:
    """Listens and speaks through one ElevenLabs account."""

    Section = ElevenLabsSpeechSection
    ListenOptions = options.ListenOptions
    SpeakOptions = options.SpeakOptions

    def __init__(self, name: str, settings: ElevenLabsSpeechSection, http: HttpClient) -> None:
        self.recognizer = ElevenLabsRecognizer(name, settings)
        self.synthesizer = ElevenLabsSynthesizer(name, settings, http)

    async def start(self) -> None:
        """Nothing to start: connections are opened with the first turn."""

    async def close(self) -> None:
        await self.recognizer.close()
        await self.synthesizer.close()
