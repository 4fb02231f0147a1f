"""Validation patterns: compiled once, and refused where matching one could take for ever.

Python's engine backtracks and cannot be stopped, so what makes it explode is refused when the configuration is read:
an unbounded repetition inside another. Answers are bounded in length, so that the rest stays below a tenth of a second.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as constants  # type: ignore[attr-defined]  # the only parser of Python's own dialect
from re import _parser as parser  # type: ignore[attr-defined]  # there is, and not in the stubs
from typing import Any

MAX_PATTERN = 500
MAX_SUBJECT = 200  # characters of an answer a pattern is tried on
MANY = 50  # repetitions that count as unbounded

_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT)
_ONLY_DIGITS = re.compile(r"(?:\\d|\\[-. ]|\[[0-9\\d -]+\]|[0-9{}(),^$?*+|. -])+", re.ASCII)


class PatternError(ValueError):
    """A pattern that cannot be used; says why."""


@lru_cache(maxsize=1000)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern, ready; None for none.

    Raises:
        PatternError: It is no regular expression, too long, or repeats a repetition.
    """
    if not pattern:
        return None
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        found = re.compile(pattern)
        tree = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"no regular expression: {error}") from None
    if _explodes(tree, within=False):
        raise PatternError("the pattern repeats a repetition, which could take for ever")
    return found


def matches(pattern: str, subject: str) -> bool:
    """Whether an answer fits; every answer fits no pattern. One that is too long fits none."""
    found = compiled(pattern)
    return found is None or (len(subject) <= MAX_SUBJECT and found.search(subject) is not None)


def wants_digits(pattern: str) -> bool:
    """Whether only digits can fit, so that they may be dictated."""
    return ("\\d" in pattern or "0-9" in pattern) and _ONLY_DIGITS.fullmatch(pattern) is not None


def _explodes(tree: Any, *, within: bool) -> bool:
    """Whether an unbounded repetition stands inside another. ``tree`` is what the standard library's parser gives."""
    for operation, argument in tree:
        if operation in _REPEATS:
            low, high, inner = argument
            is_many = high is constants.MAXREPEAT or int(high) - int(low) > MANY
            if (is_many and within) or _explodes(inner, within=within or is_many):
                return True
        elif any(_explodes(part, within=within) for part in _parts(argument)):
            return True
    return False


def _parts(argument: Any) -> list[Any]:
    """The trees inside an operation's argument."""
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [part for item in argument for part in _parts(item)]
    return []
