"""What is said beside the modules' own words, and what callers say to steer one: `words.yaml`, by language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from gateway.text.catalogue import Catalogue
from gateway.text.fold import words as folded
from gateway.text.language import base

Steer = Literal["repeat", "operator", "back", "this_number"]


@cache
def _built_in() -> Mapping[str, Mapping[str, Any]]:
    text = files("gateway.backends.talklift").joinpath("words.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = yaml.load(text, Loader=yaml.BaseLoader)
    return loaded


class Words:
    """The words of one call's language; a language that is not there speaks English."""

    def __init__(self, language: str, own: Mapping[str, str]) -> None:
        known = _built_in()
        self.language = language
        self._own = {**known["en"], **known.get(base(language), {}), **own}
        self._catalogue = Catalogue.for_language(language)

    def say(self, sentence: str, **values: str) -> str:
        """One sentence: ours, else the gateway's. Raises KeyError."""
        found = self._own.get(sentence)
        return found if isinstance(found, str) else self._catalogue.say(sentence, None, variant=0, **values)

    def means(self, steer: Steer, said: str, *more: str) -> bool:
        """Whether the whole answer is one of the phrases."""
        answer = folded(said)
        return bool(answer) and any(folded(phrase) == answer for phrase in (*self._own[steer], *more))
