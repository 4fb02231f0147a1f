"""The words that answer a question of a kind, as the local grammar takes them."""

from __future__ import annotations

from config.call import Kind
from gateway.text.values import phrases_for

SEQUENCES: tuple[Kind, ...] = ("digits", "phone", "number", "date")
"""Kinds whose answers are words that follow each other."""


def words_of(kind: Kind, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Whole answers, and words that may follow each other, of a kind in a language; both empty where there are none."""
    words = tuple(phrases_for(kind, language))
    return ((), words) if kind in SEQUENCES else (words, ())
