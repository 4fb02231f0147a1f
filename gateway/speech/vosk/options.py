"""Options of a Vosk server, by the names that its ``config`` message has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from gateway.kit.options import VendorOptions


class ListenOptions(VendorOptions):
    """Of the server's recognizer."""

    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {"phrase_list": ("grammar", "phrases")}

    phrase_list: tuple[str, ...] | None = Field(default=None, max_length=2000)
    """Nothing but these can be heard; goes before what the question allows."""
    max_alternatives: int | None = Field(default=None, ge=0, le=10)
    """Other readings of a final; goes before the number's `alternatives`."""
