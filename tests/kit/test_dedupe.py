"""What has been seen before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.dedupe import Dedupe
from tests.fakes.clock import ManualClock

KEEP = 10.0
STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6)), max_size=60)


def test_a_key_is_new_once():
    seen = Dedupe(ManualClock().now, KEEP)
    assert [seen.is_new(key) for key in ("a", "b", "a", "b", "")] == [True, True, False, False, True]


def test_a_key_is_forgotten_so_long_after_it_was_first_seen():
    clock = ManualClock()
    seen = Dedupe(clock.now, KEEP)
    assert seen.is_new("a")
    clock.advance(9.5)
    assert not seen.is_new("a")
    clock.advance(0.5)
    assert seen.is_new("a")


def test_the_oldest_makes_room():
    seen = Dedupe(ManualClock().now, KEEP, max_keys=2)
    assert seen.is_new("a")
    assert seen.is_new("b")
    assert seen.is_new("c")
    assert not seen.is_new("b")
    assert seen.is_new("a")


def test_what_was_not_done_may_come_again():
    seen = Dedupe(ManualClock().now, KEEP)
    assert seen.is_new("a")
    seen.forget("a")
    seen.forget("never seen")
    assert seen.is_new("a")


@given(STEPS)
def test_it_agrees_with_a_list_of_everything(steps):
    clock, first = ManualClock(), {}
    seen = Dedupe(clock.now, KEEP)
    for key, pause in steps:
        clock.advance(pause)
        expected = key not in first or first[key] + KEEP <= clock.now()
        assert seen.is_new(key) is expected
        if expected:
            first[key] = clock.now()


@given(STEPS, st.integers(1, 4))
def test_it_never_remembers_more_than_it_may(steps, most):
    clock = ManualClock()
    seen = Dedupe(clock.now, KEEP, max_keys=most)
    for key, pause in steps:
        clock.advance(pause)
        seen.is_new(key)
        assert len(seen) <= most
        assert not seen.is_new(key)
    clock.advance(KEEP)
    assert len(seen) == 0


def test_asking_remembers_nothing():
    clock = ManualClock()
    seen = Dedupe(clock.now, KEEP)
    assert "a" not in seen
    assert seen.is_new("a")
    assert "a" in seen
    clock.advance(KEEP)
    assert "a" not in seen


@pytest.mark.parametrize(("keep", "most"), [(0, 1), (-1, 1), (1, 0)])
def test_nothing_to_remember_is_a_mistake(keep, most):
    with pytest.raises(ValueError, match="remembered"):
        Dedupe(ManualClock().now, keep, most)
