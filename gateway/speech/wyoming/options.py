"""Options of Wyoming servers, by the names that the protocol has for them (wyoming 1.10)."""

from __future__ import annotations

from gateway.kit.options import VendorOptions


class SpeakOptions(VendorOptions):
    """Of ``synthesize``."""

    speaker: str | None = None
    """Which speaker, of a voice that has several."""


class ListenOptions(VendorOptions):
    """Of ``transcribe``."""

    name: str | None = None
    """The model, where the number's `recognizer.model` names none."""
    language: str | None = None
    """Instead of the call's base language, as the server writes it."""
