"""Parsers that remember what they were given last: most addresses and stations come again with each message of a call,
and many with each call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

REMEMBERED = 512
"""Texts that each parser remembers."""
MAX_CHARS = 256
"""Longer texts are read each time: what strangers can have us remember is bounded, 128 K of text for each parser."""
T = TypeVar("T")


def remembering(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The same parser, quicker for what it has read before.

    Args:
        parse: Without effects, and with results that cannot be changed; what it refuses is not remembered.
    """
    remembered = lru_cache(maxsize=REMEMBERED)(parse)

    @wraps(parse)
    def read(text: str) -> T:
        return remembered(text) if len(text) <= MAX_CHARS else parse(text)

    return read
