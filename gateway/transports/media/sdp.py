"""Session descriptions (RFC 8866) as text: read liberally, written strictly. What they mean is in `offered`.

Lines that are of no use to an audio call (bandwidth, times, keys, contact) are read over and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.errors import LocalProtocolError, RemoteProtocolError

MAX_BYTES = 1 << 16  # the longest SIP message that is read at all
MAX_LINES = 2000
MAX_MEDIA = 32

Attribute = tuple[str, str]
"""Name and value; the value of a flag such as ``rtcp-mux`` is empty."""


class SdpError(RemoteProtocolError):
    """The peer's description cannot be used.

    Args:
        reason: One sentence for the log.
        status: What to answer: 400 when it cannot be read, 488 when it offers nothing we can do.
        warning: What the peer is told with it, as a Warning header has it (RFC 3261 section 20.43): code and text.
    """

    def __init__(self, reason: str, *, status: int = 400, warning: tuple[int, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.warning = warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The ``o=`` line: whose session, and which version of it."""

    session_id: str
    version: str
    address: str = "0.0.0.0"
    username: str = "-"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {network(self.address)}"


@dataclass(slots=True, kw_only=True)
class Media:
    """One ``m=`` section.

    Attributes:
        kind: ``audio``, ``video``, ``application`` ...
        port: 0: refused, or not wanted any more.
        protocol: The profile, as written: ``RTP/AVP``, ``UDP/TLS/RTP/SAVPF`` ...
        formats: Payload types, as written, in order of preference.
        address: Of its own ``c=`` line.
        attributes: In order; unknown ones too.
    """

    kind: str
    port: int
    protocol: str
    formats: list[str]
    address: str | None = None
    attributes: list[Attribute] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The first value of an attribute; empty for a flag."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[str]:
        return (value for key, value in self.attributes if key == name)


@dataclass(slots=True, kw_only=True)
class SessionDescription:
    """A whole description.

    Attributes:
        address: Of the session's ``c=`` line.
        attributes: Of the session.
    """

    origin: Origin
    address: str | None = None
    attributes: list[Attribute] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The first value of a session attribute."""
        return next((value for key, value in self.attributes if key == name), None)

    @classmethod
    def from_wire(cls, body: bytes) -> SessionDescription:
        """Read a body of ``application/sdp``; line ends may be LF, and blanks may stand around.

        Raises:
            SdpError: when it is too long, or when a line that matters cannot be read.
        """
        if len(body) > MAX_BYTES:
            raise SdpError(f"{len(body)} bytes are too many for a session description")
        lines = body.decode("utf-8", "surrogateescape").replace("\r", "\n").split("\n")
        if len(lines) > MAX_LINES:
            raise SdpError(f"{len(lines)} lines are too many for a session description")
        description = cls(origin=Origin(session_id="0", version="0"))
        for line in lines:
            kind, _, value = line.partition("=")
            description._take(kind.strip(), value.strip())
        if not description.media:
            raise SdpError("the session description has no media")
        return description

    def _take(self, kind: str, value: str) -> None:
        if kind == "o":
            self.origin = _read_origin(value)
        elif kind == "m":
            if len(self.media) == MAX_MEDIA:
                raise SdpError(f"more than {MAX_MEDIA} media are too many")
            self.media.append(_read_media(value))
        elif kind == "c":
            target = self.media[-1] if self.media else self
            target.address = _read_connection(value)
        elif kind == "a":
            name, _, content = value.partition(":")
            attributes = self.media[-1].attributes if self.media else self.attributes
            attributes.append((name.strip().lower(), content.strip()))

    def to_wire(self) -> bytes:
        """The description as a body.

        Raises:
            LocalProtocolError: when a value holds a line end.
        """
        lines = ["v=0", f"o={self.origin}", "s=-"]
        if self.address is not None:
            lines.append(f"c={network(self.address)}")
        lines.append("t=0 0")
        lines += map(_attribute_line, self.attributes)
        for media in self.media:
            lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
            if media.address is not None:
                lines.append(f"c={network(media.address)}")
            lines += map(_attribute_line, media.attributes)
        if any("\r" in line or "\n" in line for line in lines):
            raise LocalProtocolError("a value of a session description cannot hold a line end")
        return "\r\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


def network(address: str) -> str:
    """An address as ``c=`` and ``o=`` write it."""
    return f"IN {'IP6' if ':' in address else 'IP4'} {address}"


def _attribute_line(attribute: Attribute) -> str:
    name, value = attribute
    return f"a={name}:{value}" if value else f"a={name}"


def _read_origin(value: str) -> Origin:
    words = value.split()
    if len(words) < 6:
        raise SdpError("the origin line has less than six words")
    return Origin(username=words[0], session_id=words[1], version=words[2], address=words[5])


def _read_connection(value: str) -> str:
    words = value.split()
    if len(words) < 3:
        raise SdpError("a connection line has less than three words")
    return words[2].partition("/")[0]  # a multicast address may have a time to live


def _read_media(value: str) -> Media:
    words = value.split()
    if len(words) < 3:
        raise SdpError("a media line has less than three words")
    port = words[1].partition("/")[0]
    if not (port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        raise SdpError("a media line has no port")
    return Media(kind=words[0].lower(), port=int(port), protocol=words[2], formats=words[3:])
