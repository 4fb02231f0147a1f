"""Choosing calls by words of their names."""

from __future__ import annotations

from collections.abc import Sequence


def is_named(name: str, words: Sequence[str]) -> bool:
    """Whether a name has one of the words in it, or no word was given."""
    return not words or any(word in name for word in words)
