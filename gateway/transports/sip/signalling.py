"""Between the doors and the core of one line: bytes in, bytes out, one timer, and events to whoever conducts calls.

A door carries messages and knows no SIP; the core (`user_agent`) knows SIP and carries nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import structlog

from gateway.clock import Clock
from gateway.routes import SocketRoute
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.ua_events import UserAgentEvent
from gateway.transports.sip.user_agent import UserAgent

log = structlog.get_logger(__name__)


class Door(Protocol):
    """A way for SIP messages to come in and go out: a WebSocket we open, one we accept, UDP, TCP."""

    @property
    def routes(self) -> Sequence[SocketRoute]:
        """Sockets on the shared port; most doors have none."""
        ...

    async def run(self, hall: Hall) -> None:
        """Carry messages until cancelled. What happens to one connection ends no other."""
        ...

    def send(self, flow: Flow, data: bytes) -> bool:
        """Send without waiting; False when the flow is none of this door's, or is gone."""
        ...


@runtime_checkable
class Flushes(Protocol):
    """A door that hands messages over a little later than it is given them."""

    async def flush(self) -> None:
        """Wait until everything that was given to it has left."""
        ...


class Hall(Protocol):
    """What doors open into."""

    def flow_opened(self, flow: Flow, door: Door) -> None: ...
    def received(self, data: bytes, flow: Flow) -> None:
        """One SIP message, whole; keep-alives are the door's own matter."""
        ...

    def flow_closed(self, flow: Flow) -> None: ...
    def is_used(self, flow: Flow) -> bool:
        """Whether calls depend on it, so that it is not closed for being silent."""
        ...


class Signalling:
    """The hall of one line.

    Args:
        agent: The core.
        take: Gets each event, and must not wait; it may command the core, and what that says goes out afterwards.
    """

    def __init__(self, agent: UserAgent, clock: Clock, take: Callable[[UserAgentEvent], None]) -> None:
        self.agent = agent
        self._clock = clock
        self._take = take
        self._doors: dict[Flow, Door] = {}
        self._changed = asyncio.Event()
        self._is_pumping = False

    # --- from the doors --------------------------------------------------------------------------------------------
    def flow_opened(self, flow: Flow, door: Door) -> None:
        self._doors[flow] = door

    def received(self, data: bytes, flow: Flow) -> None:
        self.agent.receive(data, flow, self._clock.now())
        self.pump()

    def flow_closed(self, flow: Flow) -> None:
        self._doors.pop(flow, None)
        self.agent.flow_closed(flow, self._clock.now())
        self.pump()

    def is_used(self, flow: Flow) -> bool:
        return self.agent.has_calls(flow)

    def door_of(self, flow: Flow) -> Door | None:
        """By which a flow came; None once it is gone."""
        return self._doors.get(flow)

    # --- to the doors ----------------------------------------------------------------------------------------------
    def pump(self) -> None:
        """Pass on what the core has to say, until it has nothing more. After every command to the core."""
        if self._is_pumping:  # an event led to a command: the loop below sees to it
            return
        self._is_pumping = True
        try:
            while self._step():
                pass
        finally:
            self._is_pumping = False
            self._changed.set()

    def _step(self) -> bool:
        outgoing, events = self.agent.outgoing(), self.agent.events()
        for flow, data in outgoing:
            door = self._doors.get(flow)
            if door is None or not door.send(flow, data):
                log.debug("message without a way", peer=flow.peer, transport=flow.transport)
        for event in events:
            try:
                self._take(event)
            except Exception:  # the edge of one call: the line's others go on
                log.exception("event of the line broken off", kind=type(event).__name__)
        return bool(outgoing or events)

    async def run(self) -> None:
        """The core's timers, until cancelled."""
        while True:
            self._changed.clear()
            due = self.agent.next_timeout()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock.now())):
                    await self._changed.wait()
            except TimeoutError:
                self.agent.timeout(self._clock.now())
                self.pump()
