"""Our own audio sections: how what was agreed, or is offered, is written down. Who decides it is `answer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import LocalProtocolError
from gateway.transports.media.offered import TELEPHONE_EVENT, AudioSection, Direction, PayloadFormat, Security
from gateway.transports.media.path import DtlsRole, LocalIce, RemoteIce
from gateway.transports.media.sdes import Crypto
from gateway.transports.media.sdp import Attribute, Media, SessionDescription, network

PTIME_MS = 20
# By name in lower case. Dynamic payload types are those that browsers and PBXs use for the same. Of Opus we take no
# more than 16 kHz mono, and have no use for what it repeats of lost packets (RFC 7587 section 6.1).
OFFERED = {
    "pcmu": PayloadFormat(0, "PCMU", 8000),
    "pcma": PayloadFormat(8, "PCMA", 8000),
    "g722": PayloadFormat(9, "G722", 8000),
    "opus": PayloadFormat(111, "opus", 48000, 2, "minptime=10;maxplaybackrate=16000;stereo=0;useinbandfec=0"),
}
_OFFERED_EVENTS = {8000: 101, 48000: 110}
_EVENTS = range(17)  # the keys, and the hook flash that nearly everybody lists with them


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """Where our media are, and what protects them.

    Attributes:
        address: As the peer shall see it.
        port: Of RTP.
        rtcp_port: Of RTCP, written where it is not multiplexed.
        ice: Of a path with ICE and DTLS; its address and ports are those above.
        crypto: Our SDES keys: the one that belongs to what was agreed, or all that are offered.
    """

    address: str
    port: int
    rtcp_port: int | None = None
    ice: LocalIce | None = None
    crypto: tuple[Crypto, ...] = ()

    @classmethod
    def of(cls, ice: LocalIce) -> LocalMedia:
        return cls(address=ice.address, port=ice.port, rtcp_port=ice.rtcp_port, ice=ice)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedAudio:
    """What both sides know after an offer was read, or an answer.

    Attributes:
        peer: Its side as it wrote it: addresses, ICE, fingerprints.
        codec: With the payload type to send and to expect.
        event: Telephone events, of the codec's clock if there are such; None when the peer has none.
        direction: Ours.
        security: How media are protected.
        rtcp_mux: Whether RTCP shares the port.
        dtls_role: Ours.
        crypto: The SDES line of the peer that was chosen.
        others: Codecs that the peer may send as well, without a word (RFC 3264 section 6.1).
        index: Of the section in the description.
    """

    peer: AudioSection
    codec: PayloadFormat
    event: PayloadFormat | None
    direction: Direction
    security: Security
    rtcp_mux: bool
    dtls_role: DtlsRole = "passive"
    crypto: Crypto | None = None
    others: tuple[PayloadFormat, ...] = ()
    index: int = 0

    @property
    def is_held(self) -> bool:
        """Whether the peer does not listen."""
        return self.direction in ("recvonly", "inactive")

    @property
    def remote_ice(self) -> RemoteIce | None:
        """What a WebRTC path has to know of the peer; None unless it offers both ICE and DTLS."""
        ice, dtls = self.peer.ice, self.peer.dtls
        if ice is None or dtls is None or self.security != "dtls":
            return None
        return RemoteIce(
            ufrag=ice.ufrag,
            pwd=ice.password,
            fingerprints=dtls.fingerprints,
            role=self.dtls_role,
            candidates=ice.candidates,
            is_lite=ice.lite,
            rtcp_mux=self.rtcp_mux,
        )

    def restarts_ice(self, before: AgreedAudio) -> bool:
        """Whether the peer asks for new ICE credentials to be used (RFC 8839 section 4.4.3.1.1)."""
        now, then = self.peer.ice, before.peer.ice
        return now is not None and (then is None or (now.ufrag, now.password) != (then.ufrag, then.password))

    def restarts_dtls(self, before: AgreedAudio) -> bool:
        """Whether another certificate, or another role, needs another DTLS association (RFC 8842 section 4)."""
        now, then = self.peer.dtls, before.peer.dtls
        if self.security != "dtls" or now is None:
            return False
        return then is None or now.fingerprints != then.fingerprints or self.dtls_role != before.dtls_role


def agreed_section(agreed: AgreedAudio, local: LocalMedia, *, setup: str) -> Media:
    """Our section for what was agreed, in the words of the peer's: its profile, its payload types, its mid.

    Raises:
        LocalProtocolError: when `local` lacks what was agreed.
    """
    peer = agreed.peer
    media = Media(kind="audio", port=local.port, protocol=peer.protocol, formats=[], address=local.address)
    codec = replace(agreed.codec, parameters=OFFERED[agreed.codec.name.lower()].parameters)
    _write_formats(media, [codec, *([_keys(agreed.event)] if agreed.event else [])])
    media.attributes.append(("ptime", str(PTIME_MS)))
    if peer.mid:
        media.attributes.append(("mid", peer.mid))
    media.attributes.append((agreed.direction, ""))
    _write_rtcp(media, local, has_mux=agreed.rtcp_mux, has_port=not agreed.rtcp_mux)
    if agreed.security == "dtls":
        _write_dtls(media, local, setup)
    elif agreed.crypto:
        _write_crypto(media, local, agreed.crypto)
    if peer.ice:
        _write_ice(media, local)
    return media


def first_section(codecs: Sequence[str], local: LocalMedia, direction: Direction) -> Media:
    """Our section where nothing was agreed yet."""
    protocol = "UDP/TLS/RTP/SAVPF" if local.ice else "RTP/SAVP" if local.crypto else "RTP/AVP"
    media = Media(kind="audio", port=local.port, protocol=protocol, formats=[], address=local.address)
    formats = [OFFERED[name] for name in codecs]
    clocks = dict.fromkeys(entry.clock_rate for entry in formats)
    events = [PayloadFormat(_OFFERED_EVENTS[clock], TELEPHONE_EVENT, clock, 1, "0-16") for clock in clocks]
    _write_formats(media, [*formats, *events])
    media.attributes.append(("ptime", str(PTIME_MS)))
    if local.ice:
        media.attributes.append(("mid", "0"))
    media.attributes.append((direction, ""))
    _write_rtcp(media, local, has_mux=True, has_port=True)
    if local.ice:
        _write_dtls(media, local, "actpass")
    media.attributes += [("crypto", str(crypto)) for crypto in local.crypto]
    _write_ice(media, local)
    return media


def refused_section(media: Media) -> Media:
    """A section that is not used: port 0, but otherwise as it was (RFC 3264 section 6)."""
    mid = media.get("mid")
    attributes = [("mid", mid)] if mid else []
    return Media(
        kind=media.kind, port=0, protocol=media.protocol, formats=media.formats or ["0"], attributes=attributes
    )


def bundle(offer: SessionDescription, mid: str) -> list[Attribute]:
    """The group of our one section, if the offer had it in one (RFC 9143 section 7.3)."""
    groups = [value.split() for key, value in offer.attributes if key == "group"]
    is_grouped = any(words[:1] == ["BUNDLE"] and mid in words[1:] for words in groups)
    return [("group", f"BUNDLE {mid}")] if mid and is_grouped else []


def _keys(event: PayloadFormat) -> PayloadFormat:
    """The event's entry with those of its events that we know; a peer that names none means the keys."""
    named: set[int] = set()
    for part in event.parameters.split(","):
        first, _, last = part.strip().partition("-")
        if first.isascii() and first.isdigit() and len(first) <= 3:
            end = int(last) if last.isascii() and last.isdigit() and len(last) <= 3 else int(first)
            named.update(number for number in _EVENTS if int(first) <= number <= end)
    numbers = sorted(named) or list(_EVENTS)
    is_range = len(numbers) > 1 and len(numbers) == numbers[-1] - numbers[0] + 1
    return replace(event, parameters=f"{numbers[0]}-{numbers[-1]}" if is_range else ",".join(map(str, numbers)))


