"""The telephone's own RTP: what it writes, and what it hears of what others write, well or badly."""

from __future__ import annotations

import struct

import pytest

from audio.format import PCMU_8K, MediaError
from audio.rtp.packet import RtpPacket
from audio.rtp.telephone_event import DigitReceiver
from gateway.caller.ear import Ear
from gateway.caller.sip_media import Agreed, RtpEar, RtpMouth

AGREED = Agreed(audio_type=0, event_type=101)
SLOT = PCMU_8K.size(0.02)
SILENCE = PCMU_8K.silence(SLOT)


def sounds(number: int) -> bytes:
    """20 ms that are like no other."""
    return bytes((number * 7 + i) % 250 for i in range(SLOT))


class Listener:
    """An ear, and what it told."""

    def __init__(self, delay: float = 0.0) -> None:
        self.complaints: list[str] = []
        self.keys: list[str] = []
        self.ear = Ear(PCMU_8K)
        self.rtp = RtpEar(
            self.ear,
            delay=delay,
            complain=lambda _, what: self.complaints.append(what),
            keyed=lambda _, key: self.keys.append(key),
        )
        self._sequence, self._timestamp = 65_500, 0xFFFFFF00  # both wrap soon

    def hears(self, payload: bytes, at: float, *, skip: int = 0, payload_type: int = 0, slots: int = 0) -> None:
        """The next packet arrives; before it ``skip`` packets were lost, or ``slots`` left out."""
        self._sequence = (self._sequence + 1 + skip) & 0xFFFF
        self._timestamp = (self._timestamp + (skip + slots) * SLOT) & 0xFFFFFFFF
        packet = RtpPacket(payload_type, self._sequence, self._timestamp, 7, payload)
        self._timestamp = (self._timestamp + SLOT) & 0xFFFFFFFF
        self.rtp.receive(packet.to_wire(), AGREED, at)

    @property
    def heard(self) -> list[tuple[float, bytes]]:
        return [(stretch.at, stretch.data) for stretch in self.ear.heard()]


# --- the ear -------------------------------------------------------------------------------------------------------
def test_what_comes_in_time_is_one_stretch_from_the_first_arrival() -> None:
    there = Listener()
    for number in range(100):
        there.hears(sounds(number), 5.0 + number * 0.02)
    (stretch,) = there.heard
    assert stretch == (5.0, b"".join(map(sounds, range(100))))
    assert (there.rtp.packets, there.rtp.lost, there.rtp.late, there.complaints) == (100, 0, 0, [])


def test_a_late_packet_moves_all_after_it() -> None:
    there = Listener()
    for number, at in enumerate((5.0, 5.02, 5.07, 5.07, 5.08)):
        there.hears(sounds(number), at)
    assert [at for at, _ in there.heard] == [pytest.approx(5.0), pytest.approx(5.07)]
    assert there.ear.ends_at == pytest.approx(5.13)


def test_with_a_delay_nothing_moves() -> None:
    there = Listener(delay=0.06)
    for number, at in enumerate((5.0, 5.02, 5.07, 5.07, 5.08)):
        there.hears(sounds(number), at)
    assert [at for at, _ in there.heard] == [pytest.approx(5.06)]


def test_what_has_become_too_much_is_caught_up_on_in_silence() -> None:
    there = Listener(delay=0.06)
    for number in range(10):
        there.hears(sounds(number), 5.0 + number * 0.015)  # a clock that is a third too fast
    for number in range(4):
        there.hears(SILENCE, 5.15 + number * 0.02)
    there.hears(sounds(11), 5.23)
    (stretch,) = there.heard
    assert stretch == (pytest.approx(5.06), b"".join(map(sounds, range(10))) + SILENCE * 2 + sounds(11))


def test_a_lost_packet_is_a_gap_and_is_counted() -> None:
    there = Listener()
    there.hears(sounds(1), 5.0)
    there.hears(sounds(3), 5.04, skip=1)
    assert [at for at, _ in there.heard] == [pytest.approx(5.0), pytest.approx(5.04)]
    assert there.rtp.lost == 1


def test_a_doubled_packet_is_not_heard_twice() -> None:
    there = Listener()
    packet = RtpPacket(0, 9, 160, 7, sounds(1)).to_wire()
    there.rtp.receive(packet, AGREED, 5.0)
    there.rtp.receive(packet, AGREED, 5.0)
    assert there.heard == [(5.0, sounds(1))]
    assert there.rtp.late == 1


