"""Deepgram's own options, by the names of its API; those of jambonz's `deepgramOptions` are understood as well.

Sources: developers.deepgram.com, the references of `listen` and `speak`, and deepgram-sdk 7.17, read 2026-11; jambonz,
verb-specifications, read 2026-11. Its `deepgramSttUri` and `apiKey` are not taken: where our key is sent is the
operator's to say, never a bot's.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from config.base import one_or_many
from gateway.kit.options import VendorOptions

Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class ListenOptions(VendorOptions):
    """Of recognition. What is marked Nova means nothing to Flux models, and the other way round."""

    model: str | None = None
    """Goes before the number's model."""
    version: str | None = None
    """Nova: version of the model."""
    endpointing: Annotated[int, Field(ge=10, le=5000)] | bool | None = None
    """Nova: milliseconds of silence after which a segment is final; false: none is by silence."""
    utterance_end_ms: int | None = Field(default=None, ge=1000, le=5000)
    """Nova: milliseconds without a word after which the utterance is over."""
    vad_events: bool | None = None
    """Nova: report the start of speech."""
    smart_format: bool | None = None
    """Nova: write dates, amounts, addresses as one writes them."""
    no_delay: bool | None = None
    """Nova: do not wait for the rest of a number in order to format it."""
    dictation: bool | None = None
    """Nova: spoken marks become marks."""
    numerals: bool | None = None
    """Numbers in digits."""
    filler_words: bool | None = None
    """Nova: keep “uh” and “um”."""
    profanity_filter: bool | None = None
    """Goes before the number's setting."""
    punctuate: bool | None = None
    """Nova: goes before the number's setting."""
    redact: Texts = ()
    """What is blacked out: `pci`, `ssn`, `numbers` ..."""
    replace: Texts = ()
    """Nova: terms to replace, as `from:to`."""
    search: Texts = ()
    """Nova: terms to look for."""
    keyterm: Texts = ()
    """Terms that are likely, beside the hints."""
    keywords: Texts = ()
    """Nova before 3: words that are likely, as `word:boost`."""
    language_hint: Texts = ()
    """Languages that are likely, for multilingual models."""
    eot_threshold: float | None = Field(default=None, ge=0.5, le=1.0)
    """Flux: how sure the model must be that the turn is over."""
    eager_eot_threshold: float | None = Field(default=None, ge=0.3, le=0.9)
    """Flux: how sure it must be to guess so."""
    eot_timeout_ms: int | None = Field(default=None, ge=500, le=60_000)
    """Flux: milliseconds of silence after which a turn is over in any case."""
    tag: Texts = ()
    """Labels for the usage report."""
    mip_opt_out: bool | None = None
    """Keep the audio out of Deepgram's model improvement programme; it changes the price."""

    ALIASES: ClassVar = {
        "model": ("customModel",),
        "smart_format": ("smartFormatting",),
        "keyterm": ("keyterms",),
        "language_hint": ("languageHints",),
    }


class SpeakOptions(VendorOptions):
    """Of synthesis."""

    model: str | None = None
    """Goes before the number's voice: with Deepgram, a voice is a model."""
    speed: float | None = Field(default=None, ge=0.7, le=1.5)
    """Goes before the number's rate."""
    tag: Texts = ()
    """Labels for the usage report."""
    mip_opt_out: bool | None = None
    """Keep the text out of Deepgram's model improvement programme; it changes the price."""

    ALIASES: ClassVar = {"model": ("voice",), "speed": ("rate",)}
