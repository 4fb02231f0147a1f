"""The local engines as a plug-in: one settings entry, a recognizer and a synthesizer, both in worker processes."""

from __future__ import annotations

from typing import Any

from gateway.speech.local.options import LocalListenOptions, LocalSpeakOptions
from gateway.speech.local.recognizer import LocalRecognizer
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.synthesizer import LocalSynthesizer


class LocalSpeech:
    """See `gateway.plugins`. ``http`` is what every plug-in is given; nothing here needs it."""

    Section = LocalSpeechSection
    ListenOptions = LocalListenOptions
    SpeakOptions = LocalSpeakOptions
    tried = "live"

    def __init__(self, name: str, settings: LocalSpeechSection, http: Any = None) -> None:
        self.synthesizer = LocalSynthesizer(settings)
        self.recognizer = LocalRecognizer(settings)

    async def start(self) -> None:
        """Start the worker processes. Raises VendorUnavailable when none starts."""
        await self.synthesizer.start()
        await self.recognizer.start()

    async def close(self) -> None:
        await self.recognizer.close()
        await self.synthesizer.close()
