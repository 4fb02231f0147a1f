"""Which voices this machine's espeak-ng has, read from its data: the library itself stays in the workers.

A voice file is lines of a word and its value: ``name``, and one ``language`` for each tag it speaks, with a priority
after it (espeak-ng 1.52, docs/voices.md). Those in ``voices/!v`` are variants, which any language can be spoken in.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from gateway.speech.local.voices import is_language
from gateway.speech_interfaces import VoiceInfo

MAX_BYTES = 100_000
"""Of a voice file; real ones have a tenth of that."""


def installed_voices() -> list[VoiceInfo]:
    """Every language's voice, and then the variants. Reads the disk; raises OSError."""
    loader = find_spec("espeakng_loader")  # found, not imported: only workers do that
    if loader is None or loader.origin is None:
        raise FileNotFoundError(2, "espeakng-loader is not installed")
    data = Path(loader.origin).parent / "espeak-ng-data"
    languages = sorted(_languages(data / "lang"), key=lambda voice: voice.name)
    return [*languages, *sorted(_variants(data / "voices" / "!v"), key=lambda voice: voice.name)]


def _languages(folder: Path) -> Iterator[VoiceInfo]:
    """Those that a tag asks for: not Klingon, nor a dialect with a private tag."""
    for path in folder.rglob("*"):
        if path.is_file() and is_language(path.name) and (about := _read(path)):
            tags = tuple(dict.fromkeys(_tag(value) for word, value in about if word == "language"))
            if tags:
                yield VoiceInfo(name=path.name, languages=tags, about=_value(about, "name"))


def _variants(folder: Path) -> Iterator[VoiceInfo]:
    """Those without a blank in their name, which `synthesizer.voice` could not say."""
    for path in folder.glob("*"):
        if path.is_file() and " " not in path.name:
            sex = _value(_read(path), "gender").lower()
            yield VoiceInfo(name=path.name, about=f"variant of any language's voice{f', {sex}' if sex else ''}")


def _read(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        pairs = (line.strip().partition(" ") for line in file.read(MAX_BYTES).splitlines())
    return [(word, value.strip()) for word, _, value in pairs if value.strip()]


def _value(about: list[tuple[str, str]], word: str) -> str:
    return next((value.split("//")[0].strip() for found, value in about if found == word), "")


def _tag(value: str) -> str:
    """``en-us 2`` is American English, of second priority."""
    return value.split()[0]
