"""Wyoming servers as a plug-in."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.speech.wyoming.client import WyomingRecognizer, WyomingSynthesizer
from gateway.speech.wyoming.options import ListenOptions, SpeakOptions
from gateway.speech.wyoming.settings import WyomingSpeechSection


class WyomingSpeech:
    """See `gateway.plugins`. ``http`` is what every plug-in is given; nothing here needs it."""

    Section = WyomingSpeechSection
    examples: ClassVar = {"": {"url": "tcp://127.0.0.1:10300"}}
    ListenOptions = ListenOptions
    SpeakOptions = SpeakOptions

    def __init__(self, name: str, settings: WyomingSpeechSection, http: Any = None) -> None:
        speaks, hears = settings.speak_url or settings.url, settings.listen_url or settings.url
        self.synthesizer = WyomingSynthesizer(name, settings, speaks) if speaks else None
        self.recognizer = WyomingRecognizer(name, settings, hears) if hears else None

    async def start(self) -> None:
        """Connections are opened when they are needed."""

    async def close(self) -> None:
        if self.recognizer is not None:
            await self.recognizer.close()
