"""The beat of everything that is sent: exact, patient with a slow process, and never a burst."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.media.ticker import PATIENCE, PTIME, Beat, Ticker
from tests.fakes.virtual_loop import elapsed, virtual_time


def test_nothing_is_due_before_its_time() -> None:
    beat = Beat(5.0)
    assert beat.due(4.99) == (0, 0)
    assert beat.due(5.0) == (0, 1)
    assert beat.due(5.01) == (0, 0)
    assert beat.next_deadline == pytest.approx(5.02)


def test_a_timer_that_is_a_moment_early_is_in_time() -> None:
    assert Beat(5.0).due(4.9991) == (0, 1)


@pytest.mark.parametrize(("late", "slots"), [(0.018, 1), (0.021, 2), (0.05, 3), (0.098, 5)])
def test_up_to_a_tenth_of_a_second_is_made_up_for_at_once(late: float, slots: int) -> None:
    beat = Beat(5.0)
    assert beat.due(5.0 + late) == (0, slots)
    assert beat.next_deadline == pytest.approx(5.0 + slots * PTIME)


@pytest.mark.parametrize(("late", "left_out"), [(0.101, 5), (0.5, 25), (60.0, 3000)])
def test_what_is_later_is_left_out(late: float, left_out: int) -> None:
    beat = Beat(5.0)
    assert beat.due(5.0 + late) == (left_out, 1)
    assert 0 < beat.next_deadline - 5.0 - late < PTIME + 1e-9


@given(st.lists(st.floats(0.0, 0.3), max_size=200))
def test_however_slow_the_process_no_slot_is_forgotten_and_none_comes_twice(naps: list[float]) -> None:
    now, beat, slots = 100.0, Beat(100.0), 0
    for nap in naps:
        now += nap
        left_out, due = beat.due(now)
        assert due <= PATIENCE / PTIME + 1
        slots += left_out + due
        assert slots == int((now + 0.001 - 100.0) / PTIME) + 1 or abs((now + 0.001 - 100.0) / PTIME - slots) < 1e-6
        assert beat.next_deadline > now


class Leg:
    """Writes down when it was served."""

    def __init__(self, ticker: Ticker) -> None:
        self.ticker = ticker
        self.times: list[float] = []
        self.left_out = 0
        self.failed = 0
        self.breaks_at = -1
        self.until: asyncio.Future[None] | None = None
        self.wanted = 0

    def tick(self, left_out: int) -> None:
        self.times.append(elapsed())
        self.left_out += left_out
        if len(self.times) == self.breaks_at:
            raise ZeroDivisionError
        if self.until is not None and len(self.times) == self.wanted:
            self.until.set_result(None)

    def fail(self) -> None:
        self.failed += 1

    def start(self) -> None:
        self.ticker.add(self.tick, self.fail)

    def stop(self) -> None:
        self.ticker.remove(self.tick)

    async def served(self, times: int) -> None:
        self.wanted, self.until = times, asyncio.get_running_loop().create_future()
        async with asyncio.timeout(1000):
            await self.until


@virtual_time
async def test_the_five_hundredth_slot_is_as_punctual_as_the_first() -> None:
    leg = Leg(Ticker())
    leg.start()
    await leg.served(500)
    leg.stop()
    assert leg.times == pytest.approx([PTIME * (slot + 1) for slot in range(500)], abs=1e-6)


@virtual_time
async def test_all_legs_share_one_beat_whenever_they_come() -> None:
    ticker = Ticker()
    first, second = Leg(ticker), Leg(ticker)
    first.start()
    await first.served(3)
    await asyncio.sleep(0.013)
    second.start()
    await second.served(2)
    assert second.times == first.times[3:]
    first.stop()
    second.stop()
    assert ticker.members == 0


@virtual_time
async def test_nobody_there_no_timer() -> None:
    leg = Leg(Ticker())
    leg.start()
    await leg.served(2)
    leg.stop()
    leg.stop()
    await asyncio.sleep(10.0)
    assert len(leg.times) == 2
    leg.start()
    await leg.served(4)
    leg.stop()
    assert leg.left_out == 0
    assert leg.times[2:] == pytest.approx([10.06, 10.08])


@virtual_time
async def test_a_leg_may_leave_and_bring_others_in_its_own_tick() -> None:
    ticker = Ticker()
    leg, other = Leg(ticker), Leg(ticker)

    def leave(left_out: int) -> None:
        ticker.remove(leave)
        leg.stop()
        other.start()

    ticker.add(leave, leg.fail)
    leg.start()
    other.wanted = 1
    await other.served(2)
    other.stop()
    assert (leg.times, leg.failed) == ([], 0)


@virtual_time
async def test_one_that_breaks_is_told_and_its_neighbours_go_on() -> None:
    ticker = Ticker()
    broken, sound = Leg(ticker), Leg(ticker)
    broken.breaks_at = 3
    broken.start()
    sound.start()
    await sound.served(10)
    assert (len(broken.times), broken.failed, sound.failed) == (3, 1, 0)
    assert ticker.members == 1
    sound.stop()


class SlowClock:
    """The loop's time, held up at will."""

    def __init__(self) -> None:
        self.late = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.late

    def wall(self) -> object:
        raise NotImplementedError


@pytest.mark.parametrize(("late", "left_out", "served"), [(0.05, 0, 3), (0.5, 25, 1)])
def test_a_process_that_was_held_up(late: float, left_out: int, served: int) -> None:
    @virtual_time
    async def run() -> None:
        clock = SlowClock()
        ticker = Ticker(clock)  # type: ignore[arg-type]  # nobody asks it for the time of day
        leg = Leg(ticker)
        leg.start()
        clock.late = late
        await leg.served(served)
        leg.stop()
        assert leg.times == pytest.approx([PTIME] * served)
        assert leg.left_out == ticker.skipped == left_out

    run()
