"""The sending side of RTP: one sequence space and one clock for audio and telephone events.

What arrives is put in order by `jitter`. Whoever owns the ticker asks for one packet per slot, or skips the slot.
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct("!BBHII")
_VERSION_2 = 0x80
_MARKER = 0x80


class RtpSender:
    """Numbers the packets of one source (RFC 3550 section 5.1).

    Time goes on in slots of one packet each. A slot is used by `audio`, or left out by `skip`; `event` packets travel
    besides, with the timestamp of the slot in which their event began (RFC 4733 section 2.2.1).

    Args:
        ssrc: 32 bits, random.
        payload_type: Of the audio; may be changed in mid-call together with `slot_ticks`.
        slot_ticks: Units of the RTP clock in one slot: 160 for 20 ms of G.711 or G.722, 960 of Opus.
        sequence: Where to begin; random by RFC 3550, and under 2**15 so that SRTP finds its roll-over counter.
        timestamp: Where to begin; random.
    """

    def __init__(
        self, *, ssrc: int, payload_type: int, slot_ticks: int = 160, sequence: int = 0, timestamp: int = 0
    ) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.slot_ticks = slot_ticks
        self.packets = 0
        """Sent so far, for sender reports."""
        self.octets = 0
        """Of payload sent so far, for sender reports."""
        self._sequence = sequence & 0xFFFF
        self._timestamp = timestamp & 0xFFFFFFFF
        self._marker = True

    @property
    def timestamp(self) -> int:
        """Of the slot that comes next."""
        return self._timestamp

    @property
    def sequence(self) -> int:
        """Of the packet that comes next."""
        return self._sequence

    def audio(self, payload: bytes, marker: bool = False) -> bytes:
        """The packet of this slot.

        Args:
            payload: One slot of encoded audio.
            marker: Speech begins here after silence. Set by itself on the first packet and after skipped slots.
        """
        second = self.payload_type
        if marker or self._marker:
            second |= _MARKER
            self._marker = False
        packet = _HEADER.pack(_VERSION_2, second, self._sequence, self._timestamp, self.ssrc) + payload
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + self.slot_ticks) & 0xFFFFFFFF
        self.packets += 1
        self.octets += len(payload)
        return packet

    def skip(self, slots: int = 1) -> None:
        """Leave out slots: the receiver sees a pause, not a loss, and the next audio packet has the marker."""
        self._timestamp = (self._timestamp + slots * self.slot_ticks) & 0xFFFFFFFF
        self._marker = True

    def event(self, payload_type: int, payload: bytes, *, timestamp: int, marker: bool = False) -> bytes:
        """A packet that is no audio and takes no slot, such as one of a telephone event."""
        second = payload_type | _MARKER if marker else payload_type
        packet = _HEADER.pack(_VERSION_2, second, self._sequence, timestamp, self.ssrc) + payload
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return packet
