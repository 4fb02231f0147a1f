"""Speech plug-ins that differ in what they can do, for what looks at plug-ins without asking them anything."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import SecretStr

from audio.format import L16_16K, PCMU_8K
from config.speech import SpeechSection
from gateway.kit.options import VendorOptions
from gateway.plugins import Plugins
from gateway.speech.scripted.client import ScriptedRecognizer, ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech_interfaces import RecognizerCapabilities, SynthesizerCapabilities


class CloudSection(SpeechSection):
    """A vendor in the cloud."""

    api_key: SecretStr


class ListenOptions(VendorOptions):
    smart_format: bool | None = None
    tag: str | None = None
    ALIASES: ClassVar = {"tag": ("label",)}


class SpeakOptions(VendorOptions):
    speed: float | None = None


class _Plugin:
    Section: ClassVar[type[SpeechSection]] = SpeechSection
    recognizer: Any = None
    synthesizer: Any = None

    def __init__(self, name: str, settings: Any, http: Any = None) -> None:
        self.name = name

    async def start(self) -> None: ...
    async def close(self) -> None: ...


class Cloud(_Plugin):
    """Can do everything, in French and in Swiss German."""

    Section = CloudSection
    ListenOptions = ListenOptions
    SpeakOptions = SpeakOptions
    tried = "live"

    def __init__(self, name: str, settings: Any, http: Any = None) -> None:
        super().__init__(name, settings)
        self.recognizer = ScriptedRecognizer(ScriptedSpeechSection(), vendor=name)
        self.recognizer.capabilities = RecognizerCapabilities(
            own_endpointing="turn", takes_hints=True, formats=(PCMU_8K, L16_16K), languages=("fr", "de-CH")
        )
        self.synthesizer = ScriptedSynthesizer(ScriptedSpeechSection(), vendor=name)
        self.synthesizer.capabilities = SynthesizerCapabilities(
            ssml=True, formats=(PCMU_8K,), languages=("fr-FR", "fr-CA", "de-CH")
        )


class Ear(_Plugin):
    """Only listens, and says what it heard at the end."""

    def __init__(self, name: str, settings: Any, http: Any = None) -> None:
        super().__init__(name, settings)
        self.recognizer = ScriptedRecognizer(ScriptedSpeechSection(), vendor=name)
        self.recognizer.capabilities = RecognizerCapabilities(partials=False, formats=(L16_16K,))


class Voice(_Plugin):
    """Only speaks, when all of it is made."""

    def __init__(self, name: str, settings: Any, http: Any = None) -> None:
        super().__init__(name, settings)
        self.synthesizer = ScriptedSynthesizer(ScriptedSpeechSection(), vendor=name)
        self.synthesizer.capabilities = SynthesizerCapabilities(streams=False, formats=(L16_16K,))


def plugins(**more: Any) -> Plugins:
    """An environment with these, and no line or bot."""
    return Plugins(transports={}, backends={}, speech={"cloud": Cloud, "ear": Ear, "voice": Voice, **more})
