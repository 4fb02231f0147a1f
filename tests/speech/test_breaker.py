"""A vendor that keeps failing is not asked for a while, then tried by one request; who interrupts proves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.speech.breaker import Breaker, BreakerLimits

LIMITS = BreakerLimits(failures=3, open_for=10.0, at_most=60.0)
DOWN = VendorUnavailable("down", vendor="acme")


@dataclass
class Rig:
    time: float = 0.0
    states: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker("acme", "synthesizer", lambda: self.time, LIMITS, self.states.append)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.breaker.admit()
            self.breaker.failed(DOWN)


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    rig = Rig()
    rig.fail(2)
    assert rig.breaker.state == "closed"
    rig.fail()
    assert rig.breaker.state == "open"
    assert not rig.breaker.admit()
    assert rig.breaker.seconds_left() == 10.0
    assert rig.states == ["open"]


def test_a_success_in_between_forgives() -> None:
    rig = Rig()
    rig.fail(2)
    rig.breaker.succeeded()
    rig.fail(2)
    assert rig.breaker.state == "closed"


def test_when_the_time_is_up_one_request_is_the_probe() -> None:
    rig = Rig()
    rig.fail(3)
    rig.time = 9.99
    assert not rig.breaker.admit()
    rig.time = 10.0
    assert rig.breaker.state == "half_open"
    assert [rig.breaker.admit() for _ in range(3)] == [True, False, False]
    rig.breaker.succeeded()
    assert rig.breaker.state == "closed"
    assert rig.breaker.admit()
    assert rig.states == ["open", "half_open", "closed"]


def test_a_probe_that_fails_opens_it_for_twice_as_long_and_never_for_longer_than_the_most() -> None:
    rig = Rig()
    rig.fail(3)
    for pause in (20.0, 40.0, 60.0, 60.0):
        rig.time += rig.breaker.seconds_left()
        rig.fail()
        assert rig.breaker.seconds_left() == pause


def test_a_success_lets_it_begin_anew_with_the_first_pause() -> None:
    rig = Rig()
    rig.fail(3)
    rig.time += 10
    rig.fail()
    rig.time += 20
    assert rig.breaker.admit()
    rig.breaker.succeeded()
    rig.fail(3)
    assert rig.breaker.seconds_left() == 10.0


def test_a_probe_that_was_given_up_makes_room_for_the_next() -> None:
    rig = Rig()
    rig.fail(3)
    rig.time = 10
    assert rig.breaker.admit()
    rig.breaker.abandoned()
    assert rig.breaker.admit()


def test_a_probe_that_nobody_reports_on_is_forgotten() -> None:
    rig = Rig()
    rig.fail(3)
    rig.time = 10
    assert rig.breaker.admit()
    rig.time = 19.9
    assert not rig.breaker.admit()
    rig.time = 20
    assert rig.breaker.admit()


@pytest.mark.parametrize("status", [401, 402, 403])
def test_refused_credentials_open_it_at_once(status: int) -> None:
    rig = Rig()
    rig.breaker.failed(VendorRejected("no", vendor="acme", status=status))
    assert rig.breaker.state == "open"


@pytest.mark.parametrize("status", [400, 404, 422, None])
def test_a_request_that_was_wrong_says_nothing_about_the_vendor(status: int | None) -> None:
    rig = Rig()
    for _ in range(10):
        rig.breaker.failed(VendorRejected("no such voice", vendor="acme", status=status))
    assert rig.breaker.state == "closed"


def test_answers_that_cannot_be_understood_and_silence_are_failures() -> None:
    rig = Rig()
    rig.breaker.failed(VendorReplyInvalid("no audio", vendor="acme"))
    rig.breaker.failed()
    rig.breaker.failed(DOWN)
    assert rig.breaker.state == "open"


steps = st.lists(
    st.tuples(st.floats(0, 30), st.sampled_from(["succeeded", "failed", "abandoned", "nothing"])),
    max_size=60,
)


@given(steps)
def test_whatever_happens_a_vendor_is_tried_again_in_the_end(script: list[tuple[float, str]]) -> None:
    rig = Rig()
    for pause, what in script:
        rig.time += pause
        if rig.breaker.admit() and what != "nothing":
            getattr(rig.breaker, what)()
        assert (rig.breaker.state == "closed") == (rig.breaker.seconds_left() == 0 and rig.breaker.state != "half_open")
    rig.time += LIMITS.at_most + LIMITS.open_for
    assert rig.breaker.admit()
