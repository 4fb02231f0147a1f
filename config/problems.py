"""What pydantic found wrong, as problems with file, line, key and the nearest valid spelling; never with values."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.document import Document, Path
from config.nearest import suggestion, unknown_key

_SENTENCES = {
    "model_type": "must be a block of keys",
    "model_attributes_type": "must be a block of keys",
    "dict_type": "must be a block of keys",
    "missing": "is missing",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_type": "must be text",
    "ip_any_network": "must be an address or a network such as 10.0.0.0/8",
}


def report(document: Document, error: ValidationError, section: type[BaseModel], data: Any, prefix: Path) -> set[str]:
    """Note every error of a section that was read from a path of the document.

    Args:
        data: What was validated, as it stands in the document.
        prefix: The section's path.
    Returns:
        The section's own keys that have, or hold, an error.
    """
    wrong: set[str] = set()
    reported: set[tuple[Path, str]] = set()
    for details in error.errors(include_url=False, include_context=True):
        path = _written_path(details["loc"], data)
        reason = _reason(details, section, path)
        wrong |= {str(key) for key in path[:1]}
        if any((*prefix, *path)[:n] in document.broken for n in range(len(prefix) + len(path) + 1)):
            continue
        if (path, reason) not in reported:
            reported.add((path, reason))
            document.report((*prefix, *path), reason)
    return wrong


def _written_path(loc: tuple[int | str, ...], data: Any) -> Path:
    """Pydantic's path without the names of union members, which nobody wrote."""
    path: list[int | str] = []
    for last, part in enumerate(loc, start=1 - len(loc)):
        if isinstance(data, dict) and str(part) in data:
            path.append(str(part))
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            path.append(part)
            data = data[part]
        elif last == 0 and isinstance(data, dict | None):
            path.append(part)
    return tuple(path)


def _reason(details: ErrorDetails, section: type[BaseModel], path: Path) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), section, path[:-1])
    if kind == "literal_error":
        return _one_of(details)
    if kind in ("ip_v4_network", "ip_v6_network") or kind.startswith("ip_any"):
        return _SENTENCES["ip_any_network"]
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _one_of(details: ErrorDetails) -> str:
    expected = str(details.get("ctx", {}).get("expected", ""))
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(", ")]
    written = details["input"]
    near = suggestion(written, words) if isinstance(written, str) else None
    return f"must be one of {', '.join(words)}" + (f"; did you mean `{near}`?" if near else "")
