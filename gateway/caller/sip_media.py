"""A telephone's own RTP, for calls by SIP: packets for what is said and keyed, and what was heard, to the sample.

It shares no more with the gateway than the packet's header, so that it can judge what the gateway sends: its numbers,
its time stamps, its pace.
"""

from __future__ import annotations

import secrets
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from audio.format import AudioFormat, MediaError
from audio.rtp.packet import RtpPacket, is_rtcp
from gateway.caller.ear import Ear

KEYS = "0123456789*#ABCD"  # RFC 4733 section 3.2
SLOT = 0.02
TONE_SLOTS, PAUSE_SLOTS = 5, 3  # 100 ms and 60 ms
PAUSE = 0.5
"""Seconds of silence within speech that are heard as a part of it; RTP does not say where speech ends."""
AHEAD = 0.3
"""Seconds by which a packet may come too early; nobody's jitter buffer has room for more."""
SURPLUS = 0.02
"""Seconds above the delay that are put up with."""
_EVENT = struct.Struct("!BBH")
_END, _VOLUME = 0x80, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Payload types, as offer and answer have them; ``event_type``: of telephone-event, if there is one."""

    audio_type: int
    event_type: int | None


class RtpMouth:
    """Writes packets: one source, one sequence, one clock."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(32)
        self._is_first = True
        self._keys: deque[str] = deque()
        self._key = -1
        self._began = 0
        self._slot = 0  # of the key that sounds, or of the pause after it

    def audio(self, data: bytes, agreed: Agreed) -> list[bytes]:
        """Packets of 20 ms; a key that sounds takes the place of one."""
        size = self._format.size(SLOT)
        return [
            packet
            for start in range(0, len(data), size)
            for packet in self._slot_of(data[start : start + size], agreed)
        ]

    def key(self, key: str, agreed: Agreed) -> list[bytes]:
        """Press a key, at once unless another one sounds.

        Raises:
            MediaError: there is no such key, or the far side takes none.
        """
        if agreed.event_type is None or key not in KEYS:
            raise MediaError(f"the key {key} cannot be sent")
        self._keys.append(key)
        return self._event(agreed.event_type) if self._is_free else []

    @property
    def _is_free(self) -> bool:
        return self._key < 0 and self._slot == 0

    def _slot_of(self, data: bytes, agreed: Agreed) -> list[bytes]:
        packets: list[bytes] = []
        if agreed.event_type is not None:
            if self._key >= 0 or (self._keys and self._is_free):
                packets = self._event(agreed.event_type)
            else:
                self._slot = max(0, self._slot - 1)
        samples = self._format.samples(len(data))
        if not packets:
            packets = [self._packet(agreed.audio_type, self._timestamp, data, marker=self._is_first)]
            self._is_first = False
        self._timestamp = (self._timestamp + samples) & 0xFFFFFFFF
        return packets

    def _event(self, payload_type: int) -> list[bytes]:
        """The next packet of the key that sounds, or the first of the next key (RFC 4733 section 2.5)."""
        is_first = self._key < 0
        if is_first:
            self._key, self._began, self._slot = KEYS.index(self._keys.popleft()), self._timestamp, 0
        self._slot += 1
        is_last = self._slot == TONE_SLOTS
        duration = self._slot * round(SLOT * self._format.rate)
        payload = _EVENT.pack(self._key, (_END if is_last else 0) | _VOLUME, duration)
        if is_last:
            self._key, self._slot = -1, PAUSE_SLOTS
        copies = 3 if is_last else 1
        return [self._packet(payload_type, self._began, payload, marker=is_first) for _ in range(copies)]

    def _packet(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return RtpPacket(payload_type, self._sequence, timestamp, self._ssrc, payload, marker).to_wire()


class RtpEar:
    """Plays what arrives into an `Ear`, by its time stamps, from the moment the first packet is there.

    A packet that comes too late to be played moves all after it. Where the far side's clock is faster, what has become
    too much is caught up on in silence. Silence is not heard, but for pauses in speech.

    Args:
        delay: Seconds that packets wait to be played, against jitter.
        complain: Told what no telephone would put up with.
        keyed: Told of a key.

    Attributes:
        packets, lost, late: Counted: audio packets; numbers that were left out; packets behind their time or doubled.
        reports: RTCP packets.
    """

    def __init__(
        self, ear: Ear, *, delay: float, complain: Callable[[float, str], None], keyed: Callable[[float, str], None]
    ) -> None:
        self._ear = ear
        self._delay = delay
        self._complain = complain
        self._keyed = keyed
        self.packets = self.lost = self.late = self.reports = 0
        self._sequence: int | None = None
        self._ssrc = 0
        self._timestamp, self._due = 0, 0.0  # of the latest packet, and when it is heard
        self._pause: list[tuple[float, bytes]] = []
        self._spoke_until = float("-inf")
        self._event = -1

    def receive(self, data: bytes, agreed: Agreed, now: float) -> None:
        """A datagram from the far side's media."""
        if is_rtcp(data):
            self.reports += 1
            return
        try:
            packet = RtpPacket.from_wire(data)
        except MediaError as error:
            self._complain(now, str(error))
            return
        if packet.payload_type == agreed.event_type:
            self._note(packet)
            self._hear_key(packet, now)
        elif packet.payload_type == agreed.audio_type:
            self.packets += 1
            if self._note(packet) and (due := self._when(packet, now)) is not None:
                self._play(packet.payload, due)
        else:
            self._complain(now, f"payload type {packet.payload_type} was not agreed on")

    def _note(self, packet: RtpPacket) -> bool:
        """Count by the packet's number; False for one that is late or doubled."""
        if self._sequence is None or packet.ssrc != self._ssrc:
            self._sequence, self._ssrc, self._due = packet.sequence, packet.ssrc, float("-inf")
            return True
        step = (packet.sequence - self._sequence) & 0xFFFF
        if step == 0 or step >= 1 << 15:
            self.late += 1
            return False
        self.lost += step - 1
        self._sequence = packet.sequence
        return True

    def _when(self, packet: RtpPacket, now: float) -> float | None:
        """When this packet is heard; None: never, it is silence of which there is too much."""
        ahead = (packet.timestamp - self._timestamp) & 0xFFFFFFFF
        ahead -= (ahead & 1 << 31) << 1  # signed
        due = self._due + ahead / self._ear.format.rate
        if due > now + self._delay + AHEAD:
            self._complain(now, f"audio comes {due - now:.2f} s ahead of its time")
        if due > now + self._delay + SURPLUS and self._is_silent(packet.payload):
            self._timestamp, self._due = packet.timestamp, due - self._ear.format.seconds(len(packet.payload))
            return None
        if due < now - 1e-6:
            due = now + self._delay
        self._timestamp, self._due = packet.timestamp, due
        return due

    def _play(self, payload: bytes, at: float) -> None:
        if self._is_silent(payload):
            if at - self._spoke_until < PAUSE:
                self._pause.append((at, payload))
            return
        pause, self._pause = self._pause, []
        if at - self._spoke_until < PAUSE:
            for since, silence in pause:
                self._ear.play_at(silence, since)
        self._ear.play_at(payload, at)
        self._spoke_until = at + self._ear.format.seconds(len(payload))

    def _is_silent(self, payload: bytes) -> bool:
        return not payload.strip(self._ear.format.encoding.silence)

    def _hear_key(self, packet: RtpPacket, now: float) -> None:
        if len(packet.payload) < _EVENT.size or packet.payload[0] >= len(KEYS):
            self._complain(now, "telephone event not understood")
        elif packet.timestamp != self._event:
            self._event = packet.timestamp
            self._keyed(now, KEYS[packet.payload[0]])
