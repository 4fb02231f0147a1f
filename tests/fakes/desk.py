"""Somebody who takes the calls a transport offers: answers, reads everything, and lets the test use the leg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from gateway.events import AudioReceived, LegEvent
from gateway.interfaces import Leg, Transport
from tests.fakes.shared_port import SharedPort, shared_port


class TakenCall:
    """One call: its leg, and what the leg said."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.events: list[LegEvent] = []
        self.times: list[float] = []
        self.is_answered = False
        self.is_over = False

    @property
    def audio(self) -> bytes:
        return b"".join(event.frame.data for event in self.events if isinstance(event, AudioReceived))

    def time_of(self, event: LegEvent) -> float:
        """When the leg said this."""
        return self.times[self.events.index(event)]

    @property
    def told(self) -> list[LegEvent]:
        """Everything but audio."""
        return [event for event in self.events if not isinstance(event, AudioReceived)]


class Desk:
    """Takes calls.

    Args:
        answers: Whether it answers them; else the test does, or hangs up.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.calls: list[TakenCall] = []
        self._answers = answers
        self._news = asyncio.Condition()

    async def offer(self, leg: Leg) -> None:
        call = TakenCall(leg)
        self.calls.append(call)
        if self._answers:
            await self._tell()
            await leg.answer()
            call.is_answered = True
        await self._tell()
        async for event in leg.events():
            call.events.append(event)
            call.times.append(asyncio.get_running_loop().time())
            await self._tell()
        call.is_over = True
        await self._tell()

    async def until(self, condition: Callable[[], bool], within: float = 30.0) -> None:
        """Wait until what the legs said makes a condition true."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(condition)

    async def call(self, index: int = 0) -> TakenCall:
        """The n-th call, once it is there."""
        await self.until(lambda: len(self.calls) > index)
        return self.calls[index]

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def open_line(transport: Transport, desk: Desk) -> AsyncIterator[SharedPort]:
    """Serve a transport's routes on a loopback port, and its calls at the desk."""
    async with shared_port(transport.routes) as port:
        serving = asyncio.create_task(transport.serve(desk.offer))
        await asyncio.sleep(0)
        try:
            yield port
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
