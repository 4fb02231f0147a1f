"""Timers, and pauses between attempts."""

from __future__ import annotations

import weakref

from gateway.transports.sip.message import Headers, SipResponse
from gateway.transports.sip.retrying import Backoff, retry_after
from gateway.transports.sip.timers import COMPACT_FROM, Timers, Timing


def test_they_run_in_order_and_only_when_due() -> None:
    timers, ran = Timers(), []
    timers.start(3.0, lambda now: ran.append(("c", now)))
    timers.start(1.0, lambda now: ran.append(("a", now)))
    timers.start(1.0, lambda now: ran.append(("b", now)))
    assert timers.next_timeout() == 1.0
    timers.run(0.9)
    assert ran == []
    timers.run(2.0)
    assert ran == [("a", 2.0), ("b", 2.0)]
    assert timers.next_timeout() == 3.0


def test_one_may_cancel_another_and_start_new_ones() -> None:
    timers, ran = Timers(), []
    second = timers.start(2.0, lambda _: ran.append("second"))

    def first(now: float) -> None:
        second.cancel()
        second.cancel()
        timers.start(now, lambda _: ran.append("third"))

    timers.start(1.0, first)
    timers.run(5.0)
    assert ran == ["third"]
    assert len(timers) == 0
    assert timers.next_timeout() is None


class Someone:
    """Whose timer it is."""

    def act(self, now: float) -> None: ...


def test_a_cancelled_one_keeps_nobody_alive() -> None:
    timers, someone = Timers(), Someone()
    left = weakref.ref(someone)
    timers.start(1.0, lambda _: None)
    timer = timers.start(180.0, someone.act)
    timer.cancel()
    del someone
    assert left() is None


def test_cancelled_ones_do_not_outlast_those_that_ran() -> None:
    timers = Timers()
    for at in range(2 * COMPACT_FROM):
        timers.start(float(at), lambda _: None)
        timers.start(500.0, lambda _: None).cancel()
    assert len(timers._heap) > 3 * COMPACT_FROM
    timers.run(400.0)
    assert timers._heap == []


def test_cancelled_ones_do_not_pile_up() -> None:
    timers = Timers()
    kept = timers.start(1000.0, lambda _: None)
    for at in range(10_000):
        timers.start(float(at), lambda _: None).cancel()
        assert len(timers) == 1
    assert len(timers._heap) < 200
    kept.cancel()
    assert timers.next_timeout() is None


def test_half_a_minute() -> None:
    assert Timing().give_up == 32.0
    assert Timing(t1=0.1).give_up == 6.4


def test_pauses_grow_and_differ() -> None:
    chances = iter([0.0, 0.999, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    backoff = Backoff(lambda: next(chances), 1.0, 8.0)
    pauses = [backoff.pause() for _ in range(6)]
    assert pauses[0] == 0.5
    assert 1.99 < pauses[1] < 2.0
    assert pauses[2:] == [3.0, 6.0, 6.0, 6.0]
    backoff.reset()
    assert backoff.pause() == 0.75


def test_retry_after() -> None:
    def of(value: str | None) -> float | None:
        return retry_after(SipResponse(503, "", Headers([("Retry-After", value)] if value is not None else [])))

    assert of("120 (in a meeting);duration=3") == 120.0
    assert of("0") == 0.0
    assert of("999999999") == 3600.0
    assert of("9999999999999999") is None
    assert of("Fri, 20 Nov") is None
    assert of(None) is None
