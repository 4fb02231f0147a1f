"""Yes and no, in all the ways they are said."""

from __future__ import annotations

from functools import lru_cache

from gateway.text.fold import words
from gateway.text.lexicon import known_language, lexicon


@lru_cache(maxsize=8)
def _phrases(language: str) -> dict[tuple[str, ...], bool]:
    known = lexicon(language)
    phrases = {tuple(words(phrase)): True for phrase in known.yes}
    return phrases | {tuple(words(phrase)): False for phrase in known.no}


def yes_or_no(text: str, language: str, *, whole: bool = False) -> bool | None:
    """Whether a text says yes or no.

    The longest phrases count ("of course not" is no), and all of them have to agree.

    Args:
        text: What was said.
        language: BCP 47 tag.
        whole: The text must be one such phrase and nothing else.
    """
    phrases = _phrases(known_language(language))
    said = words(text)
    if whole:
        return phrases.get(tuple(said))
    longest = max(map(len, phrases))
    verdicts: set[bool] = set()
    start = 0
    while start < len(said):
        sizes = range(min(longest, len(said) - start), 0, -1)
        size = next((size for size in sizes if tuple(said[start : start + size]) in phrases), 0)
        if size:
            verdicts.add(phrases[tuple(said[start : start + size])])
        start += size or 1
    return verdicts.pop() if len(verdicts) == 1 else None
