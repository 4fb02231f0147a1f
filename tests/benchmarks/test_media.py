"""The benchmark of media: what its callers note, and what makes a run worthless."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.media import Figures
from benchmarks.media_callers import STAMP, Callers, Phone
from gateway.transports.media.ticker import PTIME

FINE = Figures(
    kind="rtp",
    calls=100,
    cpu=0.1,
    memory=40.0,
    heard=1.0,
    arrived=1.0,
    skipped=0,
    generator=0.1,
    off_beat=[0.001],
    delays=[],
)


def heard(phone: Phone, callers: Callers, times: list[float], *, first: int = 0) -> None:
    for slot, at in enumerate(times, first):
        phone.arrived(callers.packet(0, slot), at)


def test_packets_that_keep_the_beat_are_not_off_it_whatever_the_delay() -> None:
    phone, callers = Phone(), Callers("rtp")
    heard(phone, callers, [7.0 + n * PTIME for n in range(50)])
    assert phone.deviations(callers.clock_rate) == pytest.approx([0.0] * 50, abs=1e-9)


def test_a_late_packet_is_off_the_beat_and_those_after_it_are_not() -> None:
    phone, callers = Phone(), Callers("opus")
    times = [n * PTIME for n in range(50)]
    times[20] += 0.013
    heard(phone, callers, times)
    deviations = phone.deviations(callers.clock_rate)
    assert deviations.pop(20) == pytest.approx(0.013)
    assert deviations == pytest.approx([0.0] * 49, abs=1e-9)


def test_a_slot_that_was_left_out_does_not_shift_the_beat() -> None:
    phone, callers = Phone(), Callers("rtp")
    heard(phone, callers, [n * PTIME for n in range(10)])
    heard(phone, callers, [n * PTIME for n in range(12, 30)], first=12)
    assert phone.deviations(callers.clock_rate) == pytest.approx([0.0] * 28, abs=1e-9)


def test_the_delay_is_from_a_packet_to_the_one_that_says_the_same() -> None:
    phone, callers = Phone(), Callers("rtp", mirrors=1)
    phone.sent = {3: 10.0, 4: 10.02}
    for slot, at in ((3, 10.015), (4, 10.031)):
        echoed = STAMP.unpack_from(callers.stamped(0, slot), 12)[1]
        phone.arrived(callers.packet(0, 900 + slot, callers.stamped(0, echoed)[12:]), at)
    phone.arrived(callers.packet(0, 905), 10.05)
    assert phone.delays == pytest.approx([0.015, 0.011])


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({}, None),
        ({"heard": 0.98}, "only 98.0% of what was said was heard"),
        ({"kind": "echo", "heard": 0.0}, None),
        ({"arrived": 0.9}, "only 90.0% of the packets came back"),
        ({"generator": 0.95}, "the callers took 95% of their core"),
    ],
)
def test_what_makes_figures_worthless(change: dict[str, object], flaw: str | None) -> None:
    assert dataclasses.replace(FINE, **change).flaw == flaw  # type: ignore[arg-type]  # names and values of its fields


def test_a_run_without_packets_has_no_beat() -> None:
    assert Phone().deviations(8000) == []
