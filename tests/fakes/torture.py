"""The messages of RFC 4475 as bytes, out of the RFC's own notation (section 2)."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "fixtures" / "sip" / "rfc4475"
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))

_ONE_LINE = re.compile(rb"<allOneLine>\n(.*?)\n</allOneLine>", re.DOTALL)
_HEX = re.compile(rb"<hex>\n?([0-9A-F\n]*)</hex>")
_REPEAT = re.compile(rb"<repeat count=([0-9]+)>(.*?)</repeat>")


def torture(name: str) -> bytes:
    """One message as it goes over the wire."""
    text = (FOLDER / f"{name}.txt").read_bytes()
    text = _ONE_LINE.sub(lambda found: found[1].replace(b"\n", b""), text)
    text = _REPEAT.sub(lambda found: found[2] * int(found[1]), text)
    text = text.replace(b"\n", b"\r\n")
    return _HEX.sub(lambda found: bytes.fromhex(found[1].replace(b"\r\n", b"").decode()), _join_hex(text))


def _join_hex(text: bytes) -> bytes:
    """Digits over several lines are one string of bits."""
    return re.sub(rb"<hex>[0-9A-F\r\n]*</hex>", lambda found: found[0].replace(b"\r\n", b""), text)
