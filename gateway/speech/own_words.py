"""The gateway's own sentences that callers must hear even when nobody can speak any more, as requests to a voice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from config.call import NumberSettings
from gateway.speech_interfaces import Utterance
from gateway.text.catalogue import Catalogue
from gateway.text.language import base
from gateway.text.speakable import speakable

LAST_RESORT = ("apology", "fallback_hangup", "fallback_transfer", "no_input", "filler", "too_long", "transfer_failed")
Words = Mapping[str, Mapping[str, tuple[str, ...]]]


def sentences_of(numbers: Iterable[NumberSettings], words: Words) -> Iterator[Utterance]:
    """Each sentence once per language: the catalogue's, and what numbers say instead.

    Args:
        words: The operator's wording, by language.
    """
    seen: set[tuple[str, str]] = set()
    for number in numbers:
        language = number.synthesizer.language or number.language
        for text in _texts(number, language, words):
            spoken = speakable(text, "plain", language)
            key = (language, spoken.text)
            if spoken.text and key not in seen:
                seen.add(key)
                yield Utterance(text=spoken.text, plain=spoken.plain, ssml=spoken.ssml, language=language)


def _texts(number: NumberSettings, language: str, words: Words) -> Iterator[str]:
    catalogue = catalogue_of(number, language, words)
    for name in LAST_RESORT:
        yield from catalogue.variants(name)
    yield from (text for _, text in texts_of(number))


def catalogue_of(number: NumberSettings, language: str, words: Words) -> Catalogue:
    """The gateway's sentences as a number says them in a language. The number's own words are in its own language."""
    catalogue = Catalogue.for_language(language, words)
    is_own = number.words and base(language) == base(number.language)
    return catalogue.with_words(number.words) if is_own else catalogue


def texts_of(number: NumberSettings) -> Iterator[tuple[str, str]]:
    """What a number's settings have it say, each under the name of its setting."""
    for place, prompt in enumerate(number.no_input.prompts, 1):
        yield f"no_input.prompts.{place}", prompt
    said = {
        "no_input.goodbye": number.no_input.goodbye,
        "fallback.say": number.fallback.say,
        "recording.announce": number.recording.announce,
    }
    yield from ((name, text) for name, text in said.items() if text)
