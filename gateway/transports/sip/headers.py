"""The headers of one message, in their order, and the two that have a form of their own: Via and CSeq."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.grammar import (
    BLANKS,
    HOST,
    TOKEN,
    Params,
    find_param,
    format_params,
    parse_number,
    parse_params,
    split_outside,
    with_param,
)
from gateway.transports.sip.remembering import remembering
from gateway.transports.sip.uri import MAX_PORT

COMPACT = {
    "a": "Accept-Contact",  # RFC 3841
    "b": "Referred-By",  # RFC 3892
    "c": "Content-Type",
    "d": "Request-Disposition",  # RFC 3841
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",  # RFC 3841
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",  # RFC 4474
    "o": "Event",  # RFC 6665
    "r": "Refer-To",  # RFC 3515
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",  # RFC 6665
    "v": "Via",
    "x": "Session-Expires",  # RFC 4028
    "y": "Identity",  # RFC 8224
}
"""Short names (RFC 3261 section 7.3.3, and the RFC beside each)."""

LISTS = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "alert-info", "allow", "allow-events", "call-info"),
        *("contact", "content-encoding", "content-language", "diversion", "error-info", "history-info", "in-reply-to"),
        *("p-asserted-identity", "p-associated-uri", "p-preferred-identity", "path", "proxy-require", "reason"),
        *("record-route", "remote-party-id", "require", "route", "service-route", "supported", "unsupported"),
        *("user-to-user", "via", "warning"),
    }
)
"""Headers whose commas part values. The others, above all those of authentication and Date, are never split."""

MAX_CSEQ = 2**31 - 1  # RFC 3261 section 8.1.1.5
_VIA = re.compile(
    rf"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*(?P<transport>{TOKEN})[ \t]+"
    rf"(?P<host>{HOST})(?:[ \t]*:[ \t]*(?P<port>[0-9]+))?[ \t]*(?P<params>;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(TOKEN)


class Headers:
    """Headers by name, whose case and short form do not matter; what is unknown is kept.

    Args:
        items: Names and values, as for `add`.
    """

    __slots__ = ("_fields",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: list[tuple[str, str, str]] = []  # key, name, value
        for name, value in items:
            self.add(name, value)

    def get(self, name: str) -> str | None:
        """The whole value of the first field of that name, unfolded; None when there is none."""
        wanted = _key(name)
        for key, _, value in self._fields:
            if key == wanted:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """Every value, in order; fields that are lists are split at their commas, empty elements included."""
        wanted = _key(name)
        values = [value for key, _, value in self._fields if key == wanted]
        if wanted not in LISTS:
            return values
        return [piece for value in values for piece in split_outside(value, ",")]

    def fields(self, name: str) -> list[str]:
        """Every field of that name as it stands in the message, lists not split."""
        wanted = _key(name)
        return [value for key, _, value in self._fields if key == wanted]

    def add(self, name: str, value: str) -> None:
        """Put a field behind the others.

        Raises:
            ValueError: for a name that is no token, and a value with a line end: it would begin another header.
        """
        name = COMPACT.get(name.lower(), name)
        if not _TOKEN.fullmatch(name):
            raise ValueError("not a header name")
        if "\r" in value or "\n" in value:
            raise ValueError(f"a line end in {name}")
        self._fields.append((name.lower(), name, value))

    def set(self, name: str, value: str) -> None:
        """Put one field in the place of all of that name: where the first one stood, else at the end."""
        wanted = _key(name)
        place = next((index for index, field in enumerate(self._fields) if field[0] == wanted), len(self._fields))
        self.add(name, value)
        field = self._fields.pop()
        rest = [other for other in self._fields if other[0] != wanted]
        self._fields = [*rest[:place], field, *rest[place:]]

    def remove(self, name: str) -> None:
        """Take away every field of that name; none need be there."""
        wanted = _key(name)
        self._fields = [field for field in self._fields if field[0] != wanted]

    def items(self) -> list[tuple[str, str]]:
        """Names and values in order, short names spelled out."""
        return [(name, value) for _, name, value in self._fields]

    def copy(self) -> Headers:
        """The same fields, to be changed apart."""
        other = Headers()
        other._fields = list(self._fields)
        return other

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(key, value) for key, _, value in self._fields] == [(key, value) for key, _, value in other._fields]

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Headers({[name for _, name, _ in self._fields]})"  # no values: they are personal data and secrets


def _key(name: str) -> str:
    key = name.lower()
    return COMPACT[key].lower() if len(key) == 1 and key in COMPACT else key


class CSeq(NamedTuple):
    """The number and method of a request within its dialog."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class Via:
    """One station on the way of a request.

    Attributes:
        transport: Upper case: ``UDP``, ``WSS``, or one we do not know.
        host: Lower case; IPv6 in its brackets.
    """

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{format_params(self.params)}"

    @property
    def branch(self) -> str:
        """The name of the transaction; empty for peers before RFC 3261 that give none."""
        return self.param("branch") or ""

    @property
    def sent_by(self) -> str:
        """Host and port as compared for transactions."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def param(self, name: str) -> str | None:
        """A parameter's value; empty for a flag such as ``rport``, None when it is not there."""
        return find_param(self.params, name)

    def with_param(self, name: str, value: str | None = None) -> Via:
        """The same station with one parameter more, or changed."""
        return Via(self.transport, self.host, self.port, with_param(self.params, name, value))


@remembering
def parse_via(text: str) -> Via:
    """Read one value of Via; blanks may stand around its slashes, colon and equals signs.

    Raises:
        SipParseError: for anything that is not one.
    """
    found = _VIA.fullmatch(text.strip(BLANKS))
    if found is None:
        raise SipParseError("a malformed Via", status=400)
    port = parse_number(found["port"], MAX_PORT) if found["port"] else None
    return Via(found["transport"].upper(), found["host"].lower(), port, parse_params(found["params"] or ""))


def parse_cseq(text: str) -> CSeq:
    """Read a CSeq.

    Raises:
        SipParseError: for anything that is not one, and for numbers from 2**31.
    """
    words = text.split()
    if len(words) != 2 or not _TOKEN.fullmatch(words[1]):
        raise SipParseError("a malformed CSeq", status=400)
    return CSeq(parse_number(words[0], MAX_CSEQ), words[1])
