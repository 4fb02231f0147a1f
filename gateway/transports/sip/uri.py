"""Addresses: SIP and tel URIs, and the name-addr form of From, To, Contact and Route (RFC 3261 sections 19.1, 20.10;
RFC 3966)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.grammar import (
    BLANKS,
    HOST,
    Params,
    find_param,
    format_params,
    parse_number,
    parse_params,
    quote,
    split_outside,
    unquote,
    with_param,
)
from gateway.transports.sip.remembering import remembering

SIP_SCHEMES = frozenset({"sip", "sips"})
MAX_PORT = 65535

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_FORBIDDEN = re.compile(r'[\s<>"\x00-\x1f\x7f]')
_SIP = re.compile(
    rf"(?:(?P<user>[^@:]+)(?::(?P<password>[^@]*))?@)?(?P<host>{HOST})(?::(?P<port>[0-9]+))?"
    r"(?P<params>;[^?]*)?(?:\?(?P<headers>.*))?"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DISPLAY = re.compile(r'[^",;<>\\\x00-\x08\x0a-\x1f\x7f]*')
_NAME_ADDRESS = re.compile(r'(?P<display>"(?:[^"\\]|\\.)*+"|[^"<]*+)\s*<(?P<uri>[^>]*)>\s*(?P<params>.*)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class SipUri:
    """A URI, every part as it was written (percent-escapes included), so that it can be sent back unchanged.

    Of a ``tel`` URI the number stands in `user` and `host` is empty. Of any other scheme the whole rest stands in
    `user`: such a request is answered with 416.

    Attributes:
        scheme: Lower case.
        user: Empty when there is none.
        password: None when there is none.
        host: Lower case; IPv6 in its brackets.
        params: Of the URI, not of the header around it.
        headers: What stands behind the question mark; a name without value has None.
    """

    scheme: str
    user: str = ""
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()
    headers: Params = ()

    def __str__(self) -> str:
        if self.scheme not in SIP_SCHEMES:
            return f"{self.scheme}:{self.user}{format_params(self.params)}"
        secret = "" if self.password is None else f":{self.password}"
        user = f"{self.user}{secret}@" if self.user else ""
        port = "" if self.port is None else f":{self.port}"
        asked = "&".join(name if value is None else f"{name}={value}" for name, value in self.headers)
        behind = f"?{asked}" if asked else ""
        return f"{self.scheme}:{user}{self.host}{port}{format_params(self.params)}{behind}"

    @property
    def username(self) -> str:
        """The user with its escapes resolved; what is not UTF-8 becomes a replacement character."""
        return unescape(self.user)

    def param(self, name: str) -> str | None:
        """A parameter's value; empty for a flag such as ``lr``, None when it is not there."""
        return find_param(self.params, name)

    def header(self, name: str) -> str | None:
        """A header behind the question mark (``Replaces``), its escapes resolved."""
        value = find_param(self.headers, name)
        return None if value is None else unescape(value)

    def with_param(self, name: str, value: str | None = None) -> SipUri:
        """The same URI with one parameter more, or changed."""
        return replace(self, params=with_param(self.params, name, value))

    def as_secure(self) -> SipUri:
        """The same by ``sips``, which says TLS by itself (RFC 5630 section 3.1.4)."""
        params = tuple(param for param in self.params if param != ("transport", "tls"))
        return replace(self, scheme="sips", params=params)


@dataclass(frozen=True, slots=True)
class NameAddress:
    """An address in a header: display name without quotes, URI, and the parameters of the header."""

    display: str
    uri: SipUri
    params: Params = ()

    def __str__(self) -> str:
        name = f"{quote(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"

    @property
    def tag(self) -> str | None:
        """The tag, None when there is none."""
        return self.param("tag") or None

    def param(self, name: str) -> str | None:
        """A parameter's value without quotes; empty for a flag, None when it is not there."""
        return find_param(self.params, name)

    def with_param(self, name: str, value: str | None = None) -> NameAddress:
        """The same address with one header parameter more, or changed."""
        return replace(self, params=with_param(self.params, name, value))


@remembering
def parse_uri(text: str) -> SipUri:
    """Read a URI, without blanks or angle brackets around it.

    Raises:
        SipParseError: for anything that is not one.
    """
    found = _SCHEME.match(text)
    if found is None or _FORBIDDEN.search(text):
        raise SipParseError("not a URI", status=400)
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "tel":
        number, _, params = rest.partition(";")
        return SipUri(scheme, number, params=parse_params(params))
    if scheme not in SIP_SCHEMES:
        return SipUri(scheme, rest)
    parts = _SIP.fullmatch(rest)
    if parts is None or _BAD_ESCAPE.search(rest):
        raise SipParseError("a malformed SIP URI", status=400)
    return SipUri(
        scheme,
        parts["user"] or "",
        parts["password"],
        parts["host"].lower(),
        parse_number(parts["port"], MAX_PORT) if parts["port"] else None,
        parse_params(parts["params"] or ""),
        tuple(_header(piece) for piece in (parts["headers"] or "").split("&") if piece),
    )


@remembering
def parse_name_address(text: str) -> NameAddress:
    """Read one address: ``"Name" <uri>;params``, ``Name <uri>`` or a bare URI, whose parameters are the header's.

    Raises:
        SipParseError: for anything that is not one; also for a bare URI with a question mark or comma, which would have
            needed brackets (RFC 3261 section 20.10).
    """
    text = text.strip(BLANKS)
    if "<" not in text:
        uri, semicolon, params = text.partition(";")
        if "?" in uri or "," in uri:
            raise SipParseError("a URI that needs angle brackets", status=400)
        return NameAddress("", parse_uri(uri.rstrip(BLANKS)), parse_params(semicolon + params))
    found = _NAME_ADDRESS.fullmatch(text)
    if found is None:
        raise SipParseError("a malformed address", status=400)
    display, params = found["display"].strip(BLANKS), found["params"].strip(BLANKS)
    if params and not params.startswith(";"):
        raise SipParseError("something behind an address that is no parameter", status=400)
    if not display.startswith('"') and not _DISPLAY.fullmatch(display):
        raise SipParseError("a display name that needs quotes", status=400)
    return NameAddress(unquote(display), parse_uri(found["uri"]), parse_params(params))


def parse_name_addresses(values: Iterable[str]) -> list[NameAddress]:
    """Read every address of a header that is a list, such as Contact or Record-Route.

    Raises:
        SipParseError: when one of them is malformed or empty.
    """
    return [parse_name_address(piece) for value in values for piece in split_outside(value, ",")]


def unescape(text: str) -> str:
    """Percent-escapes resolved (RFC 3986 section 2.1)."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def _header(piece: str) -> tuple[str, str | None]:
    name, equals, value = piece.partition("=")
    return name, value if equals else None
