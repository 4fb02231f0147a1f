"""OpenAI's speech API as a plug-in."""

from __future__ import annotations

from typing import ClassVar

from gateway.kit.http import HttpClient
from gateway.speech.openai.options import ListenOptions, SpeakOptions
from gateway.speech.openai.recognizer import RealtimeRecognizer, UploadRecognizer
from gateway.speech.openai.settings import OpenAiSpeechSection
from gateway.speech.openai.synthesizer import OpenAiSynthesizer


class OpenAiSpeech:
    """See `gateway.plugins`."""

    Section = OpenAiSpeechSection
    examples: ClassVar = {"upload": {}, "realtime": {"mode": "realtime"}}
    ListenOptions = ListenOptions
    SpeakOptions = SpeakOptions

    def __init__(self, name: str, settings: OpenAiSpeechSection, http: HttpClient) -> None:
        self.synthesizer = OpenAiSynthesizer(name, settings, http)
        self.recognizer: UploadRecognizer | RealtimeRecognizer = (
            RealtimeRecognizer(name, settings)
            if settings.mode == "realtime"
            else UploadRecognizer(name, settings, http)
        )

    async def start(self) -> None:
        """Connections are opened when they are needed."""

    async def close(self) -> None:
        await self.recognizer.close()
