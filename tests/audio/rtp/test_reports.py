"""What is counted of a stream, and what two sides of a call learn of each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audio.rtp.packet import RtpPacket
from audio.rtp.reports import Reception, Reporter
from audio.rtp.rtcp import Goodbye, ReceiverReport, SenderReport, from_wire, ntp_of
from audio.rtp.stream import RtpSender
from tests.fakes.lossy_line import SLOT, jittered, losing, sending

PTIME = 0.02


def stream(count: int, **more: int) -> list[RtpPacket]:
    sender = RtpSender(ssrc=7, payload_type=0, **more)
    return [RtpPacket.from_wire(packet.data) for packet in sending([bytes(SLOT)] * count, sender)]


def counted(packets: list[tuple[float, RtpPacket]]) -> Reception:
    reception = Reception(packets[0][1], 8000)
    for at, packet in packets:
        reception.count(packet, at)
    return reception


def timed(packets: list[RtpPacket]) -> list[tuple[float, RtpPacket]]:
    return [(number * PTIME, packet) for number, packet in enumerate(packets)]


def test_a_perfect_stream() -> None:
    reception = counted(timed(stream(100, sequence=10)))
    block = reception.report(2.0)
    assert (block.ssrc, block.lost, block.fraction_lost, block.highest, block.jitter) == (7, 0, 0.0, 109, 0)


def test_the_highest_number_counts_its_wraps() -> None:
    assert counted(timed(stream(10, sequence=65530))).report(0.2).highest == (1 << 16) + 3


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_losses_are_counted_and_the_fraction_is_that_since_the_last_report(share: float) -> None:
    sent = sending([bytes(SLOT)] * 1000, RtpSender(ssrc=7, payload_type=0, sequence=65000))
    arrived = losing(sent, share)
    packets = [(packet.at, RtpPacket.from_wire(packet.data)) for packet in arrived]
    reception = counted(packets)
    first = reception.report(20.0)
    assert reception.lost == first.lost == 1000 - len(arrived) > 0
    assert first.fraction_lost == (1000 - len(arrived)) / 1000
    for at, packet in timed(stream(100, sequence=65000 + 1000 - 65536)):
        reception.count(packet, 20 + at)
    again = reception.report(22.0)
    assert (again.lost, again.fraction_lost) == (first.lost, 0.0)
    assert reception.report(22.0).fraction_lost == 0.0  # nothing was to be expected


def test_duplicates_make_up_for_losses_as_the_rfc_has_it() -> None:
    packets = timed(stream(10))
    assert counted(packets + packets[5:]).lost == -5


def test_packets_that_changed_places_are_not_lost() -> None:
    packets = timed(stream(10))
    packets[3], packets[4] = packets[4], packets[3]
    assert counted(packets).lost == 0


def test_a_leap_of_the_sequence_is_not_ten_thousand_losses() -> None:
    packets = timed(stream(5)) + timed(stream(5, sequence=20000))
    assert counted(packets).lost == 0


def test_jitter_is_the_mean_change_of_the_way() -> None:
    sent = sending([bytes(SLOT)] * 5000, RtpSender(ssrc=7, payload_type=0))
    packets = [(packet.at, RtpPacket.from_wire(packet.data)) for packet in jittered(sent, 0.01)]
    # the mean distance of two numbers between 0 and 10 ms is a third of that; the estimate follows the last 16 or so
    assert counted(packets).jitter == pytest.approx(0.01 / 3, rel=0.5)


def test_keys_and_new_clocks_are_no_jitter() -> None:
    packets = stream(5)
    keys = [RtpPacket(101, 5 + number, packets[-1].timestamp + SLOT, 7, bytes(4)) for number in range(20)]
    after = [replace(packet, sequence=25 + n, timestamp=25 * SLOT + n * SLOT) for n, packet in enumerate(stream(5))]
    anew = [replace(packet, sequence=30 + n, timestamp=10**6 + n * SLOT) for n, packet in enumerate(stream(5))]
    assert counted(timed(packets + keys + after + anew)).jitter == pytest.approx(0, abs=1e-9)


# --- two sides -----------------------------------------------------------------------------------------------------
class Side:
    def __init__(self, ssrc: int, wall: float) -> None:
        self.sender = RtpSender(ssrc=ssrc, payload_type=0)
        self.reporter = Reporter(self.sender, cname="c", wall=wall)

    def say(self) -> RtpPacket:
        return RtpPacket.from_wire(self.sender.audio(bytes(SLOT)))


def test_both_sides_learn_how_well_they_are_heard() -> None:
    ours, theirs = Side(1, wall=1.7e9), Side(2, wall=1.8e9)
    for slot in range(100):
        now = slot * PTIME
        packet, answer = ours.say(), theirs.say()
        if slot % 10:
            theirs.reporter.received(packet, now + 0.03)
        ours.reporter.received(answer, now + 0.03)
    first = ours.reporter.report(2.0)
    theirs.reporter.reported(from_wire(first), 2.03)
    ours.reporter.reported(from_wire(theirs.reporter.report(2.53)), 2.58)
    quality = ours.reporter.quality
    assert (quality.received, quality.lost, quality.jitter) == (100, 0, pytest.approx(0, abs=1e-9))
    assert quality.peer_lost == 9  # the very first one is nobody's loss
    assert quality.round_trip == pytest.approx(0.08, abs=0.001)
    assert quality.peer_jitter is not None
    assert quality.peer_jitter < 0.02


def test_before_anything_came_there_is_nothing_to_say() -> None:
    quality = Side(1, 0.0).reporter.quality
    assert (quality.received, quality.peer_lost, quality.peer_jitter, quality.round_trip) == (0, None, None, None)


def test_who_sends_nothing_sends_a_receivers_report() -> None:
    side = Side(1, 0.0)
    (report,) = from_wire(side.reporter.report(1.0))
    assert report == ReceiverReport(ssrc=1)
    side.say()
    (report,) = from_wire(side.reporter.report(2.0))
    assert isinstance(report, SenderReport)
    assert (report.packets, report.octets, report.timestamp) == (1, SLOT, SLOT)
    (report,) = from_wire(side.reporter.report(3.0))
    assert isinstance(report, ReceiverReport)


def test_another_source_is_counted_anew() -> None:
    reporter = Side(1, 0.0).reporter
    for packet in stream(5):
        reporter.received(packet, 0.0)
    for packet in stream(3, sequence=99):
        reporter.received(replace(packet, ssrc=8), 0.0)
    assert (reporter.quality.received, reporter.quality.lost) == (3, 0)


def test_goodbye_counts_only_from_the_source_we_hear() -> None:
    side, reporter = Side(7, 0.0), Side(1, 0.0).reporter
    reporter.received(stream(1)[0], 0.0)
    assert reporter.reported([Goodbye(ssrcs=(99,))], 1.0) is False
    assert reporter.reported(from_wire(side.reporter.goodbye()), 1.0) is True


def test_reports_about_others_and_impossible_round_trips_are_left_alone() -> None:
    side = Side(1, 0.0)
    block = Reception(stream(1)[0], 8000).report(0.0)
    side.reporter.reported([ReceiverReport(ssrc=7, blocks=(replace(block, ssrc=55),))], 1.0)
    assert side.reporter.quality.peer_lost is None
    tomorrow = ntp_of(3.0) >> 16 & 0xFFFFFFFF
    side.reporter.reported([ReceiverReport(ssrc=7, blocks=(replace(block, ssrc=1, last_report=tomorrow),))], 1.0)
    assert side.reporter.quality.peer_lost == 0
    assert side.reporter.quality.round_trip is None


def test_a_clock_that_changes_with_the_codec_is_no_jitter() -> None:
    reporter = Reporter(RtpSender(ssrc=1, payload_type=0), cname="us")
    for number, packet in enumerate(stream(50)):
        reporter.received(packet, number * PTIME + (0.004 if number % 2 else 0.0))
    before = reporter.quality.jitter
    assert before > 0.001
    reporter.change_clock(48000)
    assert reporter.quality.jitter == pytest.approx(before)
    for number in range(50, 300):
        packet = RtpPacket(96, number, 50 * SLOT + (number - 50) * 960, 7, b"x")
        reporter.received(packet, number * PTIME)
    assert reporter.quality.jitter < 0.0001
    assert reporter.quality.lost == 0
