"""The watchdog itself. It looks on while these tests run, so they enter another one, which keeps things to itself."""

from __future__ import annotations

import asyncio

from tests.fakes.virtual_loop import VirtualLoop
from tests.watchdog import Watchdog, waited_for_cpu


async def forget(seconds: float = 3600.0) -> None:
    global _kept
    _kept = asyncio.create_task(asyncio.sleep(seconds), name="forgotten")


def watched(limit: float = 1000.0, waited: float = 0.0) -> Watchdog:
    readings = iter([0.0, waited])
    return Watchdog(limit, lambda: next(readings, waited))


def test_a_task_left_behind_is_found() -> None:
    with watched() as watchdog:
        asyncio.run(forget())
    (finding,) = watchdog.findings()
    assert finding.startswith("a task was left behind: <Task pending name='forgotten'")


def test_it_is_found_in_virtual_time_too() -> None:
    with watched() as watchdog, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(forget())
    assert len(watchdog.findings()) == 1


def test_a_task_that_is_ending_is_not_left_behind() -> None:
    async def cancel() -> None:
        await forget()
        await asyncio.sleep(0)
        _kept.cancel()

    with watched() as watchdog:
        asyncio.run(cancel())
    assert watchdog.findings() == []


def test_a_callback_beyond_the_limit_is_found_and_named() -> None:
    async def slow_step() -> None:
        await asyncio.sleep(0)

    with watched(limit=0.0) as watchdog:
        asyncio.run(slow_step())
    (finding,) = watchdog.findings()
    assert finding.startswith("the event loop was blocked for 0.0")


def test_time_without_a_processor_does_not_count() -> None:
    with watched(limit=0.0, waited=1000.0) as watchdog:
        asyncio.run(forget(0))
    assert [finding for finding in watchdog.findings() if "blocked" in finding] == []


def test_what_was_found_before_is_forgotten() -> None:
    with watched() as watchdog:
        asyncio.run(forget())
        watchdog.restart()
    assert watchdog.findings() == []


def test_the_system_tells_how_long_a_thread_waited() -> None:
    assert waited_for_cpu() >= 0.0
