"""SIP messages and their bytes (RFC 3261 section 7): liberal in reading, strict in writing. Streams are cut into
messages by `framing`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.grammar import BLANKS, TOKEN, parse_number
from gateway.transports.sip.headers import COMPACT, CSeq, Headers, Via, parse_cseq, parse_via
from gateway.transports.sip.reasons import reason_of
from gateway.transports.sip.uri import NameAddress, SipUri, parse_name_address, parse_name_addresses, parse_uri

__all__ = [
    "CSeq",
    "Headers",
    "Message",
    "NameAddress",
    "SipParseError",
    "SipRequest",
    "SipResponse",
    "SipUri",
    "Via",
    "mark_received",
    "parse",
    "reason_of",
    "response_to",
]

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 256
MAX_BODY_BYTES = 1_048_576
MAX_FORWARDS = 255
MAX_STATIONS = 128
"""Values of Via, Contact or Record-Route: more are an attack."""
VERSION = "SIP/2.0"

_SINGLE = ("from", "to", "call-id", "cseq", "max-forwards", "content-length")
_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LINE_END = re.compile(r"\r?\n")
_TOKEN = re.compile(TOKEN)
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE | re.DOTALL)


class _Parts:
    """What requests and responses share: the headers every message has, read. Raises SipParseError where a message
    that we made ourselves lacks one; `parse` lets none through."""

    __slots__ = ()

    headers: Headers
    body: bytes

    @property
    def call_id(self) -> str:
        return _needed(self.headers, "Call-ID")

    @property
    def from_(self) -> NameAddress:
        return parse_name_address(_needed(self.headers, "From"))

    @property
    def to(self) -> NameAddress:
        return parse_name_address(_needed(self.headers, "To"))

    @property
    def cseq(self) -> CSeq:
        return parse_cseq(_needed(self.headers, "CSeq"))

    @property
    def vias(self) -> list[Via]:
        """The latest station first."""
        return [parse_via(value) for value in self.headers.all("Via")]

    @property
    def contacts(self) -> list[NameAddress]:
        """Every Contact that can be read; none for ``*``."""
        return _readable(self.headers.all("Contact"))

    @property
    def record_routes(self) -> list[NameAddress]:
        """Every Record-Route that can be read, in the order of the message."""
        return _readable(self.headers.all("Record-Route"))

    def _write(self, start: str) -> bytes:
        if "\r" in start or "\n" in start:
            raise ValueError("a line end in the start line")
        headers = self.headers
        if headers.fields("Content-Length") != [length := str(len(self.body))]:
            headers = headers.copy()
            headers.set("Content-Length", length)
        lines = [start, *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(slots=True)
class SipRequest(_Parts):
    """A request. Methods are upper case by themselves: ``invite`` is another method than ``INVITE``."""

    method: str
    uri: SipUri
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The message on the wire, always with Content-Length.

        Raises:
            ValueError: for a line end in the start line.
        """
        return self._write(f"{self.method} {self.uri} {VERSION}")


@dataclass(slots=True)
class SipResponse(_Parts):
    """A response; the status is 100 to 699."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The message on the wire, always with Content-Length.

        Raises:
            ValueError: for a line end in the reason.
        """
        return self._write(f"{VERSION} {self.status} {self.reason}")


Message = SipRequest | SipResponse


def response_to(
    request: SipRequest, status: int, reason: str | None = None, *, to_tag: str | None = None
) -> SipResponse:
    """Begin the answer to a request: Via, From, To, Call-ID and CSeq as they came (RFC 3261 section 8.2.6.2), and
    Record-Route where the answer makes a dialog (section 12.1.1).

    Args:
        reason: Unset: the usual one.
        to_tag: Ours, for a To that has no tag yet; a 100 goes without.
    """
    headers = _copied(request.headers)
    if to_tag is not None and status != 100 and request.to.tag is None:
        headers.set("To", f"{headers.get('To')};tag={to_tag}")
    if status == 100:
        for value in request.headers.fields("Timestamp"):
            headers.add("Timestamp", value)
    if 100 < status < 300 and request.method == "INVITE":
        for value in request.headers.fields("Record-Route"):
            headers.add("Record-Route", value)
    return SipResponse(status, reason_of(status) if reason is None else reason, headers)


def mark_received(request: SipRequest, host: str, port: int) -> None:
    """Write into the top Via where the request came from (RFC 3261 section 18.2.1, RFC 3581).

    Args:
        host: The peer's address, IPv6 without brackets.
    """
    first, *others = request.headers.all("Via")
    via = parse_via(first)
    if via.param("rport") is not None:
        via = via.with_param("rport", str(port)).with_param("received", host)
    elif via.host.strip("[]") != host:
        via = via.with_param("received", host)
    request.headers.set("Via", ", ".join([str(via), *others]))


# --- reading -------------------------------------------------------------------------------------------------------
def parse(data: bytes, *, is_framed: bool = False) -> Message:
    """Read one whole message; line ends before it are overlooked.

    Args:
        data: One datagram, one WebSocket message, or what `framing` cut out of a stream.
        is_framed: The transport says where the message ends, as WebSocket does: Content-Length is not believed.
            Otherwise the body has that length, and what stands behind it is dropped.
    Raises:
        SipParseError: nothing else; with the answer where a request was good enough to be answered.
    """
    data = data.lstrip(b"\r\n")
    end = _END_OF_HEAD.search(data, 0, MAX_HEAD_BYTES + 4)
    if end is None:
        raise SipParseError("a message whose headers do not end")
    head, body = data[: end.start()].decode("utf-8", "surrogateescape"), data[end.end() :]
    start, headers, fault = _read_head(head)
    if start[:4].upper() == "SIP/":
        return _response(start, headers, body, fault, is_framed)
    return _request(start, headers, body, fault, is_framed)


