"""OpenAI's own options, by the names of its API (reference of November 2026) and of jambonz' ``openaiOptions``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from gateway.kit.options import VendorOptions


def _type(value: Any) -> Any:
    """``{"type": "near_field"}`` is written for ``near_field`` as well."""
    return value.get("type") if isinstance(value, Mapping) else value


def _detection(value: Any) -> Any:
    """``server_vad`` is written for ``{"type": "server_vad"}`` as well."""
    return {"type": value} if isinstance(value, str) else value


class SpeakOptions(VendorOptions):
    """Of ``POST /audio/speech``."""

    model: str | None = None
    """Where the number's `synthesizer.model` names none."""
    instructions: str | None = Field(default=None, max_length=4096)
    """How it is to be said; not for `tts-1`."""
    speed: float | None = Field(default=None, ge=0.25, le=4)
    """Goes before the neutral `rate`."""


class ListenOptions(VendorOptions):
    """Of ``POST /audio/transcriptions`` and of a realtime transcription session."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {"noise_reduction": ("input_audio_noise_reduction",)}

    model: str | None = None
    """Where the number's `recognizer.model` names none."""
    language: str | None = None
    """Instead of the call's language."""
    prompt: str | None = Field(default=None, max_length=4096)
    """Guides style and vocabulary; instead of one made from the hints."""
    temperature: float | None = Field(default=None, ge=0, le=1)
    """Of an upload."""
    noise_reduction: Annotated[Literal["near_field", "far_field"] | None, BeforeValidator(_type)] = None
    """In a realtime session, before the model hears it."""
    turn_detection: Annotated[dict[str, Any] | None, BeforeValidator(_detection)] = None
    """`server_vad`, `semantic_vad`, or an object with its details: the session also cuts the turn into utterances."""
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """How long `gpt-realtime-whisper` waits for its words."""
