"""A network between an RTP sender and an ear, in imagined time: it loses, swaps, repeats and delays packets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from audio.codecs import g711
from audio.format import Encoding
from audio.frame import Frame
from audio.rtp.jitter import Ear
from audio.rtp.packet import RtpPacket
from audio.rtp.stream import RtpSender
from tests.fakes.sounds import RATE, Sound, at_level, to_pcm

PTIME = 0.02
SLOT = 160


@dataclass(frozen=True)
class Underway:
    """A packet that arrives at `at`; it was the `number`-th to be sent."""

    at: float
    number: int
    data: bytes


@dataclass(frozen=True)
class Heard:
    """A frame that left the ear at `at`."""

    at: float
    frame: Frame


def voice(seconds: float, seed: int = 3) -> Sound:
    """Something that resembles a vowel: 20 overtones of a wavering pitch around 120 Hz, louder and softer."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 + 12 * np.sin(2 * np.pi * 0.7 * times + rng.uniform(0, 6)) + 3 * np.sin(2 * np.pi * 5 * times)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    overtones = [np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(1, 21)]
    return at_level(np.sum(overtones, axis=0) * (1 + 0.3 * np.sin(2 * np.pi * 2.3 * times)), -20)


def speech(seconds: float, law: Encoding = Encoding.PCMU) -> bytes:
    """`voice` as it travels."""
    return g711.encode(to_pcm(voice(seconds)), law)


def slots(wire: bytes, size: int = SLOT) -> list[bytes]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


def sending(payloads: Iterable[bytes], sender: RtpSender | None = None, *, ppm: float = 0.0) -> list[Underway]:
    """Every payload in a packet of its own, one per slot of a sender whose clock may be off."""
    sender = sender or RtpSender(ssrc=7, payload_type=0, sequence=100, timestamp=5000)
    step = PTIME / (1 + ppm / 1e6)
    return [Underway(number * step, number, sender.audio(payload)) for number, payload in enumerate(payloads)]


def losing(packets: list[Underway], share: float, seed: int = 1) -> list[Underway]:
    """The first and the last one arrive."""
    draw = random.Random(seed)
    return [p for i, p in enumerate(packets) if i in (0, len(packets) - 1) or draw.random() >= share]


def jittered(packets: list[Underway], most: float, seed: int = 1) -> list[Underway]:
    """Each delayed by itself, so that neighbours may change places."""
    draw = random.Random(seed)
    return [replace(packet, at=packet.at + draw.uniform(0, most)) for packet in packets]


def hearing(ear: Ear, packets: Iterable[Underway]) -> Iterator[Heard]:
    """What leaves the ear, and when. Its deadlines are kept to the microsecond."""
    for packet in sorted(packets, key=lambda packet: packet.at):
        while (deadline := ear.next_deadline()) <= packet.at:
            yield from (Heard(deadline, frame) for frame in ear.release(deadline))
        yield from (Heard(packet.at, frame) for frame in ear.push(RtpPacket.from_wire(packet.data), packet.at))
    while (deadline := ear.next_deadline()) < float("inf"):
        yield from (Heard(deadline, frame) for frame in ear.release(deadline))
