"""RTCP on the wire (RFC 3550 section 6): reports, the name of the source, and goodbye. What they say is `reports`'s."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from audio.format import MediaError

_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_CNAME = 1  # SDES item, RFC 3550 section 6.5.1
_MAX_BLOCKS = 31
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_NTP_EPOCH = 2_208_988_800  # 1970 in seconds since 1900


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlock:
    """What one side received of a source (RFC 3550 section 6.4.1).

    Attributes:
        ssrc: Of the source.
        fraction_lost: Since the last report, 0 to 1, in steps of 1/256.
        lost: Packets since the beginning; negative where duplicates outnumber losses.
        highest: Extended sequence number: cycles in the upper 16 bits.
        jitter: In units of the source's clock.
        last_report: Middle 32 bits of the time in the source's last sender report; 0 if there was none.
        delay: Since that report, in units of 1/65536 s.
    """

    ssrc: int
    fraction_lost: float = 0.0
    lost: int = 0
    highest: int = 0
    jitter: int = 0
    last_report: int = 0
    delay: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    """What a source has sent, and what it has received.

    Attributes:
        ntp: When this was sent: seconds since 1900 in units of 2**-32 s.
        timestamp: The same moment by the RTP clock.
    """

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    """The sources leave."""

    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | Goodbye


def ntp_of(wall: float) -> int:
    """A time of day, in seconds since 1970, as sender reports have it."""
    return round((wall + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def from_wire(data: bytes) -> list[RtcpPacket]:
    """The packets of one datagram; names, feedback, application packets and unknown ones are read over.

    Raises:
        MediaError: when it is no RTCP, or shorter than it says.
    """
    packets: list[RtcpPacket] = []
    start = 0
    while start < len(data):
        if len(data) < start + 8:
            raise MediaError("an RTCP packet ends inside its header")
        first, kind, words = _HEADER.unpack_from(data, start)
        end = start + 4 * (words + 1)
        if first >> 6 != 2:
            raise MediaError(f"version {first >> 6} is not RTCP")
        if end > len(data):
            raise MediaError("an RTCP packet is shorter than it says")
        packet = _read(kind, first & 0x1F, data[start + 4 : end])
        if packet is not None:
            packets.append(packet)
        start = end
    return packets


def _read(kind: int, count: int, body: bytes) -> RtcpPacket | None:
    if kind == _SR:
        if len(body) < _SENDER.size:
            raise MediaError("a sender report is too short")
        ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        blocks = _read_blocks(body, _SENDER.size, count)
        return SenderReport(ssrc=ssrc, ntp=ntp, timestamp=timestamp, packets=packets, octets=octets, blocks=blocks)
    if kind == _RR:
        return ReceiverReport(ssrc=int.from_bytes(body[:4]), blocks=_read_blocks(body, 4, count))
    if kind == _BYE:
        if len(body) < 4 * count:
            raise MediaError("a goodbye is too short")
        return Goodbye(ssrcs=struct.unpack_from(f"!{count}I", body))
    return None


def _read_blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    if len(body) < start + count * _BLOCK.size:
        raise MediaError("a report has fewer blocks than it says")
    return tuple(_read_block(body, start + number * _BLOCK.size) for number in range(count))


def _read_block(body: bytes, start: int) -> ReportBlock:
    ssrc, losses, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, start)
    lost = losses & 0xFFFFFF
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=(losses >> 24) / 256,
        lost=lost - (1 << 24) if lost >= 1 << 23 else lost,
        highest=highest,
        jitter=jitter,
        last_report=last_report,
        delay=delay,
    )


def to_wire(packet: RtcpPacket, cname: str) -> bytes:
    """A datagram: a report or goodbye with the source's name, as RFC 3550 section 6.1 wants it compounded.

    Args:
        packet: Ours. Before a goodbye comes an empty receiver report.
        cname: Canonical name of the source, not longer than 255 bytes.
    Raises:
        MediaError: when there are too many blocks or sources, or when the name is too long.
    """
    if isinstance(packet, Goodbye):
        ssrc = packet.ssrcs[0]
        if len(packet.ssrcs) > _MAX_BLOCKS:
            raise MediaError(f"more than {_MAX_BLOCKS} sources do not fit a goodbye")
        body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs)
        empty = _packed(_RR, 0, ssrc.to_bytes(4))
        return empty + _name(ssrc, cname) + _packed(_BYE, len(packet.ssrcs), body)
    blocks = _write_blocks(packet.blocks)
    if isinstance(packet, ReceiverReport):
        body = packet.ssrc.to_bytes(4)
        return _packed(_RR, len(packet.blocks), body + blocks) + _name(packet.ssrc, cname)
    body = _SENDER.pack(
        packet.ssrc, packet.ntp, packet.timestamp, packet.packets & 0xFFFFFFFF, packet.octets & 0xFFFFFFFF
    )
    return _packed(_SR, len(packet.blocks), body + blocks) + _name(packet.ssrc, cname)


def _packed(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _name(ssrc: int, cname: str) -> bytes:
    text = cname.encode()
    if len(text) > 255:
        raise MediaError(f"{len(text)} bytes are too many for a canonical name")
    item = bytes([_CNAME, len(text)]) + text + b"\0"
    return _packed(_SDES, 1, ssrc.to_bytes(4) + item + bytes(-len(item) % 4))


def _write_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    if len(blocks) > _MAX_BLOCKS:
        raise MediaError(f"more than {_MAX_BLOCKS} blocks do not fit a report")
    return b"".join(map(_write_block, blocks))


def _write_block(block: ReportBlock) -> bytes:
    fraction = min(int(block.fraction_lost * 256), 255)
    lost = max(-(1 << 23), min(block.lost, (1 << 23) - 1)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc, fraction << 24 | lost, block.highest, block.jitter, block.last_report, block.delay & 0xFFFFFFFF
    )
