"""Frames of one size, and their place in the call, under everything that wires do to them."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from audio.frame import Frame
from audio.framing import Framer, Timeline

STEP = 160
PTIME = 0.02
FORMATS = [PCMU_8K, PCMA_8K, L16_16K]


def loud(number: int) -> bytes:
    """A frame of speech-like level that can be told from the others."""
    return bytes([number % 64, number // 64 % 64]) + bytes([0x10]) * (STEP - 2)


def quiet(number: int) -> bytes:
    return bytes([0x80 | number % 64, number // 64 % 64]) + b"\xff" * (STEP - 2)


class Wire:
    """Feeds a time line and keeps what it passes on; ticks `fill` every 20 ms as the gateway does."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.passed_on: list[Frame] = []
        self.now = 0.0
        self.least_lag: list[float] = []

    def deliver(self, data: bytes, at: float, pts_samples: int = 0) -> None:
        self.wait_until(at)
        frames = self.timeline.place(Frame(data, PCMU_8K, pts_samples), at)
        self.passed_on += frames
        if frames:
            self.least_lag.append(at - self.timeline.time_of(self.timeline.position))

    def wait_until(self, at: float) -> None:
        while self.now + PTIME < at:
            self.now += PTIME
            if self.now >= self.timeline.next_deadline():
                self.passed_on += self.timeline.fill(self.now)
        self.now = max(self.now, at)

    @property
    def data(self) -> list[bytes]:
        return [frame.data for frame in self.passed_on]

    @property
    def silences(self) -> int:
        return self.data.count(PCMU_8K.silence(STEP))


@given(data=st.binary(max_size=4000), cuts=st.lists(st.integers(0, 4000)), audio_format=st.sampled_from(FORMATS))
def test_frames_are_exact_wherever_the_input_is_cut(data: bytes, cuts: list[int], audio_format: AudioFormat) -> None:
    data = data[: len(data) // audio_format.encoding.bytes_per_sample * audio_format.encoding.bytes_per_sample]
    framer = Framer(audio_format)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    frames = [frame for start, end in pairwise(places) for frame in framer.push(data[start:end])]
    frames += framer.flush()
    joined = b"".join(frame.data for frame in frames)
    assert {len(frame.data) for frame in frames} <= {audio_format.size(PTIME)}
    assert joined[: len(data)] == data
    assert joined[len(data) :] == audio_format.silence(audio_format.samples(len(joined) - len(data)))
    assert [frame.pts_samples for frame in frames] == [n * frames[0].samples for n in range(len(frames))]
    assert framer.flush() == []


def test_a_framer_has_the_frame_length_it_was_asked_for() -> None:
    (frame,) = Framer(PCMU_8K, ptime_ms=30).push(bytes(240))
    assert frame.duration == 0.03


@given(jitter=st.lists(st.floats(0, 0.09), min_size=50, max_size=300), wire_pts=st.booleans())
def test_jitter_changes_nothing(jitter: list[float], wire_pts: bool) -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0, wire_pts=wire_pts))
    arrival = 0.0
    for number, delay in enumerate(jitter):
        delay = 0.0 if number % 50 == 0 else delay  # now and then a frame did not wait
        arrival = max(arrival, (number + 1) * PTIME + delay)
        wire.deliver(loud(number), arrival, 7000 + number * STEP)
    assert wire.data == [loud(number) for number in range(len(jitter))]


@given(
    arrivals=st.lists(
        st.tuples(st.floats(0, 1.5), st.integers(0, 10**6), st.sampled_from([0, 80, STEP, 800])), max_size=80
    ),
    wire_pts=st.booleans(),
)
def test_whatever_comes_positions_are_contiguous_and_near_the_clock(
    arrivals: list[tuple[float, int, int]], wire_pts: bool
) -> None:
    timeline = Timeline(PCMU_8K, start=5.0, wire_pts=wire_pts)
    now, passed_on = 5.0, list[Frame]()
    for pause, pts_samples, samples in arrivals:
        now += pause if samples != 80 else 0.0
        passed_on += timeline.fill(now)
        assert timeline.next_deadline() > now
        passed_on += timeline.place(Frame(b"\x10" * samples, PCMU_8K, pts_samples), now)
        assert timeline.time_of(timeline.position) <= now + Timeline.MAX_AHEAD + 0.1
        assert timeline.time_of(timeline.position) >= now - Timeline.MAX_PATIENCE - 0.1
    position = 0
    for frame in passed_on:
        assert (frame.pts_samples, frame.format) == (position, PCMU_8K)
        position = frame.end_samples
    assert position == timeline.position


@pytest.mark.parametrize("ppm", [-500, 0, 500])
@pytest.mark.parametrize("wire_pts", [False, True])
@pytest.mark.parametrize("pauses", [False, True], ids=["without pauses", "with pauses"])
def test_ten_minutes_with_a_clock_that_is_off(ppm: int, wire_pts: bool, pauses: bool) -> None:
    chance = random.Random(ppm)
    wire = Wire(Timeline(PCMU_8K, start=0.0, wire_pts=wire_pts))
    count, arrival, spoken = 30_000, 0.0, 0
    for number in range(count):
        delay = chance.choice([0.0, 0.005, 0.03, 0.06]) if number else 0.0
        arrival = max(arrival, (number + 1) * PTIME * (1 + ppm / 1e6) + delay)
        speaks = not pauses or number % 400 < 300
        spoken += speaks
        wire.deliver(loud(number) if speaks else quiet(number), arrival, number * STEP)
    windows = [min(wire.least_lag[n : n + 100]) for n in range(0, len(wire.least_lag) - 100, 100)]
    assert -0.04 <= min(windows) <= max(windows) <= 0.04
    assert abs(wire.timeline.time_of(wire.timeline.position) - arrival) <= 0.1
    corrections = round(count * PTIME * abs(ppm) / 1e6 / PTIME)
    changed = abs(len(wire.passed_on) - count)
    assert abs(changed - corrections) <= 2
    assert sum(frame.data[2] == 0x10 for frame in wire.passed_on) >= spoken - (0 if pauses else changed)


def test_correction_leaves_out_quiet_frames_and_inserts_beside_them() -> None:
    slow = Wire(Timeline(PCMU_8K, start=0.0))
    for number in range(4000):
        speaks = number % 100 < 80
        slow.deliver(loud(number) if speaks else quiet(number), (number + 1) * PTIME * 1.002)
    inserted = [n for n, data in enumerate(slow.data) if data == PCMU_8K.silence(STEP)]
    assert inserted
    assert all(slow.data[n + 1][2] == 0xFF for n in inserted)


@pytest.mark.parametrize("wire_pts", [False, True])
@pytest.mark.parametrize("stall", [0.3, 0.6, 1.0])
def test_a_burst_after_a_stall_keeps_the_speech_and_is_made_up_for_in_the_next_pause(
    stall: float, wire_pts: bool
) -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0, wire_pts=wire_pts))
    for number in range(400):
        due = (number + 1) * PTIME
        speaks = number % 150 < 90
        stalled = 2.0 <= due < 2.0 + stall
        wire.deliver(loud(number) if speaks else quiet(number), 2.0 + stall if stalled else due, number * STEP)
    lost = [number for number in range(400) if number % 150 < 90 and loud(number) not in wire.data]
    assert len(lost) <= 12  # one of eight, while far ahead
    assert not any(after - before == 1 for before, after in pairwise(lost))  # hurried, never a hole
    assert abs(8.0 - wire.timeline.time_of(wire.timeline.position)) <= 0.04


def test_speech_that_never_pauses_is_caught_up_with_too() -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0))
    for number in range(1500):
        due = (number + 1) * PTIME
        wire.deliver(loud(number), 3.0 if 2.0 <= due < 3.0 else due)
        if due < 3.0:
            continue
        ahead = wire.timeline.time_of(wire.timeline.position) - due
        assert ahead <= 1.0
        assert due < 10.0 or ahead <= 0.1
    assert wire.timeline.time_of(wire.timeline.position) - 30.0 <= 0.04


def test_a_peer_that_sends_faster_than_anybody_speaks_is_bounded() -> None:
    timeline = Timeline(PCMU_8K, start=0.0)
    kept = sum(len(timeline.place(Frame(loud(number), PCMU_8K), 0.02)) for number in range(10_000))
    assert kept <= Timeline.MAX_AHEAD / PTIME + 2


def test_nothing_is_filled_before_the_peer_is_late_and_everything_after() -> None:
    timeline = Timeline(PCMU_8K, start=0.0)
    timeline.place(Frame(loud(0), PCMU_8K), 0.02)
    assert timeline.next_deadline() == pytest.approx(0.02 + 0.02 + Timeline.PATIENCE)
    assert timeline.fill(0.139) == []
    first = timeline.fill(timeline.next_deadline())
    assert [frame.data for frame in first] == [PCMU_8K.silence(STEP)]
    assert len(timeline.fill(2.0)) == pytest.approx((2.0 - 0.16) / PTIME, abs=1)
    assert timeline.fill(2.0) == []