def _write_formats(media: Media, formats: list[PayloadFormat]) -> None:
    for entry in formats:
        media.formats.append(str(entry.payload_type))
        media.attributes.append(("rtpmap", entry.rtpmap))
        if entry.parameters:
            media.attributes.append(("fmtp", f"{entry.payload_type} {entry.parameters}"))


def _write_rtcp(media: Media, local: LocalMedia, *, has_mux: bool, has_port: bool) -> None:
    if has_port and local.rtcp_port is not None:
        media.attributes.append(("rtcp", f"{local.rtcp_port} {network(local.address)}"))
    if has_mux:
        media.attributes.append(("rtcp-mux", ""))


def _write_dtls(media: Media, local: LocalMedia, setup: str) -> None:
    if local.ice is None:
        raise LocalProtocolError("DTLS needs a fingerprint of ours")
    media.attributes += [("fingerprint", str(local.ice.fingerprint)), ("setup", setup)]


def _write_crypto(media: Media, local: LocalMedia, chosen: Crypto) -> None:
    ours = [crypto for crypto in local.crypto if (crypto.tag, crypto.suite) == (chosen.tag, chosen.suite)]
    if not ours:
        raise LocalProtocolError("SDES needs a key of ours")
    media.attributes.append(("crypto", str(ours[0])))


def _write_ice(media: Media, local: LocalMedia) -> None:
    """Nothing for media without ICE: a peer that offered it then goes by the address (RFC 8839 section 4.2.2)."""
    if local.ice is not None:
        media.attributes += [("ice-ufrag", local.ice.ufrag), ("ice-pwd", local.ice.pwd)]
        media.attributes += [("candidate", candidate) for candidate in local.ice.candidates]
        media.attributes.append(("end-of-candidates", ""))