def test_silence_is_heard_within_speech_alone() -> None:
    there = Listener()
    payloads = [SILENCE] * 10 + [sounds(1)] + [SILENCE] * 5 + [sounds(2)] + [SILENCE] * 50 + [sounds(3)]
    for number, payload in enumerate(payloads):
        there.hears(payload, 5.0 + number * 0.02)
    assert there.heard == [
        (pytest.approx(5.2), sounds(1) + SILENCE * 5 + sounds(2)),
        (pytest.approx(5.0 + 67 * 0.02), sounds(3)),
    ]


def test_slots_that_were_left_out_are_time() -> None:
    there = Listener()
    there.hears(sounds(1), 5.0)
    there.hears(sounds(2), 5.12, slots=5)
    assert [at for at, _ in there.heard] == [pytest.approx(5.0), pytest.approx(5.12)]
    assert there.rtp.lost == 0


def test_a_new_source_is_heard_from_its_arrival() -> None:
    there = Listener()
    there.hears(sounds(1), 5.0)
    there.rtp.receive(RtpPacket(0, 3, 77, 8, sounds(2)).to_wire(), AGREED, 5.5)
    assert there.heard == [(5.0, sounds(1)), (5.5, sounds(2))]


def test_who_sends_ahead_of_time_is_complained_about() -> None:
    there = Listener()
    for number in range(30):
        there.hears(sounds(number), 5.0)
    assert there.complaints
    assert "ahead of its time" in there.complaints[0]


def test_what_was_not_agreed_on_is_complained_about_and_not_heard() -> None:
    there = Listener()
    there.hears(sounds(1), 5.0, payload_type=8)
    there.hears(b"\x01", 5.0, payload_type=101)
    there.hears(b"\x63\x0a\x00\xa0", 5.0, payload_type=101)
    there.rtp.receive(b"\x00\x01", AGREED, 5.0)
    assert len(there.complaints) == 4
    assert there.heard == []


def test_reports_are_counted() -> None:
    there = Listener()
    there.rtp.receive(struct.pack("!BBHI", 0x80, 201, 1, 7), AGREED, 5.0)
    assert (there.rtp.reports, there.complaints) == (1, [])


# --- the mouth -----------------------------------------------------------------------------------------------------
def written(packets: list[bytes]) -> list[RtpPacket]:
    return [RtpPacket.from_wire(packet) for packet in packets]


def test_what_is_said_leaves_in_packets_of_20_ms() -> None:
    mouth = RtpMouth(PCMU_8K)
    packets = written(mouth.audio(b"".join(map(sounds, range(3))) + b"\x01" * 8, AGREED))
    assert [packet.payload for packet in packets] == [*map(sounds, range(3)), b"\x01" * 8]
    first = packets[0]
    assert [(packet.sequence - first.sequence) & 0xFFFF for packet in packets] == [0, 1, 2, 3]
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in packets] == [0, 160, 320, 480]
    assert [packet.marker for packet in packets] == [True, False, False, False]
    assert {packet.ssrc for packet in packets} == {first.ssrc}


def test_keys_begin_at_once_and_take_the_place_of_audio_one_after_the_other() -> None:
    mouth, receiver, keys = RtpMouth(PCMU_8K), DigitReceiver(), []
    packets = written([packet for key in "11*" for packet in mouth.key(key, AGREED)])
    assert [packet.payload_type for packet in packets] == [101]
    for _ in range(30):
        packets += written(mouth.audio(SILENCE, AGREED))
    for index, packet in enumerate(packets):
        if packet.payload_type == AGREED.event_type:
            keys += receiver.receive(packet, index * 0.02)
    assert keys == ["1", "1", "*"]
    events = [packet for packet in packets if packet.payload_type == AGREED.event_type]
    assert len(events) == 3 * (4 + 3)  # durations of 20 to 80 ms, and 100 ms three times with its end
    assert sum(packet.marker for packet in events) == 3
    durations = [struct.unpack("!BBH", packet.payload)[2] for packet in events[:7]]
    assert durations == [160, 320, 480, 640, 800, 800, 800]
    assert len(packets) - len(events) == 31 - 3 * 5  # one slot each, but for the first event, which had none of its own


@pytest.mark.parametrize(("key", "agreed"), [("x", AGREED), ("1", Agreed(audio_type=0, event_type=None))])
def test_keys_that_cannot_be_sent(key: str, agreed: Agreed) -> None:
    with pytest.raises(MediaError):
        RtpMouth(PCMU_8K).key(key, agreed)
