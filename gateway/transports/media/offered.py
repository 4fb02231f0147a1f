"""What an audio section of a session description says: codecs, addresses, direction, ICE, DTLS and SDES.

Used for offers and for answers alike; deciding is `answer`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.transports.media.path import Fingerprint
from gateway.transports.media.sdes import MAX_LINES, Crypto, SdesError, parse_crypto
from gateway.transports.media.sdp import Media, SessionDescription

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Security = Literal["none", "sdes", "dtls"]
Setup = Literal["active", "passive", "actpass", "holdconn"]

STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000)}  # RFC 3551 table 4
TELEPHONE_EVENT = "telephone-event"
FINGERPRINTS = ("sha-256", "sha-384", "sha-512")  # what DTLS here can check; SHA-1 is broken
_SHORT_TAG = "AES_CM_128_HMAC_SHA1_32"

_UNSPECIFIED = ("0.0.0.0", "::")
_DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUPS: tuple[Setup, ...] = ("active", "passive", "actpass", "holdconn")
_PLAIN = ("RTP/AVP", "RTP/AVPF")
_SECURE = ("RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """A payload type and what it stands for.

    Attributes:
        name: As written; compare it in lower case.
        parameters: Of its ``fmtp`` line.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    parameters: str = ""

    @property
    def rtpmap(self) -> str:
        channels = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.payload_type} {self.name}/{self.clock_rate}{channels}"


@dataclass(frozen=True, slots=True)
class Ice:
    """The peer's ICE agent (RFC 8839).

    Attributes:
        candidates: Values of its ``a=candidate`` lines, also those that nobody can use.
        lite: It only answers checks.
    """

    ufrag: str
    password: str
    candidates: tuple[str, ...]
    lite: bool = False


@dataclass(frozen=True, slots=True)
class Dtls:
    """The peer's certificate and role.

    Attributes:
        fingerprints: Those we can check, the best first; none when there is only SHA-1.
        setup: Of the peer.
    """

    fingerprints: tuple[Fingerprint, ...]
    setup: Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSection:
    """The peer's side of an audio stream.

    Attributes:
        address: Where it wants RTP; empty where there is no ``c=`` line.
        rtcp_address: Where it wants RTCP unless multiplexed.
        formats: In its order of preference.
        direction: As the peer sees it; an unspecified address without ICE is the old way of holding: ``sendonly``,
            or ``inactive`` if it does not send either.
        mid: Empty where it has none.
        ptime: Milliseconds the peer would like per packet.
        crypto: Its SDES lines that can be used, the best first.
        crypto_faults: Why the others cannot.
    """

    protocol: str
    port: int
    address: str
    rtcp_address: str
    rtcp_port: int
    rtcp_mux: bool
    formats: tuple[PayloadFormat, ...]
    direction: Direction
    mid: str = ""
    ptime: int | None = None
    ice: Ice | None = None
    dtls: Dtls | None = None
    crypto: tuple[Crypto, ...] = ()
    crypto_faults: tuple[str, ...] = ()

    @property
    def security(self) -> tuple[Security, ...]:
        """How its media may be protected, the best first; empty when the profile is unknown, or when its means are
        missing or too weak.

        Keys beside a plain profile mean that it can do both (RFC 8643).
        """
        profile = self.protocol.upper()
        if profile in _PLAIN:
            return ("sdes", "none") if self.crypto else ("none",)
        has_keys = profile in _SECURE[:2] and bool(self.crypto)
        if profile in _SECURE and self.dtls and self.dtls.fingerprints and (self.ice or not has_keys):
            return ("dtls", "sdes") if has_keys else ("dtls",)
        return ("sdes",) if has_keys else ()


