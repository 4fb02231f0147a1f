"""What an operator probably meant: the keys that are valid at a place, and the one nearest to what was written."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

MAX_LISTED = 12


def suggestion(written: str, valid: Collection[str]) -> str | None:
    """The valid word nearest to the written one, if any is near."""
    by_lower = {word.lower(): word for word in valid}
    near = difflib.get_close_matches(written.lower().replace("-", "_"), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def hint(written: str, valid: Collection[str]) -> str:
    """The same as the end of a sentence; all valid words where none is near and they are few."""
    if near := suggestion(written, valid):
        return f"; did you mean `{near}`?"
    if not valid:
        return "; there is none yet"
    words = sorted(valid)
    more = f" and {len(words) - MAX_LISTED} more" if len(words) > MAX_LISTED else ""
    return f"; valid: {', '.join(words[:MAX_LISTED])}{more}"


def unknown_key(written: str, section: Any, path: tuple[str | int, ...]) -> str:
    """The sentence for an unknown key at a path below a section: the same one block further in, else the nearest."""
    sections = list(sections_at(section, path))
    here = {key for model in sections for key in keys_of(model)}
    for model in sections:
        for key, annotation in keys_of(model).items():
            if any(written in keys_of(inner) for inner in sections_at(annotation, ())):
                return f"unknown key; did you mean `{key}.{written}`?"
    return f"unknown key{hint(written, here)}"


def keys_of(section: type[BaseModel]) -> dict[str, Any]:
    """The keys an operator may write in a section, with their types."""
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}


def sections_at(annotation: Any, path: tuple[str | int, ...]) -> Iterator[type[BaseModel]]:
    """The sections that may stand at a path below a type; unions may have several, values none."""
    if not path:
        yield from _sections_in(annotation)
        return
    for member in _members(annotation):
        arguments = get_args(member)
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield from sections_at(keys_of(member).get(str(path[0])), path[1:])
        elif get_origin(member) is dict:
            yield from sections_at(arguments[1], path[1:])
        elif get_origin(member) in (tuple, list):
            yield from sections_at(arguments[0], path[1:])


def _sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    return (member for member in _members(annotation) if isinstance(member, type) and issubclass(member, BaseModel))


def _members(annotation: Any) -> Iterator[Any]:
    """A type without `Annotated`; the members of a union; itself."""
    if hasattr(annotation, "__metadata__"):
        yield from _members(get_args(annotation)[0])
    elif get_args(annotation) and get_origin(annotation) not in (dict, tuple, list, type):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation
