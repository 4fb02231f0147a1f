"""The receiving side of RTP: packets in the order they were sent, with lost ones concealed.

Made for listening machines rather than for ears: they need order and a steady time base, not a playout clock. What is
sent is numbered by `stream`; pauses become silence in `audio.framing.Timeline`, which goes by the call's clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from audio.codecs.live import Codec
from audio.format import MediaError
from audio.frame import Frame
from audio.rtp.packet import RtpPacket

_HALF_SEQUENCE, _HALF_TIME = 1 << 15, 1 << 31
_SEQUENCE_MASK, _TIME_MASK = 0xFFFF, 0xFFFFFFFF


class Ear:
    """Passes packets in order at once, and waits a little where one is missing.

    - A hole waits until a packet `DEPTH` places further on has come, or for `WAIT`. Then it is lost, and concealed by
      its codec; so a loss costs its own length of delay once, and nothing afterwards.
    - Packets of telephone events, comfort noise and anything else without a codec fill their place without audio.
    - A timestamp that runs ahead without a missing packet is a pause (silence suppression, keys). It moves the
      position of what follows, and `Timeline` makes silence of it as far as the clock agrees. A loss longer than
      `MOST_CONCEALED` is treated as a pause, too: its time has been filled by then.
    - A timestamp that goes back while the sequence goes on is a sender's new clock: what follows is joined on.
    - Another source, or a leap of more than `LEAP` in the sequence, begins a new stream at the next position.

    A packet in order costs about a microsecond.

    Args:
        codecs: By payload type; all of the same format.
    Raises:
        MediaError: when there is no codec, or when their formats differ.
    """

    DEPTH = 3
    WAIT = 0.06
    """Seconds that what came after a hole waits at most."""
    LEAP = 200
    MOST_CONCEALED = 0.08
    """Seconds."""
    LONGEST_PAUSE = 30.0
    """Seconds of pause that a timestamp is believed."""

    def __init__(self, codecs: Mapping[int, Codec]) -> None:
        formats = {codec.format for codec in codecs.values()}
        if len(formats) != 1:
            raise MediaError(f"the codecs of one stream have {len(formats)} formats")
        self.format = formats.pop()
        self.lost = 0
        """Packets given up for lost; telephone events are among them."""
        self.ignored = 0
        """Packets that came twice, or after they had been given up."""
        self.undecodable = 0
        self._codecs = dict(codecs)
        self._unheard: set[int] = set()  # payload types that were learned, and have not come yet
        self._width, self._rate = self.format.encoding.bytes_per_sample, self.format.rate
        self._held: dict[int, tuple[RtpPacket, float]] = {}  # by sequence, with the time of arrival
        self._ssrc = -1
        self._next = 0  # sequence
        self._position = 0  # samples so far, pauses included
        self._payload_type = -1  # of the newest audio
        self._expected = 0  # timestamp at the end of the newest audio
        self._ticks = 0  # its length by the RTP clock

    def learn(self, payload_type: int, codec: Codec) -> None:
        """Decode a payload type by a codec, from the next packet on, which goes on where the last one has ended.

        Raises:
            MediaError: when its format is not that of the others.
        """
        if codec.format != self.format:
            raise MediaError(f"this stream is heard as {self.format}, not {codec.format}")
        if self._codecs.get(payload_type) is not codec:
            self._codecs[payload_type] = codec
            self._unheard.add(payload_type)

    def forget(self, payload_type: int) -> None:
        """Packets of a payload type are no audio any more; harmless where they were none."""
        self._codecs.pop(payload_type, None)

    @property
    def position(self) -> int:
        """Samples so far, pauses included: where the next audio goes unless there is a pause."""
        return self._position

    def push(self, packet: RtpPacket, now: float) -> list[Frame]:
        """What can be heard now that this packet has come.

        Args:
            packet: The next datagram of the stream, whatever its payload type.
            now: Seconds, of any origin.
        Returns:
            Frames in order, `pts_samples` counted by the sender's clock from 0 at the first audio.
        """
        if packet.sequence == self._next and not self._held and packet.ssrc == self._ssrc:
            self._next = (packet.sequence + 1) & _SEQUENCE_MASK
            return self._hear(packet)
        return self._push_with_care(packet, now)

    def next_deadline(self) -> float:
        """When `release` has something to return; infinite while nothing waits."""
        return min(arrival for _, arrival in self._held.values()) + self.WAIT if self._held else math.inf

    def release(self, now: float) -> list[Frame]:
        """What has waited long enough. To be called when `next_deadline` has passed."""
        return self._drain(now)

    def _push_with_care(self, packet: RtpPacket, now: float) -> list[Frame]:
        ahead = (packet.sequence - self._next) & _SEQUENCE_MASK
        if packet.ssrc != self._ssrc or self.LEAP < ahead < _SEQUENCE_MASK - self.LEAP:
            return self._begin_with(packet)
        if ahead >= _HALF_SEQUENCE or packet.sequence in self._held:
            self.ignored += 1
            return []
        self._held[packet.sequence] = packet, now
        return self._drain(now)

    def _begin_with(self, packet: RtpPacket) -> list[Frame]:
        """A new stream; what the old one had waiting is heard before it."""
        frames = self._drain(math.inf)
        for codec in self._codecs.values():
            codec.reset()
        self._ssrc, self._payload_type = packet.ssrc, -1
        self._next = (packet.sequence + 1) & _SEQUENCE_MASK
        return frames + self._hear(packet)

    def _drain(self, now: float) -> list[Frame]:
        frames: list[Frame] = []
        while self._held:
            arrived = self._held.pop(self._next, None)
            if arrived is not None:
                frames += self._hear(arrived[0])
            elif self._is_lost(now):
                self.lost += 1
                frames += self._conceal()
            else:
                break
            self._next = (self._next + 1) & _SEQUENCE_MASK
        return frames

    def _is_lost(self, now: float) -> bool:
        """Whether the missing packet is given up."""
        return now >= self.next_deadline() or any(self._ahead(sequence) >= self.DEPTH for sequence in self._held)

    def _ahead(self, sequence: int) -> int:
        return (sequence - self._next) & _SEQUENCE_MASK

    def _conceal(self) -> list[Frame]:
        """Audio for one missing packet, no more of it than the next packet's timestamp leaves room for."""
        codec = self._codecs.get(self._payload_type)
        if codec is None:
            return []
        follower = self._held[min(self._held, key=self._ahead)][0]
        missing = (follower.timestamp - self._expected) & _TIME_MASK
        if not 0 < missing <= self.MOST_CONCEALED * codec.clock_rate:
            return []
        samples = min(missing, self._ticks) * self._rate // codec.clock_rate
        return self._pass_on(codec, codec.conceal(samples), self._expected)

    def _hear(self, packet: RtpPacket) -> list[Frame]:
        codec = self._codecs.get(packet.payload_type)
        if codec is None or not packet.payload:
            return []
        if packet.timestamp != self._expected or packet.payload_type != self._payload_type:
            self._pause(packet, codec)
        try:
            data = codec.decode(packet.payload)
        except MediaError:
            self.undecodable += 1
            data = codec.conceal(self._ticks * self._rate // codec.clock_rate)
        return self._pass_on(codec, data, packet.timestamp)

    def _pause(self, packet: RtpPacket, codec: Codec) -> None:
        """Move the position by what the timestamp says is missing, where it can be believed."""
        before = self._codecs.get(self._payload_type)
        self._payload_type = packet.payload_type
        is_new = packet.payload_type in self._unheard
        self._unheard.discard(packet.payload_type)
        if is_new or before is None or before.clock_rate != codec.clock_rate:
            return
        pause = (packet.timestamp - self._expected) & _TIME_MASK
        if pause <= self.LONGEST_PAUSE * codec.clock_rate:
            self._position += pause * self._rate // codec.clock_rate

    def _pass_on(self, codec: Codec, data: bytes, timestamp: int) -> list[Frame]:
        if not data:
            return []
        samples = len(data) // self._width
        frame = Frame(data, self.format, self._position)
        self._position += samples
        self._ticks = samples * codec.clock_rate // self._rate
        self._expected = (timestamp + self._ticks) & _TIME_MASK
        return [frame]
