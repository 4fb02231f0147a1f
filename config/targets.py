"""Transfer targets and the patterns of `transfer.allow`: nobody is sent where the operator has not said so.

A target comes from a bot, so it is read strictly: whatever is not plainly a number or a plain SIP address is refused,
rather than passed on for a PBX to read in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

MAX_TARGET_CHARS = 256

_SEPARATORS = re.compile(r"[ .()/-]+")
_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}|[0-9*#]{1,32}", re.ASCII)
_SIP = re.compile(
    r"(?P<scheme>sips?):(?P<user>[A-Za-z0-9_.!~*'()&=+$,-]{1,128})"  # RFC 3261 section 25.1, without escapes
    r"@(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>(?:;(?:transport=(?:udp|tcp|tls|ws|wss)|user=phone))*)",
    re.ASCII | re.IGNORECASE,
)
_SIP_PATTERN = re.compile(
    r"(?P<scheme>sips?):(?P<user>[A-Za-z0-9_.!~*'()&=+$,?-]{1,128})"
    r"@(?P<host>\*|(?:\*\.)?[A-Za-z0-9*-][A-Za-z0-9.*-]{0,251}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}|\*))?",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_PORTS = {"sip": "5060", "sips": "5061"}
ANYTHING = "*"


def canonical(target: str) -> str | None:
    """The one way to write a target: ``+33…``, an extension, or ``sip:user@host``.

    Returns:
        None for what is neither: escapes, headers, foreign parameters, several ``@``, blanks, control characters.
    """
    text = target.strip(" ")
    if not text or len(text) > MAX_TARGET_CHARS or not text.isascii() or not text.isprintable():
        return None
    if "@" in text:
        text = text if ":" in text.partition("@")[0] else f"sip:{text}"
        sip = _SIP.fullmatch(text)
        if sip is None or ".." in sip["host"]:
            return None
        port = f":{int(sip['port'])}" if sip["port"] else ""
        return f"{sip['scheme'].lower()}:{sip['user']}@{sip['host'].lower()}{port}{sip['parameters'].lower()}"
    return _canonical_number(text[4:] if text[:4].lower() == "tel:" else text)


def _canonical_number(text: str) -> str | None:
    bare = _SEPARATORS.sub("", text)
    if bare.startswith("00") and len(bare) > 8:
        bare = f"+{bare[2:]}"
    return bare if _NUMBER.fullmatch(bare) else None


def is_allowed(target: str, patterns: Iterable[str]) -> bool:
    """Whether a caller may be sent to a target.

    Args:
        target: A number, an extension or a SIP address, as a bot, the configuration or the API names it.
        patterns: ``+33`` (every number that begins so), ``100`` (that extension), ``2*`` (extensions that begin so),
            ``sip:*@pbx`` (``*`` in the user part stands for anything; in the host for a part between dots, or, as
            ``*.`` in front, for any number of them), or ``*`` (anything).
    """
    plain = canonical(target)
    return plain is not None and any(_matches(plain, pattern.strip()) for pattern in patterns)


def is_pattern(pattern: str) -> bool:
    """Whether a pattern can match anything at all."""
    return _compiled(pattern.strip()) is not None


def _matches(plain: str, pattern: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is not None and compiled.fullmatch(_comparable(plain)) is not None


def _comparable(plain: str) -> str:
    """A canonical SIP address without parameters and with its port; numbers as they are."""
    sip = _SIP.fullmatch(plain)
    if sip is None:
        return plain
    return f"{sip['scheme']}:{sip['user']}@{sip['host']}:{sip['port'] or _DEFAULT_PORTS[sip['scheme']]}"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    if pattern == ANYTHING:
        return re.compile(r".+")
    if "@" in pattern:
        return _compiled_sip(pattern if ":" in pattern.partition("@")[0] else f"sip:{pattern}")
    number = _SEPARATORS.sub("", pattern[4:] if pattern[:4].lower() == "tel:" else pattern)
    number = f"+{number[2:]}" if number.startswith("00") else number
    is_prefix = number.startswith("+") or (number.endswith("*") and len(number) > 1)
    number = number[:-1] if number.endswith("*") and len(number) > 1 else number
    if not re.fullmatch(r"\+?[0-9*#]+", number, re.ASCII):
        return None
    return re.compile(re.escape(number) + ("[0-9]*" if is_prefix else ""), re.ASCII)


def _compiled_sip(pattern: str) -> re.Pattern[str] | None:
    sip = _SIP_PATTERN.fullmatch(pattern)
    if sip is None or ".." in sip["host"]:
        return None
    scheme = "sips?" if sip["scheme"].lower() == "sip" else "sips"
    user = re.escape(sip["user"]).replace(r"\*", "[^@]*").replace(r"\?", "[^@]")
    ports = {None: f"(?:{'|'.join(_DEFAULT_PORTS.values())})", "*": "[0-9]+"}
    return re.compile(f"{scheme}:{user}@{_host(sip['host'].lower())}:{ports.get(sip['port'], sip['port'])}", re.ASCII)


def _host(glob: str) -> str:
    if glob == ANYTHING:
        return r"[^@]+"
    front, rest = ("", glob) if not glob.startswith("*.") else (r"(?:[a-z0-9-]+\.)+", glob[2:])
    return front + re.escape(rest).replace(r"\*", "[a-z0-9-]*")
