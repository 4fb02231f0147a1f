"""The RTP header (RFC 3550 section 5.1), and telling RTP from RTCP on one port (RFC 5761)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from audio.format import MediaError

RTP_HEADER_BYTES = 12  # RFC 3550 section 5.1

_HEADER = struct.Struct("!BBHII")
_VERSION = 2
_WORD = 4
_PADDING, _EXTENSION, _CSRC_COUNT = 0x20, 0x10, 0x0F
_MARKER = 0x80


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet. Contributing sources, header extension and padding are read over, and never written.

    Attributes:
        payload_type: 0-127.
        sequence: 16 bits, one more with every packet sent.
        timestamp: 32 bits, in units of the payload type's clock.
        ssrc: 32 bits that name the source.
        payload: Without padding; may be empty.
        marker: For audio: the first packet after silence. For telephone events: the first packet of one.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    @classmethod
    def from_wire(cls, data: bytes) -> RtpPacket:
        """Read one datagram.

        Raises:
            MediaError: when it is no RTP packet of version 2, or shorter than it says.
        """
        if len(data) < RTP_HEADER_BYTES:
            raise MediaError(f"{len(data)} bytes are less than an RTP header")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        # version 2 and nothing else, as nearly always
        payload = data[RTP_HEADER_BYTES:] if first == 0x80 else _payload(data, first)
        return cls(second & 0x7F, sequence, timestamp, ssrc, payload, second >= _MARKER)

    def to_wire(self) -> bytes:
        """The packet as a datagram; every field has to be in its range."""
        second = self.payload_type | _MARKER if self.marker else self.payload_type
        return _HEADER.pack(0x80, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def _payload(data: bytes, first: int) -> bytes:
    """What is left between CSRCs, header extension and padding."""
    if first >> 6 != _VERSION:
        raise MediaError(f"version {first >> 6} is not RTP")
    start, end = RTP_HEADER_BYTES + _WORD * (first & _CSRC_COUNT), len(data)
    if first & _EXTENSION:
        if end < start + _WORD:
            raise MediaError("the packet ends before its header extension")
        start += _WORD + _WORD * int.from_bytes(data[start + 2 : start + _WORD])
    if first & _PADDING:
        if not 1 <= data[-1] <= end - RTP_HEADER_BYTES:
            raise MediaError(f"{data[-1]} bytes of padding do not fit the packet")
        end -= data[-1]
    if end < start:
        raise MediaError("the packet ends inside its header")
    return data[start:end]


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram from a port that carries both is RTCP: its packet type, seen as RTP's, is 64-95.

    RFC 5761 section 4 keeps that range free of RTP payload types. Neither is claimed of what has another version.
    """
    return len(data) >= 2 and data[0] >> 6 == _VERSION and 64 <= data[1] & 0x7F <= 95
