"""How well a call's media travel: what we report to the peer, and what it reports to us (RFC 3550 section 6.4).

`rtcp` has the wire. A `Reporter` is told of every packet; it sends and hears nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from audio.rtp.packet import RtpPacket
from audio.rtp.rtcp import Goodbye, ReceiverReport, ReportBlock, RtcpPacket, SenderReport, ntp_of, to_wire
from audio.rtp.stream import RtpSender

_LEAP = 3000  # packets; RFC 3550 appendix A.1, MAX_DROPOUT: more is a new start


class Reception:
    """Counts what comes of one source: losses (RFC 3550 appendix A.3) and jitter (appendix A.8).

    Args:
        first: The first packet of the source; it has to be counted by `count`, too.
        clock_rate: Of its timestamps, in Hz.
    """

    def __init__(self, first: RtpPacket, clock_rate: int) -> None:
        self.ssrc = first.ssrc
        self._clock_rate = clock_rate
        self._base = self._highest = first.sequence - 1
        self._received = self._before_expected = self._before_received = 0
        self._transit: float | None = None
        self._timestamp, self._payload_type = first.timestamp, first.payload_type
        self._jitter = 0.0
        self._report: tuple[int, float] | None = None  # time in the source's newest report, and when it came

    def count(self, packet: RtpPacket, now: float) -> None:
        """Another packet of this source, whatever is in it."""
        self._received += 1
        ahead = (packet.sequence - self._highest) & 0xFFFF
        if ahead == 1:
            self._highest += 1
        elif ahead < 0x8000:
            if ahead > _LEAP:
                self._base += ahead - 1  # nobody lost those
            self._highest += ahead
        before, timestamp, clock_rate = self._transit, packet.timestamp, self._clock_rate
        if timestamp == self._timestamp and before is not None:
            return  # as packets of one telephone event: they were not made when their timestamp says
        self._timestamp = timestamp
        self._transit = transit = now * clock_rate - timestamp
        if packet.payload_type != self._payload_type:
            self._payload_type = packet.payload_type
        elif before is not None:
            change = abs(transit - before)
            if change < clock_rate:  # a clock that begins anew, or a wrap, is no jitter
                self._jitter += (change - self._jitter) / 16

    def change_clock(self, clock_rate: int) -> None:
        """The timestamps have another clock from now on, as with another codec."""
        self._jitter *= clock_rate / self._clock_rate
        self._clock_rate, self._transit = clock_rate, None

    def sender_reported(self, report: SenderReport, now: float) -> None:
        """The source's own report came, which ours refer to so that it can tell the round trip."""
        self._report = report.ntp >> 16 & 0xFFFFFFFF, now

    @property
    def lost(self) -> int:
        """Packets that never came, less those that came twice."""
        return self._highest - self._base - self._received

    @property
    def received(self) -> int:
        return self._received

    @property
    def jitter(self) -> float:
        """In seconds."""
        return self._jitter / self._clock_rate

    def report(self, now: float) -> ReportBlock:
        """What happened since the last report."""
        expected = self._highest - self._base
        new, arrived = expected - self._before_expected, self._received - self._before_received
        self._before_expected, self._before_received = expected, self._received
        last_report, came = self._report or (0, now)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=max(0, new - arrived) / new if new > 0 else 0.0,
            lost=self.lost,
            highest=self._highest & 0xFFFFFFFF,
            jitter=int(self._jitter),
            last_report=last_report,
            delay=round((now - came) * 65536),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaQuality:
    """For the record of a call. Times in seconds; None: the peer has not reported.

    Attributes:
        received: Packets, of the newest source.
        lost: Packets of it that never came.
        jitter: Of its packets.
        peer_lost: Packets of ours that the peer missed.
        peer_jitter: Of ours, as the peer saw it.
        round_trip: Of the network, by the newest report.
    """

    received: int = 0
    lost: int = 0
    jitter: float = 0.0
    peer_lost: int | None = None
    peer_jitter: float | None = None
    round_trip: float | None = None


class Reporter:
    """Both directions of one call.

    Args:
        sender: Our stream.
        cname: Our canonical name: random for each call, so that nobody can be followed by it (RFC 7022).
        clock_rate: Of the audio's timestamps, in Hz.
        wall: Time of day, in seconds since 1970, at `now` 0.
    """

    INTERVAL = 5.0
    """Seconds between reports."""

    def __init__(self, sender: RtpSender, *, cname: str, clock_rate: int = 8000, wall: float = 0.0) -> None:
        self._sender = sender
        self._cname = cname
        self._clock_rate = clock_rate
        self._wall = wall
        self._reported = 0  # packets of ours at the last report
        self._reception: Reception | None = None
        self._peer: ReportBlock | None = None
        self._round_trip: float | None = None

    def change_clock(self, clock_rate: int) -> None:
        """The audio's timestamps have another clock from now on."""
        self._clock_rate = clock_rate
        if self._reception is not None:
            self._reception.change_clock(clock_rate)

    def received(self, packet: RtpPacket, now: float) -> None:
        """A packet came."""
        reception = self._reception
        if reception is None or reception.ssrc != packet.ssrc:
            reception = self._reception = Reception(packet, self._clock_rate)
        reception.count(packet, now)

    def reported(self, packets: list[RtcpPacket], now: float) -> bool:
        """A datagram of the peer's reports came. Returns whether the source that we hear says goodbye in it."""
        is_over = False
        for packet in packets:
            if isinstance(packet, Goodbye):
                is_over |= self._reception is not None and self._reception.ssrc in packet.ssrcs
                continue
            if isinstance(packet, SenderReport) and self._reception and packet.ssrc == self._reception.ssrc:
                self._reception.sender_reported(packet, now)
            for block in packet.blocks:
                if block.ssrc == self._sender.ssrc:
                    self._take(block, now)
        return is_over

    def report(self, now: float) -> bytes:
        """Our report: of what was sent, if there was anything since the last one, and of what was received."""
        blocks = (self._reception.report(now),) if self._reception else ()
        sender = self._sender
        packet: RtcpPacket = ReceiverReport(ssrc=sender.ssrc, blocks=blocks)
        if sender.packets != self._reported:
            packet = SenderReport(
                ssrc=sender.ssrc,
                ntp=ntp_of(self._wall + now),
                timestamp=sender.timestamp,
                packets=sender.packets,
                octets=sender.octets,
                blocks=blocks,
            )
            self._reported = sender.packets
        return to_wire(packet, self._cname)

    def goodbye(self) -> bytes:
        """That our stream ends."""
        return to_wire(Goodbye(ssrcs=(self._sender.ssrc,)), self._cname)

    @property
    def quality(self) -> MediaQuality:
        reception, peer = self._reception, self._peer
        return MediaQuality(
            received=reception.received if reception else 0,
            lost=max(reception.lost, 0) if reception else 0,
            jitter=reception.jitter if reception else 0.0,
            peer_lost=max(peer.lost, 0) if peer else None,
            peer_jitter=peer.jitter / self._clock_rate if peer else None,
            round_trip=self._round_trip,
        )

    def _take(self, block: ReportBlock, now: float) -> None:
        self._peer = block
        if block.last_report:
            arrived = ntp_of(self._wall + now) >> 16 & 0xFFFFFFFF
            elapsed = (arrived - block.last_report - block.delay) & 0xFFFFFFFF
            if elapsed < 1 << 31:  # else the peer's clock runs faster than ours by more than the round trip
                self._round_trip = elapsed / 65536
