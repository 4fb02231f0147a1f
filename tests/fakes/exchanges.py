"""Recorded exchanges of the media protocols: one case per file, the file's name is the case.

A file says where it comes from and what was left out; each step of ``exchange`` is a message that comes ``in`` and what
it ``says``, or that it is ``refused``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.errors import RemoteProtocolError

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def exchanges(protocol: str) -> dict[str, list[dict[str, Any]]]:
    """Cases by name."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((FIXTURES / protocol).glob("*.json"))}
    assert all(case["source"] and case["redacted"] and case["exchange"] for case in found.values())
    return {name: case["exchange"] for name, case in found.items()}


def read_or_refuse(read: Callable[[Any], object], message: str | bytes) -> None:
    """Read any message: it is taken, or refused with something to tell the peer; nothing else is raised."""
    try:
        read(message)
    except RemoteProtocolError as error:
        refusal = error
    else:
        return
    assert refusal.hint
