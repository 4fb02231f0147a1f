"""Keys as telephone events (RFC 4733): `DigitReceiver` reads them, `DigitSender` writes them."""

from __future__ import annotations

import math
import struct
from collections import deque
from typing import Literal

from audio.format import MediaError
from audio.rtp.packet import RtpPacket
from audio.rtp.stream import RtpSender

EVENTS = "0123456789*#ABCD"  # RFC 4733 section 3.2, events 0-15; 16 is a hook flash and no key
MAX_QUEUED = 64  # digits waiting to be sent

_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10  # -10 dBm0
_LONGEST = 0xFFFF  # duration of one segment, in units of the clock
_ENDS = 3  # RFC 4733 section 2.5.1.4: the last packet three times


class DigitReceiver:
    """Recognises key presses in the packets of one payload type, each once.

    A press is known by source and RTP timestamp, which all its packets share; so it does not matter which of them
    are lost, repeated or swapped. The marker bit is not needed: some telephones never set it. A press longer than a
    segment goes on in the next one (RFC 4733 section 2.5.1.3) and stays one press, as does one whose sender moves the
    timestamp on with every packet, against the RFC.

    Args:
        clock_rate: Of the payload type, in Hz.
        report: ``start`` tells a press with its first packet, so that it interrupts at once; ``end`` when it is over,
            be it by its end packet, by the next press, or by `SILENCE` because every end packet was lost.
    """

    SILENCE = 0.2
    """Seconds without a packet after which a press is over."""
    CLOSEST = 0.06
    """Seconds between the beginnings of two presses of the same key, at least: a tone lasts 40 ms, a pause too."""
    OUT_OF_DATE = 2.0
    """Seconds by which a packet's timestamp may lie back and still be of an earlier press, rather than a new clock."""

    def __init__(self, clock_rate: int = 8000, report: Literal["start", "end"] = "start") -> None:
        self._at_end = report == "end"
        self._closest = round(self.CLOSEST * clock_rate)
        self._out_of_date = round(self.OUT_OF_DATE * clock_rate)
        self._ssrc: int | None = None
        self._timestamp = 0
        self._event = -1
        self._open = False  # no end packet of the newest press was seen
        self._heard_at = -math.inf

    def receive(self, packet: RtpPacket, now: float) -> list[str]:
        """The keys that this packet tells of: none or one; two only where the end is reported.

        Args:
            packet: Of the telephone-event payload type. One too short or with an event that is no key is ignored.
            now: Seconds, of any origin.
        """
        if len(packet.payload) < _PAYLOAD.size:
            return []
        event, flags, _ = _PAYLOAD.unpack_from(packet.payload)
        if event >= len(EVENTS):
            return []
        digits: list[str] = []
        is_end = bool(flags & _END)
        if self._is_new(packet, event, now):
            digits += self._close()
            self._ssrc, self._timestamp, self._event = packet.ssrc, packet.timestamp, event
            self._open, self._heard_at = True, now
            if not self._at_end:
                digits.append(EVENTS[event])
        elif not self._is_of_newest(packet):
            return digits
        self._heard_at = now
        if is_end:
            digits += self._close()
        return digits

    def next_deadline(self) -> float:
        """When `expire` is to be called; infinite while no press is open."""
        return self._heard_at + self.SILENCE if self._open else math.inf

    def expire(self, now: float) -> list[str]:
        """The key whose end was lost, where ends are reported. To be called when `next_deadline` has passed."""
        return self._close() if self._open and now >= self._heard_at + self.SILENCE else []

    def _close(self) -> list[str]:
        was_open, self._open = self._open, False
        return [EVENTS[self._event]] if was_open and self._at_end else []

    def _is_of_newest(self, packet: RtpPacket) -> bool:
        return packet.ssrc == self._ssrc and packet.timestamp == self._timestamp

    def _is_new(self, packet: RtpPacket, event: int, now: float) -> bool:
        """Whether a press begins here. What continues the newest one moves its timestamp on."""
        if packet.ssrc != self._ssrc:
            return True
        later = (packet.timestamp - self._timestamp) & 0xFFFFFFFF
        if later == 0:
            return False
        if later >= 1 << 31:
            return (1 << 32) - later > self._out_of_date
        if event == self._event and self._open and not packet.marker and now < self._heard_at + self.SILENCE:
            is_next_segment = later == _LONGEST
            if is_next_segment or later < self._closest:
                self._timestamp = packet.timestamp
                return False
        return True


class DigitSender:
    """Sends keys in the slots of an `RtpSender`, in place of audio.

    Each takes `tone` seconds, one packet per slot with the same timestamp and a growing duration; the last slot sends
    the end three times. Then `pause` seconds belong to audio again.

    Args:
        payload_type: Of telephone-event, as negotiated for the audio's clock.
        clock_rate: Of the payload type, in Hz.
        tone: Seconds a key sounds; whole slots, at least 40 ms, at most one segment (8 s at 8000 Hz).
        pause: Seconds between keys, at least 40 ms.
        slot: Seconds of one slot of the sender. Not taken from it, because there are peers whose events go by another
            clock than their audio.
    """

    def __init__(
        self, payload_type: int, clock_rate: int = 8000, *, tone: float = 0.1, pause: float = 0.06, slot: float = 0.02
    ) -> None:
        self.payload_type = payload_type
        self._ticks = round(slot * clock_rate)
        self._tone = min(round(max(tone, 0.04) * clock_rate), _LONGEST)
        self._pause = round(max(pause, 0.04) * clock_rate)
        self._waiting: deque[int] = deque()
        self._event = -1
        self._began = 0  # timestamp
        self._elapsed = 0  # units of the clock into the tone, or the pause after it
        self._resting = False

    @property
    def is_busy(self) -> bool:
        """Whether keys, or the pause after the last one, are outstanding."""
        return bool(self._waiting) or self._event >= 0 or self._resting

    def queue(self, digits: str) -> None:
        """Have keys sent after those that wait already.

        Raises:
            MediaError: when there is no such key, or when more than `MAX_QUEUED` would wait; then none is queued.
        """
        events = [EVENTS.find(digit.upper()) for digit in digits]
        if -1 in events:
            raise MediaError("there is no such key on a telephone")
        if len(self._waiting) + len(events) > MAX_QUEUED:
            raise MediaError(f"more than {MAX_QUEUED} digits wait to be sent")
        self._waiting.extend(events)

    def next_packets(self, sender: RtpSender) -> list[bytes]:
        """The packets of this slot; none when the slot is free for audio.

        Call it once per slot while `is_busy`. When it returns packets, the slot has been taken from `sender`.
        """
        if self._resting:
            self._elapsed += self._ticks
            self._resting = self._elapsed < self._pause
            return []
        is_first = self._event < 0
        if is_first:
            if not self._waiting:
                return []
            self._event, self._began, self._elapsed = self._waiting.popleft(), sender.timestamp, 0
        self._elapsed = min(self._elapsed + self._ticks, _LONGEST)
        is_last = self._elapsed >= self._tone
        payload = _PAYLOAD.pack(self._event, _VOLUME | (_END if is_last else 0), self._elapsed)
        packets = [
            sender.event(self.payload_type, payload, timestamp=self._began, marker=is_first and copy == 0)
            for copy in range(_ENDS if is_last else 1)
        ]
        sender.skip()
        if is_last:
            self._event, self._elapsed, self._resting = -1, 0, True
        return packets

    def clear(self) -> None:
        """Drop what waits. A key that sounds already is finished."""
        self._waiting.clear()
