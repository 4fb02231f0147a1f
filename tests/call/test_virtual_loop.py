"""The loop with virtual time: exact, fast, honest about real input, and never stuck for long."""

from __future__ import annotations

import asyncio
import time

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from tests.fakes.virtual_loop import StuckError, VirtualLoop, elapsed, run_virtual, virtual_time


@virtual_time
async def test_an_hour_takes_no_time_and_is_exact():
    before = time.monotonic()
    await asyncio.sleep(3600)
    assert elapsed() == 3600
    assert time.monotonic() - before < 60


@virtual_time
async def test_timers_fire_in_order_at_their_times():
    seen = []
    loop = asyncio.get_running_loop()
    for delay in (3, 1, 2):
        loop.call_later(delay, lambda: seen.append(elapsed()))
    await asyncio.sleep(4)
    assert seen == [1, 2, 3]


@virtual_time
async def test_real_sockets_in_one_process_keep_up_with_virtual_time():
    async def echo(socket) -> None:
        async for message in socket:
            await asyncio.sleep(0.25)
            await socket.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/") as socket:
            for number in range(20):
                before = elapsed()
                await socket.send(str(number))
                assert await socket.recv() == str(number)
                assert elapsed() - before == pytest.approx(0.25, abs=1e-9)


@virtual_time
async def test_time_waits_for_threads():
    async with asyncio.timeout(0.001):
        assert await asyncio.to_thread(sum, range(1_000_000)) == 499999500000


@pytest.mark.leaves_tasks
def test_a_loop_that_nothing_can_wake_says_so():
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError):
        run_virtual(forever(), lambda: VirtualLoop(real_wait=0.01))


@pytest.mark.leaves_tasks
def test_a_loop_that_runs_for_ever_is_stopped():
    async def forever() -> None:
        for _ in range(1000):
            await asyncio.sleep(1)

    with pytest.raises(StuckError):
        run_virtual(forever(), lambda: VirtualLoop(max_jumps=100))


@pytest.mark.leaves_tasks
def test_a_task_that_is_left_behind_fails():
    async def careless() -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        task.set_name("forgotten")

    with pytest.raises(AssertionError, match="forgotten"):
        run_virtual(careless())


def test_an_error_nobody_saw_fails():
    async def careless() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="reported"):
        run_virtual(careless())
