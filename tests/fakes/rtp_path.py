"""A media path without a network: what is sent is kept with its time, what arrives is handed in by the test."""

from __future__ import annotations

import asyncio
import struct

from audio.rtp.packet import RtpPacket
from gateway.transports.media.path import PathFailed, PathSink, Unheard


class FakePath:
    """Implements `MediaPath`."""

    def __init__(self) -> None:
        self.sink: PathSink = Unheard()
        self.sent: list[tuple[float, RtpPacket]] = []
        self.reports: list[tuple[float, bytes]] = []
        self.closed = 0
        self.breaks = False
        self.trouble = ""

    def deliver_to(self, sink: PathSink) -> None:
        self.sink = sink

    def send_rtp(self, packet: bytes) -> None:
        if self.breaks:
            raise RuntimeError("a bug")
        self.sent.append((asyncio.get_running_loop().time(), RtpPacket.from_wire(packet)))

    def send_rtcp(self, packet: bytes) -> None:
        self.reports.append((asyncio.get_running_loop().time(), packet))

    async def close(self) -> None:
        self.closed += 1

    # --- for tests -------------------------------------------------------------------------------------------------
    def arrive(self, packet: RtpPacket) -> None:
        self.sink.rtp_received(packet.to_wire())

    def lose(self, reason: str) -> None:
        self.sink.path_lost(PathFailed(reason))

    @property
    def packets(self) -> list[RtpPacket]:
        return [packet for _, packet in self.sent]

    def audio(self, payload_type: int) -> bytes:
        return b"".join(packet.payload for packet in self.packets if packet.payload_type == payload_type)


def event_payload(event: int, duration: int, *, end: bool = False) -> bytes:
    """RFC 4733 section 2.3."""
    return struct.pack("!BBH", event, (0x80 if end else 0) | 10, duration)
