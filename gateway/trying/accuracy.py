"""How much of what was said was understood: the word error rate."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words_of(text: str) -> list[str]:
    """The words of a text, without case, marks and what typewriters do to apostrophes."""
    return re.findall(r"\w+(?:'\w+)*", text.casefold().replace("’", "'"))


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest words that have to be put in, left out or replaced to make what was heard of what was said.

    Divided by the number of words said it is the word error rate, which can be above 1.
    """
    row = list(range(len(heard) + 1))
    for count, word in enumerate(said, 1):
        before, row[0] = row[0], count
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def middle(values: Sequence[float], share: float = 0.5) -> float | None:
    """The value below which this share of them lies; None where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
