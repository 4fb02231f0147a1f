"""The small parts that SIP headers and URIs share: lists, parameters, quoted strings, numbers (RFC 3261 section 25)."""

from __future__ import annotations

import re

from gateway.transports.sip.errors import SipParseError

Params = tuple[tuple[str, str | None], ...]
"""Parameters in their order: the name as written; the value as written, with its quotes; None for a flag."""

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
"""A word of a header (RFC 3261 section 25.1)."""
HOST = r"\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.\-]+"
"""More than the RFC allows: underscores, names that begin with a digit."""

_QUOTED = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_ITEMS = {mark: re.compile(rf'(?:[^{mark}"<]++|{_QUOTED}|<[^>]*+(?:>|\Z))+', re.DOTALL) for mark in (",", ";")}
_QUOTED_WHOLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PARAM_NAME = re.compile(r"[^\s\"<>=;,\x00-\x1f]+")
_PARAM_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"<>;,\x00-\x1f]*', re.DOTALL)
BLANKS = " \t"
MAX_PARAMS = 128


def split_outside(text: str, mark: str) -> list[str]:
    """Cut at commas or semicolons that are neither in quotes nor in angle brackets; blanks around each piece go.

    What opens and never closes reaches to the end. Empty pieces are kept: whether they may be there is for the caller.
    """
    if mark not in text:
        return [text.strip(BLANKS)]
    if '"' not in text and "<" not in text:
        return [piece.strip(BLANKS) for piece in text.split(mark)]
    pieces, place = [], 0
    while True:
        found = _ITEMS[mark].match(text, place)
        end = found.end() if found else place
        pieces.append(text[place:end].strip(BLANKS))
        if end >= len(text):
            return pieces
        place = end + 1


def parse_params(text: str) -> Params:
    """Read ``;name=value;flag``, with or without the first semicolon; blanks around the equals sign are allowed.

    One semicolon too many at the end is overlooked: it is seen in the field.

    Raises:
        SipParseError: for an empty or malformed parameter.
    """
    text = text.strip(BLANKS).removeprefix(";").removesuffix(";")
    if not text:
        return ()
    pieces = split_outside(text, ";")
    if len(pieces) > MAX_PARAMS:
        raise SipParseError("too many parameters", status=400)
    return tuple(_param(piece) for piece in pieces)


def _param(piece: str) -> tuple[str, str | None]:
    name, equals, value = piece.partition("=")
    name, value = name.rstrip(BLANKS), value.lstrip(BLANKS)
    if not _PARAM_NAME.fullmatch(name) or not _PARAM_VALUE.fullmatch(value):
        raise SipParseError("a malformed parameter", status=400)
    return name, value if equals else None


def format_params(params: Params) -> str:
    """The opposite of `parse_params`: each with its semicolon."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def find_param(params: Params, name: str) -> str | None:
    """The first one of that name, without quotes; empty for a flag, None when it is not there."""
    wanted = name.lower()
    for key, value in params:
        if key.lower() == wanted:
            return unquote(value or "")
    return None


def with_param(params: Params, name: str, value: str | None) -> Params:
    """The same parameters with one replaced where it stood, or added at the end."""
    wanted = name.lower()
    if not any(key.lower() == wanted for key, _ in params):
        return (*params, (name, value))
    return tuple((key, value if key.lower() == wanted else old) for key, old in params)


def quote(text: str) -> str:
    """A quoted string of any text without line ends."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquote(text: str) -> str:
    """What a quoted string says; anything else stays as it is."""
    found = _QUOTED_WHOLE.fullmatch(text)
    return _ESCAPED.sub(r"\1", found[1]) if found else text


def parse_number(text: str, highest: int) -> int:
    """Digits, perhaps with leading zeros.

    Raises:
        SipParseError: for anything else, and above ``highest``.
    """
    digits = text.strip(BLANKS)
    if not (digits.isascii() and digits.isdigit()) or len(digits.lstrip("0")) > len(str(highest)):
        raise SipParseError("a malformed number", status=400)
    number = int(digits.lstrip("0") or "0")
    if number > highest:
        raise SipParseError("a number that is too large", status=400)
    return number
