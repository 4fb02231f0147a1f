"""Where in the plain text a place in SSML is, so that what was heard can be told without markup."""

from __future__ import annotations

import html
import re

_TOKEN = re.compile(r"<[^>]*>|&#?\w+;|.", re.DOTALL)
MAX_ENTITY = 10


def plain_offsets(ssml: str, plain: str) -> list[int]:
    """For every character of ``ssml``, and the end: how many characters of ``plain`` stand before it.

    Words are matched with the words of ``plain`` in order; what was rewritten between the two is met again at the next
    word they share.
    """
    text, places = _without_tags(ssml)
    offsets = _aligned(text, plain)
    return [offsets[place] for place in places]


def _without_tags(ssml: str) -> tuple[str, list[int]]:
    """The characters outside tags, entities resolved; and for every character of ``ssml`` how many stand before it."""
    kept: list[str] = []
    places: list[int] = []
    size = 0
    for match in _TOKEN.finditer(ssml):
        token = match.group()
        places += [size] * len(token)
        if not token.startswith("<") or len(token) == 1:
            piece = html.unescape(token) if token.startswith("&") and len(token) <= MAX_ENTITY else token
            kept.append(piece)
            size += len(piece)
    return "".join(kept), [*places, size]


def _aligned(text: str, plain: str) -> list[int]:
    """For every position in ``text``, one in ``plain``."""
    offsets: list[int] = []
    at = 0
    for match in re.finditer(r"\w+|\W+", text):
        piece = match.group()
        if piece[0].isalnum() and (found := _find_word(plain, piece, at)) >= 0:
            at = found
            offsets += range(at, at + len(piece))
            at += len(piece)
        else:
            offsets += [at] * len(piece)
    return [*offsets, len(plain)]


def _find_word(plain: str, word: str, start: int) -> int:
    """Where ``word`` comes next, if that is not suspiciously far away; -1: nowhere."""
    found = plain.find(word, start, start + 200 + len(word))
    return found
