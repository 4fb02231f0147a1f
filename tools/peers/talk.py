"""What a caller sends, as a pcap file that SIPp plays: RTP with G.711 (RFC 3551) and telephone events (RFC 4733).

The file is the caller's side of the network too: packets that were lost are not in it, and a clock that is wrong is in
its times. So what a call meets is the same each time.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from audio.codecs.g711 import encode
from tools.asterisk.media import KEYS, PAYLOAD_TYPES, PTIME, SAMPLES, Codec

EVENT_TYPE = 101
EVENT_STEPS = 5  # packets of a key while it is down, 0.1 s
PAUSE_STEPS = 5  # packets of silence between keys
ENDS = 3  # RFC 4733 section 2.5.1.4
ETHERNET = 1
PCAP_MAGIC = 0xA1B2C3D4
FIRST_SEQUENCE = 4000
FIRST_STAMP = 160_000


@dataclass(frozen=True, slots=True)
class Sent:
    """An RTP packet; ``at``: seconds from the first one."""

    at: float
    packet: bytes

    @property
    def is_event(self) -> bool:
        return self.packet[1] & 0x7F == EVENT_TYPE


class Talk:
    """A caller's words and keys, one after the other."""

    def __init__(self, codec: Codec, source: int = 0x7A1C) -> None:
        self._kind = PAYLOAD_TYPES[codec]
        self._source = source
        self._sequence = FIRST_SEQUENCE
        self._slot = 0
        self.sent: list[Sent] = []

    @property
    def seconds(self) -> float:
        return self._slot * PTIME

    def silence(self, seconds: float) -> Self:
        return self.say(bytes(2 * SAMPLES * round(seconds / PTIME)))

    def until(self, moment: float) -> Self:
        """Be silent until a moment of the talk."""
        return self.silence(max(0.0, moment - self.seconds))

    def say(self, pcm: bytes) -> Self:
        """Signed 16-bit PCM at 8 kHz; the last frame is filled up with silence."""
        coded = encode(pcm + bytes(-len(pcm) % (2 * SAMPLES)), self._kind.encoding)
        for start in range(0, len(coded), SAMPLES):
            self._add(self._kind.number, coded[start : start + SAMPLES])
            self._slot += 1
        return self

    def press(self, keys: str, *, ends: int = ENDS) -> Self:
        """Press keys, each for 0.1 s; ``ends``: how many of a key's end packets the network lets through."""
        for key in keys:
            self._press(KEYS.index(key), ends)
            self.silence(PAUSE_STEPS * PTIME)
        return self

    def _press(self, event: int, ends: int) -> None:
        began = self._slot
        for step in range(1, EVENT_STEPS + 1):
            self._add(EVENT_TYPE, struct.pack("!BBH", event, 10, step * SAMPLES), slot=began, is_first=step == 1)
            self._slot += 1
        for number in range(ENDS):
            payload = struct.pack("!BBH", event, 0x80 | 10, EVENT_STEPS * SAMPLES)
            if number < ends:
                self._add(EVENT_TYPE, payload, slot=began)
            else:
                self._sequence += 1

    def _add(self, kind: int, payload: bytes, *, slot: int | None = None, is_first: bool = False) -> None:
        stamp = FIRST_STAMP + (self._slot if slot is None else slot) * SAMPLES
        second = kind | (0x80 if is_first or not self.sent else 0)
        header = struct.pack("!BBHII", 0x80, second, self._sequence & 0xFFFF, stamp, self._source)
        self.sent.append(Sent(self._slot * PTIME, header + payload))
        self._sequence += 1


def lose(sent: Sequence[Sent], share: float, seed: int) -> list[Sent]:
    """What a network lets through that loses each packet with a probability; never loses the first."""
    chance = random.Random(seed)
    return [one for number, one in enumerate(sent) if number == 0 or chance.random() >= share]


def run_at(sent: Sequence[Sent], ppm: float) -> list[Sent]:
    """As a clock sends it that is too fast by so many millionths."""
    return [replace(one, at=one.at / (1 + ppm / 1e6)) for one in sent]


def write_pcap(path: Path, sent: Sequence[Sent]) -> None:
    """Addresses and ports are SIPp's to fill in."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", PCAP_MAGIC, 2, 4, 0, 0, 65535, ETHERNET))
        for one in sent:
            frame = _frame(one.packet)
            seconds, rest = divmod(round(one.at * 1e6), 1_000_000)
            file.write(struct.pack("=IIII", seconds, rest, len(frame), len(frame)) + frame)


def _frame(packet: bytes) -> bytes:
    udp = struct.pack("!HHHH", 4000, 4002, 8 + len(packet), 0) + packet
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([127, 0, 0, 1]), bytes([127, 0, 0, 2])
    )
    return bytes(12) + b"\x08\x00" + ip + udp
