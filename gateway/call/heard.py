"""Which words a caller heard of a prompt that was cut short. `playout` counts the samples."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

TYPICAL_CHARS_PER_SECOND = 15.0
"""Conversational speech, used only while neither word times nor the length of a prompt are known."""


def heard_text(
    text: str, heard: float, *, spoken: Sequence[tuple[float, int]] = (), length: float | None = None
) -> str:
    """The words of ``text`` that were heard, whole words only.

    Args:
        text: The whole text of the prompt.
        heard: Seconds of it that were heard.
        spoken: What the synthesizer said about its progress: (seconds, characters spoken by then), ascending.
        length: Seconds of the whole prompt, where known already.
    """
    if heard <= 0:
        return ""
    return whole_words(text, _characters(text, heard, spoken, length))


def _characters(text: str, heard: float, spoken: Sequence[tuple[float, int]], length: float | None) -> int:
    index = bisect_right(spoken, heard, key=lambda entry: entry[0])
    start, chars = spoken[index - 1] if index else (0.0, 0)
    if index < len(spoken):
        end, goal = spoken[index]
    elif length is not None:
        end, goal = length, len(text)
    else:
        return round(chars + (heard - start) * TYPICAL_CHARS_PER_SECOND)
    if end <= start:
        return goal
    return int(chars + (goal - chars) * (heard - start) / (end - start) + 1e-6)


def whole_words(text: str, count: int) -> str:
    """The first ``count`` characters of ``text``, cut back to where a word ends."""
    if count >= len(text):
        return text.rstrip()
    ends = (end for end in range(count, 0, -1) if _is_boundary(text[end - 1], text[end]))
    return text[: next(ends, 0)].rstrip()


def _is_boundary(before: str, after: str) -> bool:
    """Whether a word may end between two characters; scripts written without spaces break anywhere."""
    return before.isspace() or after.isspace() or unicodedata.east_asian_width(before) in "WF"
