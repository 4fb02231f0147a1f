"""What a leg has to say, from sockets and signalling, to the one who reads its events.

Audio can pass by: it comes fifty times a second, and waking the reader each time would cost a third of what it costs
to receive it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from audio.frame import Frame
from gateway.events import AudioReceived, LegClosed, LegEvent

MAX_AUDIO = 250
"""Frames (5 s) that wait for a reader who is held up; then the oldest is dropped."""
MAX_EVENTS = 1000
"""Other events; nobody presses that many keys. Then the leg is closed, because none may be lost."""


class Mailbox:
    """Events in order, until `LegClosed`, which is the last one."""

    def __init__(self) -> None:
        self._events: deque[LegEvent] = deque()
        self._audio = 0
        self._reader: asyncio.Future[None] | None = None
        self._closed: LegClosed | None = None
        self._take: Callable[[Frame], None] | None = None
        self._failure: Exception | None = None
        self.dropped = 0
        """Frames of audio that nobody read in time."""

    @property
    def closed(self) -> LegClosed | None:
        """How the leg ended, once it has."""
        return self._closed

    def pass_audio(self, take: Callable[[Frame], None] | None) -> None:
        """See `DirectLeg.pass_audio`."""
        self._take = take
        if take is None:
            return
        waiting = [event for event in self._events if type(event) is AudioReceived]
        self._events = deque(event for event in self._events if type(event) is not AudioReceived)
        self._audio = 0
        for event in waiting:
            self._hand_over(event.frame)

    def post(self, event: LegEvent) -> None:
        """Add an event; what comes after `LegClosed` is forgotten, so that the first to say why is right."""
        if self._closed is not None:
            return
        if type(event) is AudioReceived:
            if self._take is not None:
                self._hand_over(event.frame)
                return
            self._audio += 1
            if self._audio > MAX_AUDIO:
                self._drop_oldest()
        elif len(self._events) - self._audio >= MAX_EVENTS:
            event = LegClosed(by="failure", reason="nobody reads the leg's events")
        if isinstance(event, LegClosed):
            self._closed = event
        self._events.append(event)
        self._wake()

    async def events(self) -> AsyncIterator[LegEvent]:
        """Everything in order; for one reader."""
        while self._failure is None:
            while self._events:
                event = self._events.popleft()
                if type(event) is AudioReceived:
                    self._audio -= 1
                yield event
                if event is self._closed:
                    return
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
            self._reader = None
        raise self._failure

    def _hand_over(self, frame: Frame) -> None:
        if self._take is None:  # it failed meanwhile
            return
        try:
            self._take(frame)
        except Exception as error:  # the edge of a call: its socket, and its neighbours in the loop, go on
            self._take, self._failure = None, error
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _drop_oldest(self) -> None:
        for index, event in enumerate(self._events):
            if type(event) is AudioReceived:
                del self._events[index]
                break
        self._audio -= 1
        self.dropped += 1
