"""Where bots may send things: addresses compared by their parts, so that none passes for the beginning of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, SecretStr

_PORTS = {"http": 80, "https": 443}


def begins_with(url: str, beginning: str) -> bool:
    """Whether an address is below another one: same scheme, host and port, and a path below its path.

    ``https://a.example/x`` is the beginning of itself, of ``https://a.example/x/y`` and of ``https://a.example/x?q=1``,
    not of ``https://a.example/xy`` or ``https://a.example.evil/x``. Paths that go up (``..``) are below nothing.
    """
    found, wanted = _parts(url), _parts(beginning)
    if found is None or wanted is None or _origin(found) != _origin(wanted):
        return False
    path, base = found.path or "/", wanted.path or "/"
    if ".." in unquote(path).replace("\\", "/").split("/"):
        return False
    return path == base or path.startswith(base if base.endswith("/") else base + "/")


def is_http(url: str) -> bool:
    """Whether it is an address a webhook or a link may have: http or https, a host, no user name."""
    parts = _parts(url)
    return parts is not None and parts.username is None


def same_origin(url: str, others: Iterable[str]) -> bool:
    """Whether it has scheme, host and port of one of the others."""
    found = _parts(url)
    return found is not None and any((parts := _parts(o)) and _origin(parts) == _origin(found) for o in others)


def addresses_in(section: object) -> Iterator[str]:
    """Every http address that an operator has written in a section."""
    if isinstance(section, SecretStr):
        section = section.get_secret_value()
    if isinstance(section, str):
        if section.startswith(("http://", "https://")):
            yield section
    elif isinstance(section, BaseModel):
        for name in type(section).model_fields:
            yield from addresses_in(getattr(section, name))
    elif isinstance(section, Mapping):
        for value in section.values():
            yield from addresses_in(value)
    elif isinstance(section, list | tuple):
        for value in section:
            yield from addresses_in(value)


def may_be_mailed(address: str, patterns: Iterable[str]) -> bool:
    """Whether an e-mail address matches one of the operator's patterns; letter case is of no matter."""
    return any(fnmatchcase(address.lower(), pattern.lower()) for pattern in patterns)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0  # raises, as documented, for what is no port
    except ValueError:
        return None
    is_plain = (
        has_port and parts.scheme in _PORTS and parts.hostname and not any(c.isspace() or ord(c) < 32 for c in url)
    )
    return parts if is_plain and "\\" not in url else None


def _origin(parts: SplitResult) -> tuple[Any, ...]:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)
