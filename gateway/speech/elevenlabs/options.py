"""ElevenLabs' own options, by the names of its API; those of jambonz's `elevenlabsOptions` are understood as well.

Sources: the source of elevenlabs 2.78 (text_to_speech, realtime), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from config.base import one_or_many
from gateway.kit.options import VendorOptions

Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Share = Annotated[float, Field(ge=0, le=1)]


class VoiceSettings(BaseModel):
    """How a voice speaks; what is unset is as the voice has it. Unknown members are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, populate_by_name=True)

    stability: Share | None = None
    similarity_boost: Share | None = None
    style: Share | None = None
    use_speaker_boost: bool | None = None
    speed: float | None = Field(default=None, ge=0.7, le=1.2)


class SpeakOptions(VendorOptions):
    """Of synthesis."""

    model_id: str | None = None
    """Goes before the number's model."""
    voice_settings: VoiceSettings | None = None
    """`stability`, `similarity_boost`, `style`, `use_speaker_boost`, `speed`."""
    stability: Share | None = None
    """As in `voice_settings`."""
    similarity_boost: Share | None = None
    """As in `voice_settings`."""
    style: Share | None = None
    """As in `voice_settings`."""
    use_speaker_boost: bool | None = None
    """As in `voice_settings`."""
    speed: float | None = Field(default=None, ge=0.7, le=1.2)
    """Goes before the number's rate."""
    optimize_streaming_latency: int | None = Field(default=None, ge=0, le=4)
    """How much quality is given for an earlier start."""
    apply_text_normalization: str | None = None
    """`auto`, `on` or `off`: whether numbers and the like are written out."""
    seed: int | None = Field(default=None, ge=0, le=4294967295)
    """The same seed makes much the same speech."""
    enable_logging: bool | None = None
    """False: nothing is kept, where the contract allows it."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {"model_id": ("model",)}

    def settings(self, rate: float | None) -> dict[str, Any]:
        """The voice settings to send: an option's own name goes before the object, the object before the rate."""
        chosen = self.voice_settings or VoiceSettings()
        pace = None if rate is None or rate == 1.0 else min(max(rate, 0.7), 1.2)
        found = {
            name: next((value for value in (getattr(self, name), getattr(chosen, name)) if value is not None), None)
            for name in VoiceSettings.model_fields
        }
        found["speed"] = pace if found["speed"] is None else found["speed"]
        return {name: value for name, value in found.items() if value is not None}


class ListenOptions(VendorOptions):
    """Of recognition."""

    model_id: str | None = None
    """Goes before the number's model."""
    vad_silence_threshold_secs: float | None = Field(default=None, ge=0.3, le=3.0)
    """Seconds of silence after which the vendor ends an utterance, where it decides."""
    vad_threshold: float | None = Field(default=None, ge=0.1, le=0.9)
    """How clear speech must be."""
    min_speech_duration_ms: int | None = Field(default=None, ge=50, le=2000)
    """Shorter sounds are no speech."""
    min_silence_duration_ms: int | None = Field(default=None, ge=50, le=2000)
    """Shorter pauses are none."""
    keyterms: Texts = ()
    """Terms that are likely, beside the hints: 50 of at most 20 characters."""
    no_verbatim: bool | None = None
    """Leave out filler words and false starts."""
    filter_background_audio: bool | None = None
    """Take no notice of talk and noise nearby."""
    enable_logging: bool | None = None
    """False: nothing is kept, where the contract allows it."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {"model_id": ("model",), "keyterms": ("keyterm",)}
