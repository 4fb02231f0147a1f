"""Request bodies with ``{{text}}`` in them: data with holes, filled from what is known of the call.

A template is data, not text: a value that is put into it can end no string and begin no object. A string that is one
hole and nothing else becomes the value itself, a number or an object as well; within longer strings values are text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.backends.rest.paths import Path

_HOLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def fill(template: Any, known: Mapping[str, Any]) -> Any:
    """The template's value; what is not known becomes null, or nothing within a string."""
    match template:
        case str():
            whole = _HOLE.fullmatch(template.strip())
            if whole is not None:
                return Path.parse(whole[1]).first(known)
            return fill_text(template, known)
        case Mapping():
            return {fill_text(str(name), known): fill(value, known) for name, value in template.items()}
        case list() | tuple():
            return [fill(item, known) for item in template]
        case _:
            return template


def fill_text(template: str, known: Mapping[str, Any], quote: Callable[[str], str] = str) -> str:
    """A text with its holes filled; ``quote`` makes a value fit for its place, such as a URL."""
    return _HOLE.sub(lambda hole: quote(_as_text(Path.parse(hole[1]).first(known))), template)


def names_in(template: Any) -> Iterator[str]:
    """What a template's holes ask for. Raises ValueError for one that is no path."""
    match template:
        case str():
            for hole in _HOLE.finditer(template):
                Path.parse(hole[1])
                yield hole[1]
        case Mapping():
            for name, value in template.items():
                yield from names_in(str(name))
                yield from names_in(value)
        case list() | tuple():
            for item in template:
                yield from names_in(item)


def _as_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
