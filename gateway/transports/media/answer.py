"""Offer and answer (RFC 3264) for calls with one audio stream: what was agreed, and the description that says so.

`Negotiation` is told what the peer wrote and where our media are, and decides codec, payload types, direction, profile
and DTLS role. It opens nothing: between `read_offer` and `answer` its owner prepares the media that were agreed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from gateway.errors import LocalProtocolError
from gateway.transports.media.described import (
    OFFERED,
    AgreedAudio,
    LocalMedia,
    agreed_section,
    bundle,
    first_section,
    refused_section,
)
from gateway.transports.media.offered import (
    TELEPHONE_EVENT,
    AudioSection,
    Direction,
    PayloadFormat,
    Security,
    read_audio,
)
from gateway.transports.media.path import DtlsRole
from gateway.transports.media.sdes import Crypto
from gateway.transports.media.sdp import Attribute, Media, Origin, SdpError, SessionDescription

MUST_ENCRYPT = (302, "this line takes encrypted audio only: RTP/SAVP with a=crypto, or DTLS-SRTP")
"""The Warning for who offers plain audio alone where that is not taken: 302, incompatible transport protocol."""
_MIRRORED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class Negotiation:
    """Offers and answers of one dialog, in the order in which they happen.

    Args:
        codecs: Names of codecs in our order of preference, out of `OFFERED`.
        security: What our media can do.
        session_id: Of our ``o=`` lines: digits, unique for the host and user.
    """

    def __init__(
        self,
        codecs: Sequence[str] = ("PCMA", "PCMU"),
        *,
        session_id: int,
        security: Collection[Security] = ("none", "dtls"),
    ) -> None:
        self._codecs = [name.lower() for name in codecs]
        if unknown := [name for name in self._codecs if name not in OFFERED]:
            raise LocalProtocolError(f"there is no codec {unknown[0]}")
        self._security = frozenset(security)
        self._session_id = str(session_id)
        self._version = session_id
        self._address = "0.0.0.0"
        self._body: SessionDescription | None = None  # ours, as it was sent last
        self._offer: SessionDescription | None = None  # the peer's, still without an answer
        self._pending: AgreedAudio | None = None  # from that offer
        self.agreed: AgreedAudio | None = None
        """What holds now."""

    # --- the peer offers -------------------------------------------------------------------------------------------
    def read_offer(self, body: bytes) -> AgreedAudio:
        """What an answer to this offer would agree on; it holds once `answer` was called.

        Raises:
            SdpError: with status 400 when it cannot be read, with 488 when there is nothing in it that we can do.
        """
        self._offer = self._pending = None
        description = SessionDescription.from_wire(body)
        reasons, is_plain = [], False
        for index, media in enumerate(description.media):
            section = read_audio(description, media)
            chosen = self._choose(section, index) if media.kind == "audio" and media.port else f"no {media.kind}"
            if isinstance(chosen, AgreedAudio):
                self._offer, self._pending = description, chosen
                return chosen
            reasons.append(chosen)
            is_plain = is_plain or "none" in section.security
        warning = MUST_ENCRYPT if is_plain and "none" not in self._security else None
        raise SdpError(f"nothing in the offer can be used: {'; '.join(reasons)}", status=488, warning=warning)

    def answer(self, local: LocalMedia) -> bytes:
        """Our answer to the offer that was read last. The same answer to the same offer keeps its version.

        Raises:
            LocalProtocolError: when there is no offer, or when `local` lacks what was agreed.
        """
        if self._offer is None or self._pending is None:
            raise LocalProtocolError("there is no offer to answer")
        offer, agreed = self._offer, self._pending
        media = [
            agreed_section(agreed, local, setup=agreed.dtls_role) if index == agreed.index else refused_section(section)
            for index, section in enumerate(offer.media)
        ]
        self._offer = self._pending = None
        self.agreed = agreed
        return self._written(local, media, bundle(offer, agreed.peer.mid))

    # --- we offer --------------------------------------------------------------------------------------------------
    def offer(self, local: LocalMedia, direction: Direction = "sendrecv") -> bytes:
        """Our offer: for an INVITE without one, or, once something was agreed, to change the direction.

        A later offer repeats what was agreed (RFC 3264 section 8), so that no payload type changes its meaning.
        """
        media = [refused_section(section) for section in self._body.media] if self._body else []
        if self.agreed:
            again = replace(self.agreed, direction=direction)
            media[again.index] = agreed_section(again, local, setup="actpass")
        else:
            media = [first_section(self._codecs, local, direction)]
        mid = next(section.get("mid") for section in media if section.port)
        return self._written(local, media, [("group", f"BUNDLE {mid}")] if local.ice and mid else [])

    def read_answer(self, body: bytes) -> AgreedAudio:
        """What was agreed by the peer's answer to our last offer.

        Raises:
            SdpError: when it cannot be read (400), or when it refuses the audio (488).
        """
        if self._body is None:
            raise LocalProtocolError("there is no offer that could have been answered")
        index = self.agreed.index if self.agreed else 0
        description = SessionDescription.from_wire(body)
        if index >= len(description.media):
            raise SdpError("the answer has fewer media than the offer")
        ours, media = self._body.media[index], description.media[index]
        if media.kind != "audio" or not media.port:
            raise SdpError("the answer refuses the audio", status=488)
        section = read_audio(description, media)
        formats = tuple(entry for entry in section.formats if str(entry.payload_type) in ours.formats)
        keyed = {tuple(value.split()[:2]) for value in ours.all("crypto")}
        crypto = tuple(line for line in section.crypto if (line.tag, line.suite) in keyed)
        chosen = self._choose(replace(section, formats=formats, crypto=crypto), index)
        if isinstance(chosen, str):
            raise SdpError(f"the answer cannot be used: {chosen}", status=488)
        mux = section.rtcp_mux and ours.get("rtcp-mux") is not None
        self.agreed = replace(chosen, peer=section, rtcp_mux=mux)
        return self.agreed

    # --- both ------------------------------------------------------------------------------------------------------
    def _choose(self, section: AudioSection, index: int) -> AgreedAudio | str:
        """What can be agreed on with this section, or why nothing can be."""
        security = next((means for means in section.security if means in self._security), None)
        if security is None:
            return _no_means(section)
        if security == "dtls" and section.ice is None:
            return "no means for DTLS without ICE"
        codec = self._codec(section)
        if codec is None:
            return f"no common codec among {', '.join(entry.name for entry in section.formats) or 'none'}"
        return AgreedAudio(
            peer=section,
            codec=codec,
            event=_event(section, codec),
            direction=_MIRRORED[section.direction],
            security=security,
            rtcp_mux=section.rtcp_mux,
            dtls_role=self._role(section),
            crypto=self._crypto(section) if security == "sdes" else None,
            others=self._others(section, codec),
            index=index,
        )

    def _crypto(self, section: AudioSection) -> Crypto:
        """The line in use if it is still there, else the best."""
        current = self.agreed.crypto if self.agreed else None
        return current if current in section.crypto and current is not None else section.crypto[0]

    def _others(self, section: AudioSection, codec: PayloadFormat) -> tuple[PayloadFormat, ...]:
        """What else of the peer's list can be decoded."""
        return tuple(
            entry
            for entry in section.formats
            if entry is not codec
            and (name := entry.name.lower()) in self._codecs
            and entry.clock_rate == OFFERED[name].clock_rate
        )

    def _codec(self, section: AudioSection) -> PayloadFormat | None:
        """The one in use if it is still there, else our favourite."""
        current = [self.agreed.codec.name.lower()] if self.agreed else []
        for name in [*current, *self._codecs]:
            wanted = OFFERED[name]
            for entry in section.formats:
                if entry.name.lower() == name and entry.clock_rate == wanted.clock_rate:
                    return entry
        return None

    def _role(self, section: AudioSection) -> DtlsRole:
        """Server wherever the peer lets us: our own certificate is one that every peer can deal with."""
        if section.dtls is None or section.dtls.setup == "active":
            return "passive"
        if section.dtls.setup == "passive":
            return "active"
        before = self.agreed
        is_same = before and before.peer.dtls and before.peer.dtls.fingerprints == section.dtls.fingerprints
        return before.dtls_role if before and is_same else "passive"

    def _written(self, local: LocalMedia, media: list[Media], attributes: list[Attribute]) -> bytes:
        """The description; its version is one more than that of the last, unless nothing else has changed."""
        before = self._body
        if before and (before.media, before.attributes, self._address) != (media, attributes, local.address):
            self._version += 1
        self._address = local.address
        origin = Origin(session_id=self._session_id, version=str(self._version), address=local.address)
        self._body = SessionDescription(origin=origin, attributes=attributes, media=media)
        return self._body.to_wire()


def _no_means(section: AudioSection) -> str:
    if section.security == ("none",):
        return f"{section.protocol} is not encrypted"
    means, faults = " or ".join(section.security), "; ".join(section.crypto_faults)
    return f"no means for {section.protocol}{means and f' with {means}'}{faults and f' ({faults})'}"


def _event(section: AudioSection, codec: PayloadFormat) -> PayloadFormat | None:
    """Telephone events of the codec's clock (RFC 4733 section 2.1); any others where the peer has none such."""
    events = [entry for entry in section.formats if entry.name.lower() == TELEPHONE_EVENT]
    return min(events, key=lambda entry: entry.clock_rate != codec.clock_rate, default=None)