def read_audio(description: SessionDescription, media: Media) -> AudioSection:
    """What one section says, with what stands for the whole session where it is silent. Raises nothing: what cannot
    be read in an attribute is taken as absent."""
    address = media.address or description.address or ""
    ice = _read_ice(description, media)
    mux = media.get("rtcp-mux") is not None
    rtcp_port, rtcp_address = _read_rtcp(media, address)
    crypto, faults = _read_crypto(media)
    return AudioSection(
        protocol=media.protocol,
        port=media.port,
        address=address,
        rtcp_address=rtcp_address,
        rtcp_port=rtcp_port,
        rtcp_mux=mux,
        formats=tuple(_read_formats(media)),
        direction=_read_direction(description, media, is_gone=ice is None and address in _UNSPECIFIED),
        mid=media.get("mid") or "",
        ptime=_number(media.get("ptime") or ""),
        ice=ice,
        dtls=_read_dtls(description, media),
        crypto=crypto,
        crypto_faults=faults,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _read_rtcp(media: Media, address: str) -> tuple[int, str]:
    """RFC 3605; without the attribute the next port."""
    words = (media.get("rtcp") or "").split()
    port = _number(words[0]) if words else None
    if port is None:
        return media.port + 1, address
    return port, words[3] if len(words) == 4 else address


def _read_formats(media: Media) -> list[PayloadFormat]:
    maps = dict(_split_number(value) for value in media.all("rtpmap"))
    parameters = dict(_split_number(value) for value in media.all("fmtp"))
    formats = []
    for payload_type in map(_number, media.formats):
        if payload_type is None or payload_type > 127:
            continue
        name, clock_rate, channels = _read_rtpmap(maps.get(payload_type, ""))
        if not clock_rate and payload_type in STATIC:
            name, clock_rate = STATIC[payload_type]
        if clock_rate:
            fmtp = parameters.get(payload_type, "")
            formats.append(PayloadFormat(payload_type, name, clock_rate, channels, fmtp))
    return formats


def _split_number(value: str) -> tuple[int, str]:
    """``0 PCMU/8000`` as number and rest; -1 where no number is."""
    first, _, rest = value.partition(" ")
    number = _number(first)
    return (-1 if number is None else number), rest.strip()


def _read_rtpmap(value: str) -> tuple[str, int, int]:
    name, *rest = [part.strip() for part in value.split("/")]
    clock_rate = _number(rest[0]) if rest else None
    channels = _number(rest[1]) if len(rest) > 1 else None
    return name, clock_rate or 0, channels or 1


def _read_direction(description: SessionDescription, media: Media, *, is_gone: bool) -> Direction:
    stated = [name for name in _DIRECTIONS if media.get(name) is not None] or [
        name for name in _DIRECTIONS if description.get(name) is not None
    ]
    direction: Direction = stated[0] if stated else "sendrecv"
    if is_gone:
        return "sendonly" if direction in ("sendrecv", "sendonly") else "inactive"
    return direction


def _read_ice(description: SessionDescription, media: Media) -> Ice | None:
    ufrag = media.get("ice-ufrag") or description.get("ice-ufrag")
    password = media.get("ice-pwd") or description.get("ice-pwd")
    if not ufrag or not password:
        return None
    return Ice(ufrag, password, tuple(media.all("candidate")), description.get("ice-lite") is not None)


def _read_dtls(description: SessionDescription, media: Media) -> Dtls | None:
    values = list(media.all("fingerprint")) or [value for key, value in description.attributes if key == "fingerprint"]
    if not values:
        return None
    prints = [Fingerprint(words[0].lower(), words[1].upper()) for value in values if len(words := value.split()) == 2]
    known = sorted((p for p in prints if p.algorithm in FINGERPRINTS), key=lambda p: FINGERPRINTS.index(p.algorithm))
    stated = media.get("setup") or description.get("setup") or "active"  # RFC 4145 section 4: the default of an offer
    return Dtls(tuple(known), next((setup for setup in _SETUPS if setup == stated.lower()), "active"))


def _read_crypto(media: Media) -> tuple[tuple[Crypto, ...], tuple[str, ...]]:
    """Lines that can be used, in the peer's order but for the short tag; and what is wrong with the others."""
    lines, faults = [], []
    for value in list(media.all("crypto"))[:MAX_LINES]:
        try:
            lines.append(parse_crypto(value))
        except SdesError as fault:
            faults.append(str(fault))
    return tuple(sorted(lines, key=lambda line: line.suite == _SHORT_TAG)), tuple(faults)
