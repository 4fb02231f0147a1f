"""One sequence space and one clock for everything that is sent."""

from __future__ import annotations

from audio.rtp.packet import RtpPacket
from audio.rtp.stream import RtpSender


def sender(**more: int) -> RtpSender:
    return RtpSender(ssrc=0xCAFE, payload_type=8, **more)


def test_audio_goes_on_by_one_slot_and_one_number() -> None:
    stream = sender(sequence=10, timestamp=1000)
    packets = [RtpPacket.from_wire(stream.audio(b"x" * 160)) for _ in range(3)]
    assert packets[0] == RtpPacket(8, 10, 1000, 0xCAFE, b"x" * 160, marker=True)
    assert [(p.sequence, p.timestamp, p.marker) for p in packets[1:]] == [(11, 1160, False), (12, 1320, False)]
    assert (stream.packets, stream.octets, stream.sequence, stream.timestamp) == (3, 480, 13, 1480)


def test_both_counters_wrap() -> None:
    stream = sender(sequence=0xFFFF, timestamp=0xFFFFFFFF - 59)
    stream.audio(b"")
    assert (stream.sequence, stream.timestamp) == (0, 100)
    stream.event(101, b"", timestamp=0)
    assert stream.sequence == 1


def test_skipped_slots_are_a_pause_and_no_loss() -> None:
    stream = sender(sequence=5, timestamp=0)
    stream.audio(b"")
    stream.skip(3)
    packet = RtpPacket.from_wire(stream.audio(b""))
    assert (packet.sequence, packet.timestamp, packet.marker) == (6, 640, True)


def test_the_marker_where_speech_begins() -> None:
    stream = sender()
    marks = [RtpPacket.from_wire(stream.audio(b"", marker)).marker for marker in (False, False, True, False)]
    assert marks == [True, False, True, False]


def test_events_take_a_number_but_no_time() -> None:
    stream = sender(sequence=5, timestamp=800)
    event = RtpPacket.from_wire(stream.event(101, b"1234", timestamp=640, marker=True))
    assert event == RtpPacket(101, 5, 640, 0xCAFE, b"1234", marker=True)
    assert (stream.sequence, stream.timestamp, stream.packets, stream.octets) == (6, 800, 1, 4)


def test_the_codec_may_change_in_mid_call() -> None:
    stream = sender(timestamp=0)
    stream.audio(b"")
    stream.payload_type, stream.slot_ticks = 111, 960
    assert RtpPacket.from_wire(stream.audio(b"")).payload_type == 111
    assert stream.timestamp == 160 + 960
