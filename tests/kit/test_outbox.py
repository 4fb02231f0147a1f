"""The queue behind `actions()`: in order, bounded, and over when the chat is."""

from __future__ import annotations

import asyncio

import pytest

from gateway.actions import ActionBatch, Say
from gateway.errors import RemoteProtocolError
from gateway.kit.outbox import Outbox

pytestmark = pytest.mark.asyncio


def batch(text: str) -> ActionBatch:
    return ActionBatch(actions=(Say(text=text),))


async def test_batches_come_out_in_order_and_end_with_the_chat():
    outbox = Outbox()
    assert outbox.put(batch("one"))
    assert outbox.put(batch("two"))
    outbox.close()
    outbox.close()
    assert not outbox.put(batch("late"))
    assert [item async for item in outbox] == [batch("one"), batch("two")]
    assert [item async for item in outbox] == []


async def test_a_reader_waits_for_the_next_batch():
    outbox = Outbox()
    reading = asyncio.ensure_future(anext(aiter(outbox)))
    await asyncio.sleep(0)
    assert not reading.done()
    outbox.put(batch("one"))
    async with asyncio.timeout(5):
        assert await reading == batch("one")


async def test_a_platform_that_floods_a_call_is_refused():
    outbox = Outbox(limit=2)
    outbox.put(batch("one"))
    outbox.put(batch("two"))
    with pytest.raises(RemoteProtocolError):
        outbox.put(batch("three"))
    reader = aiter(outbox)
    assert await anext(reader) == batch("one")
    assert outbox.put(batch("three"))


async def test_closing_ends_a_waiting_reader():
    outbox = Outbox(limit=1)
    reading = asyncio.ensure_future(anext(aiter(outbox), None))
    await asyncio.sleep(0)
    outbox.close()
    async with asyncio.timeout(5):
        assert await reading is None


async def test_one_can_see_that_there_is_no_room():
    outbox = Outbox(limit=1)
    assert not outbox.is_full
    outbox.put(batch("one"))
    assert outbox.is_full
    await anext(aiter(outbox))
    assert not outbox.is_full