def _read_head(head: str) -> tuple[str, Headers, str | None]:
    """Start line, the headers that are well formed, and what is wrong with the others."""
    start, *lines = _LINE_END.split(head)
    if any(line[:1] in (" ", "\t") for line in lines):
        start, *lines = _LINE_END.split(_FOLD.sub(" ", head))
    headers, fault = Headers(), None
    if len(lines) > MAX_HEADERS:
        fault, lines = "too many headers", lines[:MAX_HEADERS]
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip(BLANKS)
        if not colon or not _TOKEN.fullmatch(name) or "\r" in value:
            fault = "a malformed header"
            continue
        name = COMPACT.get(name.lower(), name) if len(name) == 1 else name
        headers._fields.append((name.lower(), name, value.strip(BLANKS)))
    return start, headers, fault


def _response(start: str, headers: Headers, body: bytes, fault: str | None, is_framed: bool) -> SipResponse:
    """A response that cannot be read is dropped: there is nobody to tell."""
    try:
        found = _STATUS.fullmatch(start)
        if found is None or "\r" in start:
            raise SipParseError("a malformed status line")
        _check(headers, fault)
        if len(_stations(headers, "Via")) > 1:  # RFC 3261 section 8.1.3.3
            raise SipParseError("a response that is for somebody else")
        return SipResponse(int(found[1]), found[2] or "", headers, _body(headers, body, is_framed))
    except SipParseError as wrong:
        raise SipParseError(wrong.reason) from None


def _request(start: str, headers: Headers, body: bytes, fault: str | None, is_framed: bool) -> SipRequest:
    line = start.rstrip(BLANKS)
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not (_TOKEN.fullmatch(method) and _VERSION.fullmatch(version)):
        raise SipParseError("not a SIP message")
    try:
        if version.upper() != VERSION:
            raise SipParseError("another SIP version", status=505)
        if line != start:
            raise SipParseError("blanks behind the version", status=400)
        uri = parse_uri(target)
        if uri.headers:
            raise SipParseError("a Request-URI with headers", status=400)
        _check(headers, fault)
        _check_request(method, headers)
        return SipRequest(method, uri, headers, _body(headers, body, is_framed))
    except SipParseError as wrong:
        raise _answerable(wrong, method, headers) from None


def _check(headers: Headers, fault: str | None) -> None:
    """What every message needs to be one."""
    if fault is not None:
        raise SipParseError(fault, status=400)
    names = [key for key, _, _ in headers._fields]
    if any(names.count(name) > 1 for name in _SINGLE):
        raise SipParseError("a header that may be there only once is there twice", status=400)
    vias = _stations(headers, "Via")
    if not vias:
        raise SipParseError("no Via")
    for value in vias:
        parse_via(value)
    _needed(headers, "Call-ID")
    for name in ("From", "To"):
        parse_name_address(_needed(headers, name))
    parse_cseq(_needed(headers, "CSeq"))


def _check_request(method: str, headers: Headers) -> None:
    if parse_cseq(_needed(headers, "CSeq")).method != method:
        raise SipParseError("a CSeq of another method", status=400)
    if (hops := headers.get("Max-Forwards")) is not None:
        parse_number(hops, MAX_FORWARDS)
    for name in ("Contact", "Record-Route"):
        values = _stations(headers, name)
        if values and values != ["*"]:
            parse_name_addresses(values)


def _stations(headers: Headers, name: str) -> list[str]:
    values = headers.all(name)
    if len(values) > MAX_STATIONS:
        raise SipParseError(f"too many values of {name}", status=400)
    return values


def _body(headers: Headers, body: bytes, is_framed: bool) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise SipParseError("a body that is too large", status=513)
    stated = headers.get("Content-Length")
    if stated is None:
        return body
    length = parse_number(stated, 2**32 - 1)
    if is_framed:
        return body
    if length > len(body):
        raise SipParseError("a body that is shorter than its Content-Length", status=400)
    return body[:length]


def _answerable(wrong: SipParseError, method: str, headers: Headers) -> SipParseError:
    """The error with its answer; an ACK gets none, nor does a request that does not say where it came from."""
    if method == "ACK" or "Via" not in headers or wrong.status is None:
        return SipParseError(wrong.reason)
    return SipParseError(
        wrong.reason, status=wrong.status, answer=SipResponse(wrong.status, reason_of(wrong.status), _copied(headers))
    )


def _copied(headers: Headers) -> Headers:
    copy = Headers()
    for name in _COPIED:
        for value in headers.fields(name):
            copy.add(name, value)
    return copy


def _needed(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise SipParseError(f"no {name}", status=400)
    return value


def _readable(values: list[str]) -> list[NameAddress]:
    addresses = []
    for value in values:
        try:
            addresses.append(parse_name_address(value))
        except SipParseError:
            continue
    return addresses
