"""Azure's own options, by the names its API and jambonz have for them (docs.jambonz.org, read November 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from gateway.kit.options import VendorOptions


def _capital(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


class AzureListenOptions(VendorOptions):
    """What a recognizer's ``options`` may say."""

    endpoint_id: str | None = None
    """A custom model."""
    segmentation_silence_timeout_ms: int | None = Field(default=None, ge=100, le=5000)
    """Pause that ends an utterance. With `endpointing: vendor` it is the question's end silence unless set here."""
    segmentation_maximum_time_ms: int | None = Field(default=None, ge=20_000, le=70_000)
    """Longest utterance."""
    segmentation_strategy: Annotated[Literal["Default", "Time", "Semantic"], BeforeValidator(_capital)] | None = None
    """What ends an utterance: a pause, or what is said."""
    initial_silence_timeout_ms: int | None = Field(default=None, gt=0, le=60_000)
    """Silence after which Azure tells that nobody speaks; nothing follows from it here."""
    language_id_mode: Annotated[Literal["Continuous", "Atstart"], BeforeValidator(_capital)] | None = None
    """Whether the language may change in the middle, where there are `alt_languages`."""
    profanity: Annotated[Literal["Masked", "Removed", "Raw"], BeforeValidator(_capital)] | None = None
    """What becomes of strong words; goes before `profanity_filter`."""
    post_processing: str | None = Field(default=None, max_length=40)
    """Such as `TrueText`."""
    stable_partial_threshold: int | None = Field(default=None, ge=0, le=10)
    """How often a word must come again before a partial has it."""
    audio_logging: bool = False
    """Microsoft keeps audio and text."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "endpoint_id": ("azure_stt_endpoint_id", "stt_endpoint_id"),
        "segmentation_silence_timeout_ms": (
            "speech_segmentation_silence_timeout_ms",
            "speech_segmentation_silence_timeout",
        ),
        "segmentation_maximum_time_ms": ("speech_segmentation_maximum_time_ms",),
        "segmentation_strategy": ("speech_segmentation_strategy",),
        "initial_silence_timeout_ms": ("initial_speech_timeout_ms",),
        "profanity": ("profanity_option",),
        "post_processing": ("post_processing_option",),
        "stable_partial_threshold": ("stable_partial_result_threshold",),
    }


class AzureSpeakOptions(VendorOptions):
    """What a synthesizer's ``options`` may say. Azure's own words beat the number's `rate`, `pitch`, `volume`."""

    style: str | None = Field(default=None, max_length=60)
    """Speaking style, where the voice has it: `cheerful`, `customerservice` ..."""
    styledegree: float | None = Field(default=None, ge=0.01, le=2)
    """How much of it."""
    role: str | None = Field(default=None, max_length=60)
    """Whom the voice plays: `Girl`, `OlderAdultMale` ..."""
    rate: str | None = Field(default=None, max_length=20)
    """`+20%`, `1.2`, `fast`."""
    pitch: str | None = Field(default=None, max_length=20)
    """`+2st`, `-10%`, `high`; a bare number is in semitones."""
    volume: str | None = Field(default=None, max_length=20)
    """`80`, `-20%`, `loud`."""
    effect: Literal["eq_telecomhp8k", "eq_car"] | None = None
    """A filter over the voice; the first is meant for telephones."""
    deployment_id: str | None = None
    """A custom voice."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "styledegree": ("style_degree", "degree"),
        "rate": ("speed",),
        "deployment_id": ("endpoint_id",),
    }
