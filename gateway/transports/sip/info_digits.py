"""Keys that come as INFO: ``application/dtmf-relay`` (``Signal=5``) and ``application/dtmf`` (``5``), by common usage;
no RFC has them."""

from __future__ import annotations

import re

_SIGNAL = re.compile(r"^\s*Signal\s*=\s*([0-9A-D*#]{1,2})\s*$", re.IGNORECASE | re.MULTILINE)
_BARE = re.compile(r"\s*([0-9A-D*#]{1,2})\s*", re.IGNORECASE)
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}


def digit_of(content_type: str, body: bytes) -> str | None:
    """The key, or None for whatever else the INFO is."""
    text = body[:200].decode("ascii", errors="replace")
    if content_type == "application/dtmf-relay":
        found = _SIGNAL.search(text)
    elif content_type == "application/dtmf":
        found = _BARE.fullmatch(text)
    else:
        return None
    if found is None:
        return None
    signal = found[1].upper()
    return _NUMBERED.get(signal) or (signal if len(signal) == 1 else None)
