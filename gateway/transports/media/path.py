"""What a media path is: the way RTP takes between us and the peer, whatever carries it.

`udp_media` has the plain one, `webrtc` the encrypted one; `media` stands on either. Here is what they and the SDP
share, as plain values, so that nobody loads WebRTC for a line that has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from audio.format import MediaError

DtlsRole = Literal["active", "passive"]
"""Ours, as in `a=setup` (RFC 4145): ``active`` begins the handshake."""
Unopened = Literal["repeated", "undecryptable"]
PEER_CLOSED = "the peer closed DTLS"
"""The reason where the peer ended a WebRTC path in order, as a browser does whose page is closed."""


class PathFailed(MediaError):
    """A media path could not be set up, or broke. The text names everything one needs to find out why."""


class PathSink(Protocol):
    """Takes what a path brings. Called from the socket, so it returns soon and raises nothing."""

    def rtp_received(self, packet: bytes) -> None: ...
    def rtcp_received(self, packet: bytes) -> None: ...
    def path_lost(self, failure: PathFailed) -> None:
        """Nothing will come or go any more. At most once, and not when we closed the path ourselves."""
        ...


class MediaPath(Protocol):
    """Carries RTP and RTCP packets, unencrypted on our side."""

    @property
    def trouble(self) -> str:
        """What is wrong with what comes, as far as the path can tell; empty: nothing."""
        ...

    def deliver_to(self, sink: PathSink) -> None:
        """Who takes what comes from now on."""
        ...

    def send_rtp(self, packet: bytes) -> None:
        """Send at once, or drop: a path that is not up, or is gone, takes packets and forgets them."""
        ...

    def send_rtcp(self, packet: bytes) -> None: ...
    async def close(self) -> None:
        """Give the sockets back. Calling it twice is harmless."""
        ...


class Shield(Protocol):
    """Encrypts what a path carries; `srtp` has one."""

    def protect(self, packet: bytes, *, is_rtcp: bool) -> bytes | None:
        """None: it cannot be sent."""
        ...

    def open(self, packet: bytes, now: float, *, is_rtcp: bool) -> bytes | Unopened:
        """A packet of the peer's, or why there is none."""
        ...


class Unheard:
    """The sink of a path that nobody listens to yet."""

    def rtp_received(self, packet: bytes) -> None: ...
    def rtcp_received(self, packet: bytes) -> None: ...
    def path_lost(self, failure: PathFailed) -> None: ...


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A certificate's digest, as in ``a=fingerprint:sha-256 AB:CD:...`` (RFC 8122 section 5)."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalIce:
    """What our SDP says about a WebRTC path.

    Attributes:
        candidates: Values of ``a=candidate`` (RFC 8839 section 5.1), without the name; all there will ever be.
        address: For ``c=``: the first candidate's.
        port: For the ``m=`` line.
        rtcp_port: For ``a=rtcp``; None where RTCP shares the port.
    """

    ufrag: str
    pwd: str
    fingerprint: Fingerprint
    candidates: tuple[str, ...]
    address: str
    port: int
    rtcp_port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteIce:
    """What the peer's SDP says about a WebRTC path.

    Attributes:
        fingerprints: Of the media section, else of the session; in the order of the SDP.
        role: Ours, that follows from its ``a=setup``.
        candidates: Values of its ``a=candidate`` lines, also those we cannot use.
        is_lite: It has ``a=ice-lite`` (RFC 8445 section 2.5): it only answers checks, so that we are controlling.
        rtcp_mux: RTP and RTCP share a port (RFC 5761). False only where the path was opened for it.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    role: DtlsRole
    candidates: tuple[str, ...] = ()
    is_lite: bool = False
    rtcp_mux: bool = True
