"""Paths into JSON: ``$.messages[*].text``, the part of JSONPath (RFC 9535) that names things and computes nothing.

Names after dots, or in brackets as ``['first name']``; ``[2]`` and ``[-1]`` are places in a list, ``[*]`` is every
place in it. What a path does not find is no error: a bot may leave anything out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MAX_STEPS = 32
EVERY = "*"
_STEP = re.compile(
    r"""\.(?P<name>[^.\[\]'"\s]+)"""
    r"""|\[(?P<place>-?\d{1,6}|\*)\]"""
    r"""|\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]"""
)

Step = str | int


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was read; ``steps``: names, places, and None for every one."""

    steps: tuple[Step | None, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Read a path, with or without ``$`` in front.

        Raises:
            ValueError: it is none; the sentence says where.
        """
        rest = text.strip().removeprefix("$")
        rest = rest if not rest or rest[0] in ".[" else f".{rest}"
        steps: list[Step | None] = []
        while rest:
            found = _STEP.match(rest)
            if found is None or len(steps) == MAX_STEPS:
                raise ValueError(f"{text!r} is no path such as $.messages[0].text: nothing is known of {rest[:40]!r}")
            steps.append(_step(found))
            rest = rest[found.end() :]
        return cls(tuple(steps))

    def find(self, value: Any) -> list[Any]:
        """Everything the path leads to, in order."""
        found = [value]
        for step in self.steps:
            found = [below for item in found for below in _below(item, step)]
        return found

    def first(self, value: Any) -> Any:
        """The first thing it leads to; None when there is nothing."""
        return next(iter(self.find(value)), None)


def _step(found: re.Match[str]) -> Step | None:
    place = found["place"]
    if place is not None:
        return None if place == EVERY else int(place)
    return found["name"] if found["name"] is not None else found["quoted"]


def _below(value: Any, step: Step | None) -> list[Any]:
    match value, step:
        case list(), None:
            return value
        case dict(), None:
            return list(value.values())
        case list(), int() if -len(value) <= step < len(value):
            return [value[step]]
        case dict(), str() if step in value:
            return [value[step]]
    return []
