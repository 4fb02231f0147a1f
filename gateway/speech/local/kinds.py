"""The words that answer a question of a kind, as the local grammar takes them."""

from __future__ import annotations

from config.call import Kind

_LOOPED: tuple[Kind, ...] = ("digits", "phone", "number", "date")
"""Kinds whose answers are several words in any order."""
_DIGITS = {
    "en": "zero oh one two three four five six seven eight nine",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
}
_YES_NO = {"en": "yes no", "fr": "oui non", "es": "sí no"}


def words_of(kind: Kind, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Whole answers, and words that may follow each other, of a kind in a language; both empty where there are none."""
    base = language.lower().partition("-")[0]
    if kind in _LOOPED:
        return (), tuple(_DIGITS.get(base, "").split())
    return (tuple(_YES_NO.get(base, "").split()), ()) if kind == "yesno" else ((), ())
