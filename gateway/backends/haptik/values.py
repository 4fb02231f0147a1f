"""Reading values that may be anything: what the platform sends is documented by examples only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_TEXT = 20_000  # characters of one text; more is nothing to read to a caller


def text(value: Any) -> str:
    """Text fit to be spoken or kept: stripped, bounded, without halves of surrogate pairs; empty for anything else."""
    if not isinstance(value, str):
        return ""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8").strip()


def identity(value: Any) -> str:
    """An id, which may be a number; empty for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 64 else ""
    return text(value)[:200]


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any, at_most: int = 100) -> list[Any]:
    """The members of a list; a single object counts as a list of it."""
    found = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    return found[:at_most]


def first_text(holder: Mapping[str, Any], *keys: str) -> str:
    """The first of these keys that holds a text that is not blank."""
    return next((found for key in keys if (found := text(holder.get(key)))), "")


def number(value: Any) -> int | None:
    """A whole number, also one in quotes."""
    found = identity(value)
    return int(found) if found.isascii() and found.isdecimal() and len(found) < 19 else None
