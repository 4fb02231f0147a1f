"""SRTP and SRTCP (RFC 3711) of a plain path, with keys that both sides have by their descriptions (`sdes`).

libsrtp does the work. It is imported for calls with keys alone.
"""

from __future__ import annotations

import pylibsrtp
from pylibsrtp import Policy, Session

from gateway.transports.media.path import Unopened
from gateway.transports.media.sdes import SUITES, Crypto

OLD_KEY_FOR = 5.0
"""Seconds for which packets under the peer's previous key are still taken: they were on their way when it changed."""
WINDOW = 128
"""Packets by which one may be late, and within which none counts twice."""
MAX_PACKET_BYTES = 1340
"""Longest packet libsrtp takes to protect; its buffer has room for 1,500 bytes with the longest MKI and tag."""

_PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
_REPEATED = ("replay check failed (bad index)", "replay check failed (index too old)")


class _Inbound:
    """The peer's packets under one key."""

    def __init__(self, theirs: Crypto) -> None:
        self._session = _session(theirs, Policy.SSRC_ANY_INBOUND)
        self._mki = theirs.mki_bytes
        self._suite = SUITES[theirs.suite]

    def open(self, packet: bytes, *, is_rtcp: bool) -> bytes | Unopened:
        """The packet, or why there is none."""
        if self._mki:
            packet = self._without_mki(packet, self._suite.rtcp_tag if is_rtcp else self._suite.rtp_tag)
        try:
            return self._session.unprotect_rtcp(packet) if is_rtcp else self._session.unprotect(packet)
        except pylibsrtp.Error as error:
            return "repeated" if str(error) in _REPEATED else "undecryptable"
        except ValueError:  # longer than the buffer
            return "undecryptable"

    def _without_mki(self, packet: bytes, tag: int) -> bytes:
        """It stands before the tag, and is not a part of what the tag proves (RFC 3711 section 3.1)."""
        end = len(packet) - tag
        return packet[: max(0, end - self._mki)] + packet[end:]


class Srtp:
    """One call, both ways. A `Shield`."""

    def __init__(self, ours: Crypto, theirs: Crypto) -> None:
        self._ours, self._theirs = ours, theirs
        self._out = _session(ours, Policy.SSRC_ANY_OUTBOUND)
        self._in = _Inbound(theirs)
        self._before: _Inbound | None = None
        self._before_until = 0.0

    def change(self, ours: Crypto, theirs: Crypto, now: float) -> None:
        """Go on with these keys; one that stays the same keeps counting."""
        if ours != self._ours:
            self._ours, self._out = ours, _session(ours, Policy.SSRC_ANY_OUTBOUND)
        if theirs != self._theirs:
            self._before, self._before_until = self._in, now + OLD_KEY_FOR
            self._theirs, self._in = theirs, _Inbound(theirs)

    def protect(self, packet: bytes, *, is_rtcp: bool) -> bytes | None:
        """A packet of ours as it goes out; None when it cannot."""
        if len(packet) > MAX_PACKET_BYTES:
            return None
        try:
            return self._out.protect_rtcp(packet) if is_rtcp else self._out.protect(packet)
        except pylibsrtp.Error:  # a number that was used, or a key used up
            return None

    def open(self, packet: bytes, now: float, *, is_rtcp: bool) -> bytes | Unopened:
        """A packet of the peer's, or why there is none."""
        opened = self._in.open(packet, is_rtcp=is_rtcp)
        if opened == "undecryptable" and self._before is not None:
            if now < self._before_until:
                return self._before.open(packet, is_rtcp=is_rtcp)
            self._before = None
        return opened


def _session(crypto: Crypto, kind: int) -> Session:
    policy = Policy(key=crypto.key, ssrc_type=kind, srtp_profile=_PROFILES[crypto.suite])
    policy.window_size = WINDOW
    return Session(policy)
