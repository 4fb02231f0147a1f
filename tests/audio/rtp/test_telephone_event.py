"""Keys in RTP, on networks that lose and swap their packets and by telephones that keep to no rule."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import MediaError
from audio.rtp.packet import RtpPacket
from audio.rtp.stream import RtpSender
from audio.rtp.telephone_event import EVENTS, MAX_QUEUED, DigitReceiver, DigitSender

PTIME = 0.02
AUDIO, EVENT = 0, 101
KEYS = "0123456789*#ABCD"


def sent(digits: str, sender: RtpSender | None = None) -> list[tuple[float, RtpPacket]]:
    """What a line carries while keys are sent, with audio between them: times and packets."""
    sender = sender or RtpSender(ssrc=7, payload_type=AUDIO, sequence=65530, timestamp=2**32 - 2000)
    keys = DigitSender(EVENT)
    keys.queue(digits)
    packets: list[tuple[float, RtpPacket]] = []
    slot = 0
    while keys.is_busy:
        for data in keys.next_packets(sender) or [sender.audio(bytes(160))]:
            packets.append((slot * PTIME, RtpPacket.from_wire(data)))
        slot += 1
    return packets


def events(packets: Iterable[tuple[float, RtpPacket]]) -> list[tuple[float, RtpPacket]]:
    return [(at, packet) for at, packet in packets if packet.payload_type == EVENT]


def is_end(packet: RtpPacket) -> bool:
    return bool(packet.payload[1] & 0x80)


def heard(packets: Iterable[tuple[float, RtpPacket]], receiver: DigitReceiver | None = None) -> str:
    """The keys, with the receiver's deadlines kept."""
    receiver = receiver or DigitReceiver()
    digits: list[str] = []
    for at, packet in packets:
        if (deadline := receiver.next_deadline()) <= at:
            digits += receiver.expire(deadline)
        digits += receiver.receive(packet, at)
    digits += receiver.expire(receiver.next_deadline())
    return "".join(digits)


def event(key: str, timestamp: int, duration: int = 160, *, end: bool = False, ssrc: int = 7) -> RtpPacket:
    payload = bytes([EVENTS.index(key), 0x8A if end else 0x0A]) + duration.to_bytes(2, "big")
    return RtpPacket(EVENT, 0, timestamp, ssrc, payload)


# --- sending -------------------------------------------------------------------------------------------------------
def test_a_key_takes_the_slots_of_audio_and_keeps_its_timestamp() -> None:
    sender = RtpSender(ssrc=7, payload_type=AUDIO, sequence=10, timestamp=1000)
    sender.audio(bytes(160))
    packets = [packet for _, packet in sent("5", sender)]
    keys, after = packets[:7], packets[7]
    assert [packet.sequence for packet in packets] == list(range(11, 11 + len(packets)))
    assert {packet.timestamp for packet in keys} == {1160}
    assert [packet.marker for packet in keys] == [True, *[False] * 6]
    assert [int.from_bytes(packet.payload[2:]) for packet in keys] == [160, 320, 480, 640, 800, 800, 800]
    assert [is_end(packet) for packet in keys] == [False] * 4 + [True] * 3
    assert keys[0].payload[:2] == bytes([5, 10])
    assert (after.payload_type, after.timestamp, after.marker) == (AUDIO, 1160 + 800, True)


def test_between_keys_there_is_audio_for_at_least_forty_milliseconds() -> None:
    packets = sent("12")
    kinds = "".join("e" if packet.payload_type == EVENT else "a" for _, packet in packets)
    assert kinds == "eeeeeee" + "aaa" + "eeeeeee" + "aaa"


@pytest.mark.parametrize(("tone", "slots"), [(0.0, 2), (0.04, 2), (0.05, 3), (0.1, 5), (0.25, 13)])
def test_how_long_a_key_sounds(tone: float, slots: int) -> None:
    sender, keys = RtpSender(ssrc=1, payload_type=AUDIO), DigitSender(EVENT, tone=tone)
    keys.queue("#")
    taken = 0
    while keys.next_packets(sender):
        taken += 1
    assert taken == slots


