"""Scripted speech as a plug-in, under whatever name the configuration gives it."""

from __future__ import annotations

from typing import Any

from gateway.speech.scripted.client import ScriptedRecognizer, ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection


class ScriptedSpeech:
    """See `gateway.plugins`. ``http`` is what every plug-in is given; nothing here needs it."""

    Section = ScriptedSpeechSection
    tried = None

    def __init__(self, name: str, settings: ScriptedSpeechSection, http: Any = None) -> None:
        self.synthesizer = ScriptedSynthesizer(settings, vendor=name)
        self.recognizer = ScriptedRecognizer(settings, vendor=name)

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to close."""
