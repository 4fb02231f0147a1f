"""What `talkpath check` finds in how numbers use their speech vendors: what a vendor does not know or cannot do.

All of it is warnings: a call goes on without an option, in another language, or with another voice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.call import (
    FallbackRecognizerSection,
    FallbackVoiceSection,
    NumberSettings,
    RecognizerSection,
    SynthesizerSection,
)
from config.references import Finding
from config.settings import Settings
from config.speech import engine_of
from gateway.kit.options import VendorOptions, understood
from gateway.plugins import Plugins, SpeechVendor
from gateway.speech_interfaces import RecognizerCapabilities

Path = tuple[str | int, ...]
Doubts = Iterator[tuple[Path, str]]


class SpeechCheck:
    """The configured vendors, made but not started, and what to say of a number that uses them."""

    def __init__(self, settings: Settings, plugins: Plugins) -> None:
        classes = {name: plugins.speech[engine_of(name, section)] for name, section in settings.speech.items()}
        self._classes: Mapping[str, Any] = classes
        self.made: dict[str, SpeechVendor] = {
            name: classes[name](name, section, None) for name, section in settings.speech.items()
        }

    def of_number(self, number: NumberSettings) -> Iterator[Finding]:
        """Its warnings. A vendor that is not configured is said elsewhere."""
        for path, text in (*self._ears(number), *self._voices(number)):
            yield Finding("warning", ("numbers", number.number, *path), text)

    # --- who listens -----------------------------------------------------------------------------------------------
    def _ears(self, number: NumberSettings) -> Doubts:
        main = number.recognizer
        language = main.language or number.language
        yield from self._ear(("recognizer",), main, language)
        if (capabilities := self._hears(main.vendor)) is not None:
            yield from ((("recognizer", *path), text) for path, text in _of_question(main, capabilities))
        for place, ear in enumerate(main.fallback):
            yield from self._ear(("recognizer", "fallback", place), ear, ear.language or language)

    def _ear(self, path: Path, ear: RecognizerSection | FallbackRecognizerSection, language: str) -> Doubts:
        if ear.vendor not in self.made:
            return
        capabilities = self._hears(ear.vendor)
        if capabilities is None:
            yield (*path, "vendor"), f"is {ear.vendor!r}, which only speaks: somebody else will listen"
            return
        yield from self._options((*path, "options"), ear.vendor, "ListenOptions", ear.options)
        if not has_language(capabilities.languages, language):
            yield (*path, "language"), _not_among(ear.vendor, language, capabilities.languages)

    def _hears(self, vendor: str) -> RecognizerCapabilities | None:
        recognizer = self.made[vendor].recognizer if vendor in self.made else None
        return None if recognizer is None else recognizer.capabilities

    # --- who speaks ------------------------------------------------------------------------------------------------
    def _voices(self, number: NumberSettings) -> Doubts:
        main = number.synthesizer
        language = main.language or number.language
        yield from self._voice(("synthesizer",), main, language)
        for place, voice in enumerate(main.fallback):
            yield from self._voice(("synthesizer", "fallback", place), voice, voice.language or language)

    def _voice(self, path: Path, voice: SynthesizerSection | FallbackVoiceSection, language: str) -> Doubts:
        if voice.vendor not in self.made:
            return
        synthesizer = self.made[voice.vendor].synthesizer
        if synthesizer is None:
            yield (*path, "vendor"), f"is {voice.vendor!r}, which only listens: somebody else will speak"
            return
        yield from self._options((*path, "options"), voice.vendor, "SpeakOptions", voice.options)
        if not has_language(synthesizer.capabilities.languages, language):
            yield (*path, "language"), _not_among(voice.vendor, language, synthesizer.capabilities.languages)

    # --- options ---------------------------------------------------------------------------------------------------
    def _options(self, path: Path, vendor: str, side: str, options: Mapping[str, Any]) -> Doubts:
        """Each at its own place, and what they contradict each other in at that of all."""
        model: type[VendorOptions] | None = getattr(self._classes[vendor], side, None)
        if model is None:
            return
        alone: set[str] = set()
        for name, value in options.items():
            problems = understood(model, {name: value})[1]
            alone.update(problems)
            yield from (((*path, name), f"{vendor}: {problem}") for problem in problems)
        together = understood(model, options)[1]
        yield from ((path, f"{vendor}: {problem}") for problem in together if problem not in alone)


def _of_question(ear: RecognizerSection, can: RecognizerCapabilities) -> Doubts:
    """What the settings of a number ask of a recognizer that it has not."""
    vendor = ear.vendor
    if ear.endpointing == "vendor" and can.own_endpointing == "none":
        yield ("endpointing",), f"is vendor, and {vendor!r} does not tell when a turn is over: silence decides"
    if ear.interim and not can.partials:
        yield ("interim",), f"has no effect: {vendor!r} tells what it heard only at the end of a turn"
    if not can.takes_hints and not can.needs_hints:
        for key in ("hints", "hints_boost"):
            if getattr(ear, key):
                yield (key,), f"has no effect: {vendor!r} takes no hints"
    for place, language in enumerate(ear.alt_languages):
        if not has_language(can.languages, language):
            yield ("alt_languages", place), _not_among(vendor, language, can.languages)


def has_language(known: tuple[str, ...], language: str) -> bool:
    """Whether a vendor's list has a language: by its tag, by the base of either, or because the list is empty."""
    wanted = _folded(language)
    tags = {_folded(tag) for tag in known}
    return (
        not tags or wanted in tags or wanted.partition("-")[0] in tags or any(t.startswith(f"{wanted}-") for t in tags)
    )


def _folded(tag: str) -> str:
    return tag.strip().lower().replace("_", "-")


def _not_among(vendor: str, language: str, known: tuple[str, ...]) -> str:
    base = _folded(language).partition("-")[0]
    near = [tag for tag in known if _folded(tag).partition("-")[0] == base]
    instead = f": it has {', '.join(near[:8])}" if near else ""
    return f"is {language}, which {vendor!r} does not list{instead}"
