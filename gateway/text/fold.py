"""Folding: what makes two spoken texts the same, whatever their case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "’": "'", "ʼ": "'", "º": " o", "ª": " a"})
_NOT_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=8192)
def plain_letters(text: str) -> str:
    """Case and accents folded; everything else stays: ``Été, n° 3`` gives ``ete, n° 3``."""
    folded = text.casefold().translate(_LIGATURES)
    return "".join(char for char in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(char))


def fold(text: str) -> str:
    """Words alone, folded, one space between them: ``L'été -- déjà !`` gives ``l ete deja``."""
    return _NOT_WORD.sub(" ", plain_letters(text)).strip()


def words(text: str) -> list[str]:
    """The folded words of a text."""
    return fold(text).split()


def find(needle: list[str], haystack: list[str]) -> list[int]:
    """Where the words of ``needle`` stand in a row in ``haystack``."""
    if not needle:
        return []
    size = len(needle)
    return [start for start in range(len(haystack) - size + 1) if haystack[start : start + size] == needle]


def distance(left: str, right: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap of neighbours) between two texts, or ``limit + 1`` where there are more."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
