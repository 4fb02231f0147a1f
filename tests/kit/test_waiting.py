from __future__ import annotations

import asyncio

import pytest

from gateway.kit.waiting import Cuttable

pytestmark = pytest.mark.asyncio


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_wait_that_ends_by_itself() -> None:
    assert await Cuttable().wait(asyncio.sleep(0))


async def test_a_cut_ends_the_wait_and_nothing_else() -> None:
    wait = Cuttable()
    asyncio.get_running_loop().call_soon(wait.cut)
    assert not await wait.wait(never())
    await asyncio.sleep(0)  # the task itself is not cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cut_without_a_wait_does_nothing() -> None:
    wait = Cuttable()
    wait.cut()
    assert await wait.wait(asyncio.sleep(0))


async def test_two_cuts_are_one() -> None:
    wait = Cuttable()
    asyncio.get_running_loop().call_soon(wait.cut)
    asyncio.get_running_loop().call_soon(wait.cut)
    assert not await wait.wait(never())
    assert await wait.wait(asyncio.sleep(0))


async def test_a_cancellation_from_outside_passes_through() -> None:
    wait = Cuttable()
    task = asyncio.create_task(wait.wait(never()))
    await asyncio.sleep(0)
    task.cancel()
    wait.cut()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_passes_through() -> None:
    async def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Cuttable().wait(fails())
