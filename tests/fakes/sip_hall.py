"""A hall that writes down what doors bring in, and peers that knock at them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from gateway.transports.sip.flow import Flow
from gateway.transports.sip.signalling import Door

LOOPBACK = "127.0.0.1"
WITHIN = 5.0

OPTIONS = (
    b"OPTIONS sip:bot@127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1\r\n"
    b"Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 4\r\n\r\nbody"
)
OK = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"


class RecordingHall:
    """A `Hall`. ``on_message`` gets each message, and may break down."""

    def __init__(self, on_message: Callable[[bytes, Flow], None] = lambda *_: None) -> None:
        self.doors: dict[Flow, Door] = {}
        self.opened: list[Flow] = []
        self.messages: list[tuple[bytes, Flow]] = []
        self.closed: list[Flow] = []
        self.used: set[Flow] = set()
        self._on_message = on_message
        self._changed = asyncio.Event()

    def flow_opened(self, flow: Flow, door: Door) -> None:
        assert flow not in self.doors, "a flow is opened once"
        self.doors[flow] = door
        self.opened.append(flow)
        self._changed.set()

    def received(self, data: bytes, flow: Flow) -> None:
        assert flow in self.doors, "a message on a flow that is not open"
        self.messages.append((data, flow))
        self._changed.set()
        self._on_message(data, flow)

    def flow_closed(self, flow: Flow) -> None:
        del self.doors[flow]  # once
        self.closed.append(flow)
        self._changed.set()

    def is_used(self, flow: Flow) -> bool:
        return flow in self.used

    @property
    def data(self) -> list[bytes]:
        return [data for data, _ in self.messages]

    def send(self, flow: Flow, data: bytes) -> bool:
        door = self.doors.get(flow)
        return door is not None and door.send(flow, data)

    async def until(self, is_so: Callable[[], bool], within: float = WITHIN) -> None:
        async with asyncio.timeout(within):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def until_received(self, number: int = 1) -> None:
        await self.until(lambda: len(self.messages) >= number)

    async def until_closed(self, number: int = 1, within: float = WITHIN) -> None:
        await self.until(lambda: len(self.closed) >= number, within)


@asynccontextmanager
async def open_door(door: Any, hall: RecordingHall) -> AsyncIterator[None]:
    """Run a door for the block."""
    running = asyncio.create_task(door.run(hall))
    try:
        if hasattr(door, "is_up"):
            async with asyncio.timeout(WITHIN):
                await door.is_up.wait()
        else:
            await asyncio.sleep(0)
        yield
        assert not running.done(), "a door runs until it is cancelled"
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
    assert not hall.doors, "a door that is shut leaves no flow open"


def tokens() -> Callable[[], str]:
    """Ids that count up."""
    numbers = count(1)
    return lambda: f"token{next(numbers):07}"
