"""JSON from strangers: bounded in depth, and nothing in it that could not be written again.

For bodies of webhooks and vendors' answers, whose size is bounded where they are read (`kit.http`, the shared port).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_NUMBER_CHARS = 300  # what is longer may not fit into a float, and whoever makes one of it would fail
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# A string up to its end, or that of the text, in one step; or a bracket. Possessive, so that a text of many quotes and
# backslashes takes linear time.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonRefused(ValueError):
    """A body that is no JSON we take.

    Args:
        reason: One sentence, such as ``the body is nested deeper than 64 levels``; nothing of the body is in it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_json(body: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text (RFC 8259).

    A byte order mark is skipped. Of a name that comes twice in an object the last value counts. Half a surrogate pair,
    which UTF-8 cannot say, becomes U+FFFD, so that the value can be stored and sent on.

    Args:
        body: In UTF-8.
        max_depth: How many arrays and objects may be inside one another; ``[]`` has one level.

    Raises:
        JsonRefused: No UTF-8, no JSON, too deep, or with a number that is none or beyond any measure (``NaN``, 1e999).
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise JsonRefused("the body is not in UTF-8") from bad
    _check_depth(text, max_depth)
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_float, parse_int=_integer)
        return _without_surrogates(value) if _SURROGATE_ESCAPE.search(text) else value
    except JsonRefused:
        raise
    except RecursionError as deep:  # a bound was asked for that the interpreter cannot keep
        raise JsonRefused("the body is nested too deeply") from deep
    except ValueError as bad:
        raise JsonRefused("the body is no JSON") from bad


def _check_depth(text: str, max_depth: int) -> None:
    """Count brackets outside of strings, before a parser that recurses sees them."""
    depth = 0
    for token in _TOKEN.finditer(text):
        character = text[token.start()]
        if character in "[{":
            depth += 1
            if depth > max_depth:
                raise JsonRefused(f"the body is nested deeper than {max_depth} levels")
        elif character in "]}":
            depth -= 1


def _no_number(_: str) -> NoReturn:
    raise JsonRefused("the body has a number that is none")


def _float(text: str) -> float:
    value = float(text) if len(text) <= MAX_NUMBER_CHARS else math.inf
    if not math.isfinite(value):
        raise JsonRefused("the body has a number that is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARS:
        raise JsonRefused("the body has a number that is too large")
    return int(text)


def _without_surrogates(value: Any) -> Any:
    """The value with its broken characters replaced; as deep as the parser went."""
    if isinstance(value, str):
        return _SURROGATE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    return value