def test_silence_has_the_encoding_of_the_wire() -> None:
    timeline = Timeline(L16_16K, start=0.0)
    assert {frame.data for frame in timeline.fill(1.0)} == {bytes(640)}


def test_before_the_first_frame_a_time_line_without_a_start_does_nothing() -> None:
    timeline = Timeline(PCMU_8K)
    assert timeline.fill(100.0) == []
    assert timeline.next_deadline() == math.inf
    (frame,) = timeline.place(Frame(loud(0), PCMU_8K, 99), 3.0)
    assert frame.pts_samples == 0
    assert timeline.time_of(0) == pytest.approx(2.98)


def test_a_leg_that_starts_to_send_late_is_placed_by_the_clock() -> None:
    timeline = Timeline(PCMU_8K, start=10.0)
    frames = timeline.place(Frame(loud(0), PCMU_8K), 10.35)
    assert timeline.time_of(frames[-1].pts_samples) == pytest.approx(10.33, abs=0.02)
    assert {frame.data for frame in frames[:-1]} == {PCMU_8K.silence(STEP)}


def test_after_a_long_pause_frames_are_where_the_clock_is() -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0))
    wire.deliver(loud(0), 0.02)
    wire.deliver(loud(1), 3.02)
    assert wire.timeline.time_of(wire.timeline.position) == pytest.approx(3.02, abs=0.02)


@given(pauses=st.lists(st.integers(1, 60), min_size=1, max_size=6), jitter=st.floats(0, 0.08))
def test_a_wire_that_tells_positions_gets_its_pauses_exactly(pauses: list[int], jitter: float) -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0, wire_pts=True))
    number = 0
    for pause in pauses:
        for talk in range(10):
            late = jitter if number and talk % 2 == 0 else 0.0
            wire.deliver(loud(number), (number + 1) * PTIME + late, 5000 + number * STEP)
            number += 1
        number += pause
    placed = {frame.data: frame.pts_samples for frame in wire.passed_on}
    assert all(placed[data] == (data[0] + 64 * data[1]) * STEP for data in placed if data[2] == 0x10)


def test_a_frame_that_was_there_before_is_dropped() -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0, wire_pts=True))
    for number, at in [(0, 0.02), (1, 0.04), (1, 0.041), (0, 0.045), (2, 0.06)]:
        wire.deliver(loud(number), at, number * STEP)
    assert wire.data == [loud(0), loud(1), loud(2)]


@pytest.mark.parametrize("jump", [10**9, -(10**9), 8000 * 60])
def test_a_wire_that_starts_to_count_anew_is_followed_but_not_believed(jump: int) -> None:
    wire = Wire(Timeline(PCMU_8K, start=0.0, wire_pts=True))
    for number in range(100):
        wire.deliver(loud(number), (number + 1) * PTIME, number * STEP + (jump if number >= 50 else 0))
    assert abs(wire.timeline.time_of(wire.timeline.position) - 2.0) <= 0.04
    assert wire.silences <= 1


def test_a_wire_that_always_stalls_is_given_more_patience() -> None:
    """Eight frames together every 160 ms: premature silence teaches the time line to wait."""
    wire = Wire(Timeline(PCMU_8K, start=0.0))
    for number in range(1000):
        wire.deliver(quiet(number), math.ceil((number + 1) / 8) * 0.16 - 0.14)
    early = sum(frame.data == PCMU_8K.silence(STEP) for frame in wire.passed_on[:500])
    late = sum(frame.data == PCMU_8K.silence(STEP) for frame in wire.passed_on[500:])
    assert early > 0
    assert late == 0


def test_large_frames_are_not_taken_for_late_ones() -> None:
    wire = Wire(Timeline(PCMU_8K))
    for number in range(50):
        wire.deliver(b"\x10" * 1600, (number + 1) * 0.2)
    assert wire.silences == 0
    assert wire.timeline.position == 80_000


def test_an_empty_frame_is_nothing() -> None:
    assert Timeline(PCMU_8K, start=0.0).place(Frame(b"", PCMU_8K), 0.5) == []


def test_a_process_that_was_stopped_catches_up_in_pieces() -> None:
    timeline = Timeline(PCMU_8K, start=0.0)
    counts = [len(timeline.fill(100.0)) for _ in range(12)]
    assert max(counts) == Timeline.MAX_FILL / PTIME
    assert timeline.next_deadline() > 100.0
