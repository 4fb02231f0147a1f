"""The table of speech vendors in `docs/speech.md`, made from what their adapters declare; nobody is asked anything.

A plug-in's class says how it was tried: ``tried = "live"``, ``"emulator"`` (which counts where it says nothing), or
None for what is no vendor and stands in no table. What an adapter can do may depend on its settings; ``examples`` has
those to look at, by the name of the row, without anybody's secrets. Without it, an entry is looked at that has nothing
but made-up values for what it must have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from audio.format import AudioFormat, Encoding
from config.errors import ConfigError
from gateway.plugins import SpeechVendor
from gateway.speech_interfaces import RecognizerCapabilities, SynthesizerCapabilities

BEGIN, END = "<!-- vendors: made by make docs -->", "<!-- end of vendors -->"
TELEPHONE = 8000
CODES = {Encoding.PCMU: "mu-law", Encoding.PCMA: "A-law", Encoding.L16: "16-bit"}
ENDS = {"none": "no", "utterance": "of utterances", "turn": "of turns"}
HEAD = (
    "vendor",
    "listens",
    "speaks",
    "tried",
    "native 8 kHz",
    "streaming",
    "SSML",
    "hints",
    "own end of turn",
    "languages",
)
MADE_UP = "placeholder"
MOST_LANGUAGES = 12


def with_table(text: str, plugins: Mapping[str, Any], pages: Path) -> str:
    """A page with the table between its marks.

    Args:
        plugins: Classes by name.
        pages: Where a vendor's own page is, as ``NAME.md``, if it has one.

    Raises:
        ConfigError: The page has no marks, or a plug-in cannot be looked at.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigError(f"the page has no {BEGIN} with {END} behind it")
    return f"{before}{BEGIN}\n{table(plugins, pages)}{END}{after}"


def table(plugins: Mapping[str, Any], pages: Path) -> str:
    """The table alone, in Markdown."""
    rows = [row for name in sorted(plugins) for row in _rows(name, plugins[name], pages)]
    lines = (f"| {' | '.join(cells)} |\n" for cells in (HEAD, ["---"] * len(HEAD), *rows))
    return "".join(lines)


def _rows(name: str, plugin: Any, pages: Path) -> Iterator[list[str]]:
    tried = getattr(plugin, "tried", "emulator")
    if tried is None:
        return
    link = f"[{name}]({pages.name}/{name}.md)" if (pages / f"{name}.md").exists() else name
    for label, settings in getattr(plugin, "examples", {"": {}}).items():
        vendor = _made(name, plugin, settings)
        yield [link + (f" ({label})" if label else ""), *_cells(vendor, tried)]


def _made(name: str, plugin: Any, settings: Mapping[str, Any]) -> SpeechVendor:
    """The adapter, not started. Raises ConfigError."""
    section: type[BaseModel] = plugin.Section
    needed = {key: MADE_UP for key, field in section.model_fields.items() if field.is_required()}
    try:
        vendor: SpeechVendor = plugin(name, section(**{**needed, **settings}), None)
    except ValidationError as error:
        reason = f"the class of {name!r} needs `examples`, settings to look at it with: {error.errors()[0]['msg']}"
        raise ConfigError(reason) from error
    return vendor


def _cells(vendor: SpeechVendor, tried: str) -> list[str]:
    ear: RecognizerCapabilities | None = vendor.recognizer.capabilities if vendor.recognizer is not None else None
    voice: SynthesizerCapabilities | None = vendor.synthesizer.capabilities if vendor.synthesizer is not None else None
    hears = ["", "", ""] if ear is None else [_narrow(ear.formats), _yes(ear.partials), _languages(ear.languages)]
    speaks = (
        ["", "", ""] if voice is None else [_narrow(voice.formats), _yes(voice.streams), _languages(voice.languages)]
    )
    narrow, streaming, languages = map(_both, hears, speaks)
    return [
        _yes(ear is not None),
        _yes(voice is not None),
        tried,
        narrow,
        streaming,
        "" if voice is None else _yes(voice.ssml),
        "" if ear is None else "needs them" if ear.needs_hints else _yes(ear.takes_hints),
        "" if ear is None else ENDS[ear.own_endpointing],
        languages,
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _both(hears: str, speaks: str) -> str:
    """What is said of two sides; once, where it is the same or only one is there."""
    if not hears or not speaks or hears == speaks:
        return hears or speaks
    return f"hears: {hears}; speaks: {speaks}"


def _narrow(formats: tuple[AudioFormat, ...]) -> str:
    """The telephone's own encodings among the formats."""
    if not formats:
        return "any"
    found = [CODES[format.encoding] for format in formats if format.rate == TELEPHONE]
    return ", ".join(found) or f"no ({min(format.rate for format in formats) / 1000:g} kHz)"


def _languages(languages: tuple[str, ...]) -> str:
    if not languages:
        return "all it has"
    more = f" and {len(languages) - MOST_LANGUAGES} more" if len(languages) > MOST_LANGUAGES else ""
    return " ".join(languages[:MOST_LANGUAGES]) + more