def test_at_the_clock_of_opus() -> None:
    sender, keys = RtpSender(ssrc=1, payload_type=111, slot_ticks=960), DigitSender(110, 48000)
    keys.queue("9")
    last = [RtpPacket.from_wire(packets[-1]) for _ in range(5) if (packets := keys.next_packets(sender))][-1]
    assert int.from_bytes(last.payload[2:]) == 4800
    assert is_end(last)


def test_events_of_another_clock_than_the_audio() -> None:
    sender, keys = RtpSender(ssrc=1, payload_type=111, slot_ticks=960), DigitSender(101, 8000)
    keys.queue("9")
    durations = [int.from_bytes(packets[0][14:]) for _ in range(5) if (packets := keys.next_packets(sender))]
    assert durations == [160, 320, 480, 640, 800]
    assert sender.timestamp == 5 * 960


def test_nothing_is_sent_unless_asked() -> None:
    sender, keys = RtpSender(ssrc=1, payload_type=AUDIO), DigitSender(EVENT)
    assert not keys.is_busy
    assert keys.next_packets(sender) == []
    assert sender.timestamp == 0


def test_what_waits_can_be_dropped_but_a_key_is_finished() -> None:
    sender, keys = RtpSender(ssrc=1, payload_type=AUDIO), DigitSender(EVENT)
    keys.queue("123")
    keys.next_packets(sender)
    keys.clear()
    packets = []
    while keys.is_busy:
        packets += [RtpPacket.from_wire(data) for data in keys.next_packets(sender)]
    assert {packet.payload[0] for packet in packets} == {1}
    assert is_end(packets[-1])


@pytest.mark.parametrize("digits", ["5x", "é", "1" * (MAX_QUEUED + 1)])
def test_what_cannot_be_sent_is_refused_as_a_whole(digits: str) -> None:
    keys = DigitSender(EVENT)
    with pytest.raises(MediaError):
        keys.queue(digits)
    assert not keys.is_busy


# --- receiving -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("report", ["start", "end"])
@given(digits=st.text(KEYS, max_size=20))
def test_what_is_sent_is_received(report: str, digits: str) -> None:
    receiver = DigitReceiver(report="end" if report == "end" else "start")
    assert heard(events(sent(digits)), receiver) == digits


def test_a_key_is_told_with_its_first_packet_or_with_its_end() -> None:
    packets = events(sent("7"))
    at_start, at_end = DigitReceiver(), DigitReceiver(report="end")
    assert [at_start.receive(packet, at) for at, packet in packets] == [["7"], [], [], [], [], [], []]
    assert [at_end.receive(packet, at) for at, packet in packets] == [[], [], [], [], ["7"], [], []]


@pytest.mark.parametrize("report", ["start", "end"])
@pytest.mark.parametrize("digits", ["5", "55", "1223334444", "0*#ABCD"])
def test_every_end_packet_lost(report: str, digits: str) -> None:
    packets = [(at, packet) for at, packet in events(sent(digits)) if not is_end(packet)]
    assert heard(packets, DigitReceiver(report="end" if report == "end" else "start")) == digits


def test_a_key_without_an_end_is_over_after_a_silence() -> None:
    receiver = DigitReceiver(report="end")
    receiver.receive(event("5", 1000), 1.0)
    assert receiver.next_deadline() == pytest.approx(1.2)
    assert receiver.expire(1.19) == []
    assert receiver.expire(1.2) == ["5"]
    assert receiver.next_deadline() == float("inf")
    assert receiver.expire(9.0) == []
    assert receiver.receive(event("5", 1000, 800, end=True), 1.21) == []  # the end comes after all


@pytest.mark.parametrize("report", ["start", "end"])
def test_every_marker_missing(report: str) -> None:
    packets = [(at, replace(packet, marker=False)) for at, packet in events(sent("11223"))]
    assert heard(packets, DigitReceiver(report="end" if report == "end" else "start")) == "11223"


