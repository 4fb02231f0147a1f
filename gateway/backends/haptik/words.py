"""What the gateway says around a hand-over and at the end: `words.yaml`, by language, with the bot's own over it.

The sentences every backend needs (a transfer, one that failed, an agent who joins) are the gateway's own catalogue's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

from gateway.text.catalogue import Catalogue
from gateway.text.language import base

_CATALOGUE = {"transfer": "transfer", "agent_joined": "agent_joined", "sorry": "transfer_failed"}
OWN = (
    "hold",
    "no_agent",
    "offer_callback",
    "callback_noted",
    "caller_asks",
    "survey_resolved",
    "survey_rating",
    "survey_thanks",
    "yes",
    "no",
)
NAMES = (*_CATALOGUE, *OWN)


@cache
def _built_in() -> Mapping[str, Mapping[str, str]]:
    text = files("gateway.backends.haptik").joinpath("words.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.load(text, Loader=yaml.BaseLoader)
    return loaded


class Words:
    """The sentences in one call's language; a language that is not there speaks English."""

    def __init__(self, language: str, own: Mapping[str, str]) -> None:
        known = _built_in()
        self._own = {**known["en"], **known.get(base(language), {}), **own}
        self._catalogue = Catalogue.for_language(language)

    def say(self, sentence: str, **values: str) -> str:
        """One sentence. Raises KeyError for a name that does not exist."""
        found = self._own.get(sentence)
        if found is None:
            found = self._catalogue.say(_CATALOGUE[sentence])
        for key, value in values.items():
            found = found.replace(f"{{{key}}}", value)
        return found
