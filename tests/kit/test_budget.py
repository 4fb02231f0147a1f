"""Budgets: how often something may happen."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import VendorUnavailable
from gateway.kit.budget import Governor, SlidingWindow
from tests.fakes.clock import ManualClock
from tests.fakes.virtual_loop import elapsed, run_virtual, virtual_time

PER = 60.0
PAUSES = st.lists(st.integers(0, 40), min_size=1, max_size=60)


def governor(limit: int, per: float, **more) -> Governor:
    now = asyncio.get_running_loop().time
    return Governor(SlidingWindow(limit, per, now), now, **more)


# --- the window ----------------------------------------------------------------------------------------------------
def test_so_many_and_no_more_until_the_first_is_so_old():
    clock = ManualClock()
    window = SlidingWindow(2, PER, clock.now)
    assert window.free_in() == 0
    assert window.take()
    clock.advance(20)
    assert window.take()
    assert window.used() == 2
    assert not window.take()
    assert window.free_in() == 40
    clock.advance(39.9)
    assert not window.take()
    clock.advance(0.1)
    assert window.free_in() == 0
    assert window.take()
    assert window.free_in() == 20


def test_what_is_refused_does_not_count():
    clock = ManualClock()
    window = SlidingWindow(1, PER, clock.now)
    assert window.take()
    for _ in range(5):
        clock.advance(10)
        assert not window.take()
    clock.advance(10)
    assert window.take()


@given(PAUSES, st.integers(1, 5))
def test_no_stretch_of_time_has_more_than_the_limit(pauses, limit):
    clock = ManualClock()
    window = SlidingWindow(limit, PER, clock.now)
    taken = []
    for pause in pauses:
        clock.advance(pause)
        recent = sum(1 for at in taken if at + PER > clock.now())
        assert window.used() == recent
        assert (window.free_in() == 0) is (recent < limit)
        assert window.take() is (recent < limit)
        if recent < limit:
            taken.append(clock.now())


@given(PAUSES, st.integers(1, 5))
def test_what_is_counted_in_any_case_delays_the_next(pauses, limit):
    clock = ManualClock()
    window = SlidingWindow(limit, PER, clock.now)
    counted = []
    for pause in pauses:
        clock.advance(pause)
        window.count()
        counted.append(clock.now())
        expected = counted[-limit] + PER - clock.now() if len(counted) >= limit else 0
        assert window.free_in() == max(0, expected)


@pytest.mark.parametrize(("limit", "per"), [(0, 1), (1, 0)])
def test_no_budget_is_a_mistake(limit, per):
    with pytest.raises(ValueError, match="budget"):
        SlidingWindow(limit, per, ManualClock().now)


# --- the governor --------------------------------------------------------------------------------------------------
@virtual_time
async def test_those_who_wait_go_in_the_order_they_came():
    rules = governor(2, 10)
    gone = []

    async def ask(name):
        waited = await rules.take()
        gone.append((name, elapsed(), waited))

    async with asyncio.TaskGroup() as group:
        for name in "abcde":
            group.create_task(ask(name))
    assert gone == [("a", 0, 0), ("b", 0, 0), ("c", 10, 10), ("d", 10, 10), ("e", 20, 20)]
    assert rules.waiting == 0


@virtual_time
async def test_nobody_passes_those_who_wait():
    rules = governor(1, 10)
    order = []

    async def ask(name):
        await rules.take()
        order.append(name)

    await rules.take()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask("first"))
        await asyncio.sleep(10)  # one is free now, but somebody waits for it
        group.create_task(ask("second"))
    assert order == ["first", "second"]


@virtual_time
async def test_who_is_cancelled_leaves_the_queue_and_uses_nothing():
    rules = governor(1, 10)
    await rules.take()
    asks = [asyncio.create_task(rules.take()) for _ in range(4)]
    await asyncio.sleep(1)
    asks[0].cancel()  # it sleeps
    asks[2].cancel()  # it queues
    assert await asks[1] == 10
    assert elapsed() == 10
    assert await asks[3] == 20
    await asyncio.wait(asks)
    assert [ask.cancelled() for ask in asks] == [True, False, True, False]
    assert rules.waiting == 0


@virtual_time
async def test_who_would_wait_too_long_is_turned_away():
    rules = governor(1, 10, max_waiting=2, vendor="acme")
    await rules.take()
    asks = [asyncio.create_task(rules.take()) for _ in range(2)]
    await asyncio.sleep(0)
    assert rules.waiting == 2
    with pytest.raises(VendorUnavailable, match="acme"):
        await rules.take()
    await asyncio.wait(asks)
    assert elapsed() == 20


@virtual_time
async def test_what_does_not_wait_is_counted():
    rules = governor(4, 10)
    assert rules.share_used() == 0
    await rules.take()
    assert rules.count() == 2
    assert rules.share_used() == 0.5
    assert [rules.count() for _ in range(3)] == [3, 4, 4]
    assert rules.share_used() == 1
    await rules.take()
    assert elapsed() == 10


@virtual_time
async def test_it_sleeps_by_the_clock_it_was_given():
    clock = ManualClock()
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        clock.advance(seconds)

    rules = Governor(SlidingWindow(1, 10, clock.now), clock.now, sleep)
    assert [await rules.take() for _ in range(3)] == [0, 10, 10]
    assert slept == [10, 10]


@given(
    st.lists(st.tuples(st.floats(0, 25), st.none() | st.floats(0, 40)), min_size=1, max_size=25),
    st.integers(1, 4),
)
def test_in_any_crowd_the_budget_holds_and_the_order_is_kept(asks, limit):
    """Each asks after a pause, and some give up after a time."""
    taken: list[tuple[int, float]] = []

    async def ask(rules, number, patience):
        try:
            async with asyncio.timeout(patience):
                await rules.take()
        except TimeoutError:
            return
        taken.append((number, elapsed()))

    async def crowd():
        rules = governor(limit, 10)
        async with asyncio.TaskGroup() as group:
            for number, (pause, patience) in enumerate(asks):
                await asyncio.sleep(pause)
                group.create_task(ask(rules, number, patience))
        assert rules.waiting == 0

    run_virtual(crowd())
    assert [number for number, _ in taken] == sorted(number for number, _ in taken)
    for (_, early), (_, late) in zip(taken, taken[limit:], strict=False):
        assert late - early >= 10 - 1e-6
    assert {number for number, (_, patience) in enumerate(asks) if patience is None} <= {number for number, _ in taken}
