from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.onetime import OneTimeTokens
from tests.fakes.clock import ManualClock


def tokens(clock: ManualClock, secret: bytes = b"secret", max_spent: int = 100) -> OneTimeTokens:
    return OneTimeTokens(secret, clock.now, lifetime=60.0, max_spent=max_spent)


def test_a_token_is_good_once() -> None:
    door = tokens(ManualClock(1000))
    token = door.issue("CA1")
    assert door.redeem(token, "CA1")
    assert not door.redeem(token, "CA1")


def test_a_token_is_good_for_its_own_call_only() -> None:
    door = tokens(ManualClock(1000))
    assert not door.redeem(door.issue("CA1"), "CA2")


def test_a_token_expires() -> None:
    clock = ManualClock(1000)
    door = tokens(clock)
    early, late = door.issue("CA1"), door.issue("CA1")
    clock.advance(59)
    assert door.redeem(early, "CA1")
    clock.advance(2)
    assert not door.redeem(late, "CA1")


def test_another_process_with_the_same_secret_takes_it() -> None:
    clock = ManualClock(1000)
    token = tokens(clock).issue("CA1")
    assert tokens(clock).redeem(token, "CA1")
    assert not tokens(clock, b"another").redeem(token, "CA1")


def test_a_later_expiry_cannot_be_written_into_a_token() -> None:
    clock = ManualClock(1000)
    door = tokens(clock)
    _, _, rest = door.issue("CA1").partition(".")
    assert not door.redeem(f"9999999999.{rest}", "CA1")


@given(st.text())
def test_anything_else_is_refused(token: str) -> None:
    assert not tokens(ManualClock(1000)).redeem(token, "CA1")


def test_when_too_many_were_redeemed_no_more_are() -> None:
    clock = ManualClock(1000)
    door = tokens(clock, max_spent=3)
    assert [door.redeem(door.issue("CA1"), "CA1") for _ in range(4)] == [True, True, True, False]
    clock.advance(61)
    assert door.redeem(door.issue("CA1"), "CA1")