def test_every_marker_and_every_end_missing() -> None:
    packets = [(at, replace(packet, marker=False)) for at, packet in events(sent("1122")) if not is_end(packet)]
    assert heard(packets) == "1122"


def test_only_one_end_packet_arrives() -> None:
    packets = events(sent("42"))
    assert heard([packets[6], packets[13]]) == "42"


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05, 0.2])
@pytest.mark.parametrize("report", ["start", "end"])
def test_losses_cost_no_key(share: float, report: str) -> None:
    digits = "1234567890*#" * 40
    draw = random.Random(3)
    packets: list[tuple[float, RtpPacket]] = []
    for start in range(0, len(digits), 12):
        group = sent(digits[start : start + 12], RtpSender(ssrc=7, payload_type=AUDIO, timestamp=start * 16000))
        packets += [(at + start * 2, packet) for at, packet in events(group) if draw.random() >= share]
    assert heard(packets, DigitReceiver(report="end" if report == "end" else "start")) == digits


@given(st.randoms(use_true_random=False))
def test_repeats_and_packets_that_changed_places(draw: random.Random) -> None:
    packets = events(sent("1159"))
    late = [(at + draw.uniform(0, 0.06), packet) for at, packet in packets for _ in range(2)]
    assert heard(sorted(late, key=lambda item: item[0])) == "1159"


def test_another_source_presses_anew() -> None:
    receiver = DigitReceiver()
    assert receiver.receive(event("5", 1000), 0.0) == ["5"]
    assert receiver.receive(event("5", 1000, ssrc=8), 0.02) == ["5"]


def test_a_source_whose_clock_begins_anew_is_heard() -> None:
    receiver = DigitReceiver()
    assert receiver.receive(event("5", 900_000), 0.0) == ["5"]
    assert receiver.receive(event("6", 1000), 5.0) == ["6"]


def test_a_key_held_for_twenty_seconds_is_one() -> None:
    """RFC 4733 section 2.5.1.3: a segment ends at 65535, and the next one's timestamp is that much later."""
    receiver = DigitReceiver(report="end")
    digits: list[str] = []
    for slot in range(1000):
        segment, within = divmod((slot + 1) * 160, 0xFFFF)
        digits += receiver.receive(event("8", 5000 + segment * 0xFFFF, within), slot * PTIME)
    digits += receiver.receive(event("8", 5000 + 2 * 0xFFFF, 30000, end=True), 20.0)
    assert digits == ["8"]


def test_a_telephone_that_moves_the_timestamp_with_every_packet() -> None:
    receiver = DigitReceiver()
    digits = [key for slot in range(6) for key in receiver.receive(event("3", 1000 + slot * 160), slot * PTIME)]
    digits += receiver.receive(event("3", 1000 + 6 * 160, end=True), 0.12)
    digits += receiver.receive(event("3", 1000 + 9 * 160), 0.18)
    assert digits == ["3", "3"]


def test_the_same_key_again_as_soon_as_a_tone_and_a_pause_may_be_over() -> None:
    receiver = DigitReceiver()
    assert receiver.receive(event("3", 1000), 0.0) == ["3"]
    assert receiver.receive(event("3", 1479), 0.06) == []  # a stray timestamp of the same press
    assert receiver.receive(event("3", 1479 + 480), 0.12) == ["3"]


@pytest.mark.parametrize("payload", [b"", b"\x05", b"\x05\x0a\x00", bytes([16, 10, 0, 160]), bytes([36, 10, 0, 160])])
def test_what_is_no_key_is_ignored(payload: bytes) -> None:
    assert DigitReceiver().receive(RtpPacket(EVENT, 0, 0, 7, payload), 0.0) == []


@given(
    st.lists(
        st.builds(
            RtpPacket, st.just(EVENT), st.just(0), st.integers(0, 2**32 - 1), st.integers(0, 3), st.binary(max_size=6)
        )
    )
)
def test_any_payload_is_taken(packets: list[RtpPacket]) -> None:
    assert set(heard([(number * PTIME, packet) for number, packet in enumerate(packets)])) <= set(KEYS)
