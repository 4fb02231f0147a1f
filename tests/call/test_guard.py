"""Helpers that stop helping are noticed; those that do not stop are cancelled twice; plug-ins' bugs stay theirs."""

from __future__ import annotations

import asyncio

import pytest

from gateway.call.alarm import Alarm
from gateway.call.guard import STOP_WITHIN, Helpers, HelperStopped, PlugInFailed, plug_in, shielded
from gateway.errors import MediaError
from gateway.events import LegClosed
from tests.fakes.virtual_loop import elapsed, virtual_time


def broke(error) -> LegClosed:
    return LegClosed(by="failure", reason=str(error))


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def run(*helpers, once=()) -> list:
    """Runs helpers for ten seconds."""
    events: list = []
    async with asyncio.TaskGroup() as group:
        crew = Helpers(group, events.append)
        for helper in helpers:
            crew.keep("helper", helper, broke)
        for helper in once:
            crew.once("errand", helper, broke)
        await asyncio.sleep(10)
        await crew.stop()
    return events


@virtual_time
async def test_a_helper_that_returns_is_a_bug():
    async def lazy() -> None:
        pass

    with pytest.raises(ExceptionGroup) as raised:
        await run(lazy(), forever())
    assert raised.group_contains(HelperStopped)


@virtual_time
async def test_a_helper_cancelled_by_nobody_is_a_bug_also_on_an_errand():
    async def stray() -> None:
        raise asyncio.CancelledError

    for calls in ({"once": [stray()]}, {}):
        with pytest.raises(ExceptionGroup) as raised:
            await run(*([] if calls else [stray()]), **calls)
        assert raised.group_contains(HelperStopped)


@virtual_time
async def test_an_expected_error_becomes_an_event_and_the_call_goes_on():
    async def fails() -> None:
        raise MediaError("torn")

    assert await run(fails()) == [LegClosed(by="failure", reason="torn")]
    assert await run(once=[fails()]) == [LegClosed(by="failure", reason="torn")]
    assert elapsed() == 20


@virtual_time
async def test_a_helper_that_clings_is_cancelled_again():
    async def clings() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(1000)

    await run(clings())
    assert elapsed() == pytest.approx(10 + STOP_WITHIN)


@virtual_time
async def test_an_errand_cancelled_before_it_began_is_no_warning():
    async with asyncio.TaskGroup() as group:
        crew = Helpers(group, print)
        crew.once("errand", forever()).cancel()


def test_bugs_of_plug_ins_are_vendor_errors_and_expected_errors_stay_what_they_are():
    with pytest.raises(PlugInFailed, match="ZeroDivisionError"), plug_in("voice"):
        1 // 0
    with pytest.raises(MediaError), plug_in("voice"):
        raise MediaError("torn")
    with pytest.raises(asyncio.CancelledError), plug_in("voice"):
        raise asyncio.CancelledError


def test_a_shielded_call_is_made_until_it_fails():
    calls = []

    def watch(value: int) -> None:
        calls.append(value)
        if value == 2:
            raise ValueError

    watched = shielded("watch", watch)
    for value in (1, 2, 3):
        watched(value)
    assert calls == [1, 2]


@virtual_time
async def test_an_alarm_wakes_when_rung_or_when_it_is_time():
    alarm = Alarm()
    await alarm.wait(1.5)
    assert elapsed() == 1.5
    alarm.ring()
    await alarm.wait(None)
    assert elapsed() == 1.5
    asyncio.get_running_loop().call_later(1, alarm.ring)
    await alarm.wait(100)
    assert elapsed() == 2.5
    await alarm.wait(-1)
    assert elapsed() == 2.5
