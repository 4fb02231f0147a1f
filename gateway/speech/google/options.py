"""Google's own options, by the names its API and jambonz have for them (docs.jambonz.org, read November 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from config.base import one_or_many
from gateway.kit.options import VendorOptions

Gender = Literal["MALE", "FEMALE", "NEUTRAL"]
MAX_TIMEOUT_MS = 60_000


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class GoogleListenOptions(VendorOptions):
    """What a recognizer's ``options`` may say."""

    service_version: Literal["v1", "v2"] | None = None
    """Version of the API for this number."""
    recognizer_id: str | None = None
    """v2: a recognizer made beforehand, by its id or whole name; it brings its own model."""
    use_enhanced: bool | None = None
    """v1: the enhanced variant of a model, where there is one."""
    enable_voice_activity_events: bool = False
    """Take Google's notices of speech that starts and stops."""
    speech_start_timeout_ms: int | None = Field(default=None, gt=0, le=MAX_TIMEOUT_MS)
    """Google ends its stream when nobody has spoken for so long; the gateway opens another one."""
    speech_end_timeout_ms: int | None = Field(default=None, gt=0, le=MAX_TIMEOUT_MS)
    """Silence after speech that ends Google's stream; with `endpointing: vendor` that ends the caller's turn."""
    endpointing_sensitivity: Literal["STANDARD", "SHORT", "SUPERSHORT"] | None = None
    """v2: how soon Google takes a pause for an end."""
    enable_spoken_punctuation: bool | None = None
    """"Comma" becomes a comma."""
    enable_spoken_emojis: bool | None = None
    """Likewise for faces."""
    phrase_sets: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """Whole names of phrase sets made beforehand."""
    transcript_normalization: tuple[dict[str, str | bool], ...] = ()
    """Replacements in the transcript: `search`, `replace`, `case_sensitive`."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "service_version": ("version", "api"),
        "recognizer_id": ("recognizer",),
        "use_enhanced": ("enhanced_model", "enhanced"),
        "enable_voice_activity_events": ("voice_activity_events",),
        "phrase_sets": ("phrase_set_references", "phrase_set"),
    }


class GoogleSpeakOptions(VendorOptions):
    """What a synthesizer's ``options`` may say. Google's own figures beat the number's `rate`, `pitch`, `volume`."""

    speaking_rate: float | None = Field(default=None, ge=0.25, le=2.0)
    """Pace, as a factor of the voice's own."""
    pitch: float | None = Field(default=None, ge=-20, le=20)
    """Semitones above or below the voice's own."""
    volume_gain_db: float | None = Field(default=None, ge=-96, le=16)
    """Decibels above or below the voice's own."""
    ssml_gender: Annotated[Gender, BeforeValidator(_upper)] | None = None
    """Whose voice, where none is named."""
    effects_profile_id: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] | None = None
    """Audio profiles. Unset: `telephony-class-application`; empty: none."""
    model_name: str | None = None
    """A model beside the voice, such as `gemini-2.5-flash-tts`."""
    prompt: str | None = Field(default=None, max_length=4000)
    """Gemini: how it is to be said."""
    streaming: bool | None = None
    """Whether audio comes while it is made. Unset: with the voices that can, Chirp 3 HD and Gemini."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "speaking_rate": ("rate", "speed"),
        "volume_gain_db": ("volume", "gain"),
        "ssml_gender": ("gender",),
        "effects_profile_id": ("effects_profile", "effects_profiles", "effects_profile_ids"),
        "model_name": ("model",),
    }
