"""Events that overtake each other, and a call that cannot keep up."""

from __future__ import annotations

import asyncio

import pytest

from gateway.backends.haptik.inbox import MAX_HELD, Inbox
from gateway.backends.haptik.protocol import Event
from gateway.errors import RemoteProtocolError
from tests.fakes.virtual_loop import virtual_time


def event(message_id: str) -> Event:
    return Event(name="message", message_id=message_id)


@virtual_time
async def test_what_comes_within_a_moment_is_taken_by_number_and_an_end_last() -> None:
    taken: list[str] = []
    inbox = Inbox(0.2, lambda it: taken.append(it.message_id))
    for name in ("", "10", "9", "x"):
        inbox.put(event(name))
    await asyncio.sleep(0.1)
    inbox.put(event("7"))
    assert taken == []
    await asyncio.sleep(0.11)
    assert taken == ["7", "9", "10", "", "x"]
    inbox.put(event("8"))
    await asyncio.sleep(0.19)
    assert len(taken) == 5
    await asyncio.sleep(0.02)
    assert taken[5:] == ["8"]


def test_without_a_moment_everything_is_taken_as_it_comes() -> None:
    taken: list[str] = []
    inbox = Inbox(0, lambda it: taken.append(it.message_id))
    for name in ("2", "1"):
        inbox.put(event(name))
    assert taken == ["2", "1"]


@virtual_time
async def test_what_was_accepted_waits_for_a_call_that_is_behind() -> None:
    taken: list[str] = []
    is_behind = True

    def take(it: Event) -> None:
        if is_behind and it.message_id == "2":
            raise RemoteProtocolError("full")
        taken.append(it.message_id)

    inbox = Inbox(0.2, take)
    for name in ("3", "2", "1"):
        inbox.put(event(name))
    await asyncio.sleep(1)
    assert taken == ["1"]
    is_behind = False
    await asyncio.sleep(0.2)
    assert taken == ["1", "2", "3"]


@virtual_time
async def test_more_than_can_wait_is_refused_and_nothing_is_taken_after_the_call() -> None:
    taken: list[Event] = []
    inbox = Inbox(0.2, taken.append)
    for place in range(MAX_HELD):
        inbox.put(event(str(place)))
    with pytest.raises(RemoteProtocolError):
        inbox.put(event("0"))
    inbox.close()
    inbox.close()
    await asyncio.sleep(1)
    assert taken == []
    inbox.put(event("1"))
    await asyncio.sleep(1)
    assert [it.message_id for it in taken] == ["1"]
