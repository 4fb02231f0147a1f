"""The gateway's own sentences, in the caller's language, with the operator's wording over ours."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigError
from gateway.text.language import base, bcp47
from gateway.text.lexicon import Sentences, lexicon

WordOverrides = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Sentences by name, by language tag (``fr`` or ``fr-CA``)."""

_FIELD = re.compile(r"\{(\w+)\}")
_NAMES = tuple(Sentences.model_fields)


class Catalogue:
    """The sentences of one language, as one call says them. Immutable.

    Args:
        language: BCP 47 tag; a language without words of its own speaks English.
        sentences: Variants by name; complete.
    """

    def __init__(self, language: str, sentences: Mapping[str, tuple[str, ...]]) -> None:
        self.language = language
        self._sentences = dict(sentences)

    @classmethod
    def for_language(cls, tag: str, overrides: WordOverrides | None = None) -> Catalogue:
        """The words for a tag: those of the exact tag, else of its base language, else English.

        Args:
            tag: BCP 47, any case.
            overrides: What `load_overrides` read; the exact tag beats the base language.
        """
        known = _built_in(tag)
        for level in (base(tag), bcp47(tag, {})) if overrides else ():
            known = {**known, **(overrides or {}).get(level, {})}
        return cls(tag, known)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Every sentence that can be said, and overridden."""
        return _NAMES

    @staticmethod
    def describe(name: str) -> str:
        """When a sentence is said, in one line."""
        return (Sentences.model_fields[name].description or "").strip()

    @staticmethod
    def load_overrides(path: Path | str) -> WordOverrides:
        """Read an operator's wording: a YAML mapping from language to name to sentence, or list of variants.

        Raises:
            ConfigError: The file cannot be read, or names a sentence or a `{field}` that does not exist.
        """
        try:
            loaded = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"cannot be read: {error}", file=path) from error
        if not isinstance(loaded, dict):
            raise ConfigError("expected a mapping from language to sentences", file=path)
        return {_language(tag, path): _checked(sentences, str(tag), path) for tag, sentences in loaded.items()}

    @staticmethod
    def check(overrides: Mapping[str, Any], *, file: Path | str | None = None, field: str | None = None) -> None:
        """Refuse names and `{fields}` that no sentence has. Raises ConfigError."""
        _checked(overrides, field or "", file)

    def with_words(self, overrides: Mapping[str, str]) -> Catalogue:
        """The same words with one number's own sentences over them; unknown names raise ConfigError."""
        return Catalogue(self.language, {**self._sentences, **_checked(overrides, "words", None)})

    def variants(self, name: str) -> tuple[str, ...]:
        """All the ways a sentence is said. Raises KeyError for a name that does not exist."""
        return self._sentences[name]

    def say(
        self, name: str, /, overrides: Mapping[str, str] | None = None, *, variant: int = 0, **values: object
    ) -> str:
        """One sentence.

        Args:
            name: One of `names`.
            overrides: A number's own sentences; one that is there but empty silences ours.
            variant: Which variant; counts on past the last one to the first.
            values: What stands for the `{fields}` of the sentence.

        Raises:
            KeyError: There is no such sentence.
        """
        known = self.variants(name)
        chosen = (overrides or {}).get(name)
        text = known[variant % len(known)] if chosen is None else chosen
        return _FIELD.sub(lambda match: str(values.get(match[1], match[0])), text)


@lru_cache(maxsize=64)
def _built_in(tag: str) -> dict[str, tuple[str, ...]]:
    sentences = lexicon(tag).sentences
    return {name: getattr(sentences, name) for name in _NAMES}


def _language(tag: object, path: Path | str) -> str:
    known = bcp47(str(tag), {})
    if not known:
        raise ConfigError(f"{tag!r} is no language tag", file=path)
    return known


def _checked(sentences: object, field: str, file: Path | str | None) -> dict[str, tuple[str, ...]]:
    if not isinstance(sentences, Mapping):
        raise ConfigError("expected a mapping from name to sentence", file=file, field=field)
    return {str(name): _sentence(str(name), value, field, file) for name, value in sentences.items()}


def _sentence(name: str, value: object, field: str, file: Path | str | None) -> tuple[str, ...]:
    place = f"{field}.{name}" if field else name
    if name not in _NAMES:
        near = difflib.get_close_matches(name, _NAMES, n=1)
        raise ConfigError(f"no such sentence{f'; did you mean {near[0]}?' if near else ''}", file=file, field=place)
    variants = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    if not variants or not all(isinstance(variant, str) for variant in variants):
        raise ConfigError("expected a sentence, or a list of them", file=file, field=place)
    allowed = set(_FIELD.findall(_built_in("en")[name][0]))
    if unknown := {used for variant in variants for used in _FIELD.findall(variant)} - allowed:
        raise ConfigError(f"has no field {{{sorted(unknown)[0]}}}", file=file, field=place)
    return variants
