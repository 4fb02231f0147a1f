"""What both WebSocket doors do with one connection, where a real peer would be too polite."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clock import LoopClock
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.ws_flow import MAX_UNSENT_BYTES, STALL_LIMIT, Ending, WebSocketFlow
from gateway.transports.sockets import Message, SocketClosed
from tests.fakes.sip_hall import OK, RecordingHall
from tests.fakes.virtual_loop import elapsed, virtual_time

FLOW = Flow(id="ws 1", transport="ws", peer="192.0.2.1:5", local="abc.invalid")


class Quiet:
    """A `MediaSocket` whose peer says nothing, and takes what we send while `is_open`."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.is_open = asyncio.Event()
        self.is_gone = False

    async def receive(self) -> Message:
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: Message) -> None:
        await self.is_open.wait()
        if self.is_gone:
            raise SocketClosed(None)
        self.sent.append(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        raise AssertionError("left to who has made it")


def carried(socket: Quiet) -> WebSocketFlow:
    return WebSocketFlow(socket, FLOW, clock=LoopClock())


@virtual_time
async def test_a_peer_that_takes_nothing_for_a_while_ends_it() -> None:
    flow = carried(Quiet())
    assert flow.send(OK)
    assert await flow.carry(RecordingHall()) == Ending("the peer takes nothing", is_stuck=True)
    assert elapsed() == pytest.approx(STALL_LIMIT)
    assert not flow.send(OK)


@virtual_time
async def test_a_peer_that_is_slow_does_not() -> None:
    socket = Quiet()
    flow = carried(socket)
    for number in range(3):
        assert flow.send(str(number).encode())
    asyncio.get_running_loop().call_later(STALL_LIMIT - 1, socket.is_open.set)
    asyncio.get_running_loop().call_later(60, flow.end, Ending("enough"))
    assert (await flow.carry(RecordingHall())).reason == "enough"
    assert socket.sent == ["0", "1", "2"]


@virtual_time
async def test_what_waits_for_a_peer_is_bounded_and_counts_what_is_under_way() -> None:
    flow = carried(Quiet())
    carrying = asyncio.create_task(flow.carry(RecordingHall()))
    block = b"x" * (MAX_UNSENT_BYTES // 4)
    for _ in range(4):
        assert flow.send(block)
        await asyncio.sleep(0)
    assert not flow.send(b"x")
    assert (await carrying).is_stuck


@virtual_time
async def test_what_was_taken_makes_room() -> None:
    socket = Quiet()
    socket.is_open.set()
    flow = carried(socket)
    carrying = asyncio.create_task(flow.carry(RecordingHall()))
    for _ in range(10):
        assert flow.send(b"x" * MAX_UNSENT_BYTES)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(socket.sent) == 10
    flow.end(Ending("enough"))
    assert await carrying == Ending("enough")


@virtual_time
async def test_a_socket_that_breaks_while_we_send_ends_it() -> None:
    socket = Quiet()
    socket.is_gone = True
    socket.is_open.set()
    flow = carried(socket)
    assert flow.send(OK)
    assert await flow.carry(RecordingHall()) == Ending("connection lost")


@virtual_time
async def test_the_first_ending_counts() -> None:
    flow = carried(Quiet())
    flow.end(Ending("one"))
    flow.end(Ending("two"))
    assert await flow.carry(RecordingHall()) == Ending("one")


@virtual_time
async def test_whoever_has_said_the_last_word_can_wait_until_it_has_left() -> None:
    socket = Quiet()
    flow = carried(socket)
    carrying = asyncio.create_task(flow.carry(RecordingHall()))
    await flow.flush()  # nothing to wait for
    for word in (b"one", b"two"):
        flow.send(word)
    asyncio.get_running_loop().call_later(3, socket.is_open.set)
    await flow.flush()
    assert (socket.sent, elapsed()) == (["one", "two"], pytest.approx(3))
    socket.is_open.clear()
    flow.send(b"three")
    asyncio.get_running_loop().call_later(1, flow.end, Ending("enough"))
    await flow.flush()
    assert elapsed() == pytest.approx(4), "nor is there anything to wait for once it is over"
    await carrying
