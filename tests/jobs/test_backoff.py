"""Pauses double up to the longest, and what keeps failing is given up at the end of its time, after a last attempt."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from config.jobs import RetrySection
from gateway.jobs.backoff import SPREAD, next_attempt
from tests.fakes.jobs import NOON

RULES = RetrySection(first=5, longest=60, give_up_after=600)


def pause(attempts: int, *, waited: float = 0.0, asked: float | None = None, key: str = "a") -> float | None:
    now = NOON + datetime.timedelta(seconds=waited)
    due = next_attempt(RULES, key=key, attempts=attempts, first_due_at=NOON, now=now, asked=asked)
    return None if due is None else (due - now).total_seconds()


def test_pauses_double_up_to_the_longest() -> None:
    for attempts, least in enumerate((5, 10, 20, 40, 60, 60), start=1):
        found = pause(attempts)
        assert found is not None
        assert least <= found <= least * (1 + SPREAD)


def test_what_failed_together_does_not_return_together() -> None:
    assert len({pause(1, key=str(n)) for n in range(20)}) == 20
    assert pause(1) == pause(1)


def test_the_other_sides_wish_counts_up_to_the_longest_pause() -> None:
    wished, too_long, too_short = pause(1, asked=30), pause(1, asked=1e6), pause(1, asked=0.5)
    assert wished is not None
    assert too_long is not None
    assert too_short is not None
    assert (30 <= wished <= 36, 60 <= too_long <= 72, 5 <= too_short <= 6) == (True, True, True)


def test_the_last_attempt_is_when_the_time_is_up_then_it_is_given_up() -> None:
    assert pause(9, waited=595) == 5
    assert pause(10, waited=600) is None
    assert pause(10, waited=1e6) is None


@given(attempts=st.integers(1, 10**9), waited=st.floats(0, 1e7), asked=st.none() | st.floats(0, 1e9))
def test_there_is_always_a_moment_ahead_or_an_end(attempts: int, waited: float, asked: float | None) -> None:
    found = pause(attempts, waited=waited, asked=asked)
    assert found is None or 0 < found <= 60 * (1 + SPREAD) + 1e-6
