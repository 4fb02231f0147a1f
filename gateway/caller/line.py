"""A call placed over a WebSocket: any `Peer` on the `websockets` library, with time injected.

async with TwilioCaller().connect("ws://127.0.0.1:8080/media/twilio", caller="601", called="+33123456789") as line:
    await line.say(greeting)
    async for event in line.events(): ...
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Literal, Protocol, Self

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from audio.frame import Frame
from gateway.caller.ear import Heard
from gateway.caller.peer import AudioHeard, CallerAuth, Cleared, FarEvent, HungUp, Message, Peer
from gateway.clock import Clock, LoopClock
from gateway.errors import LocalProtocolError
from gateway.kit.waiting import Cuttable

Sleep = Callable[[float], Awaitable[None]]

PTIME = 0.02
"""Seconds of audio per message, as carriers send it."""
OPEN_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0
MAX_EVENTS = 4096
"""Events nobody has read; then the oldest go. What was heard is in `CallerLine.heard` all the same."""
CLOSED_CLEANLY = frozenset({1000, 1001, 1005})


class CallerClient(Protocol):
    """Places calls on lines of one protocol."""

    def connect(
        self,
        url: str,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        auth: CallerAuth | None = None,
    ) -> CallerLine:
        """A call that begins when the line is entered with ``async with``, and ends when it is left.

        Entering raises OSError, TimeoutError or `websockets.exceptions.InvalidStatus` (the gateway refused).
        """
        ...


class CallerLine:
    """One call as its caller lives it.

    Args:
        peer: The protocol's far side.
        opening: Opens the socket.
        clock, sleep: Time; both may be virtual.
        hear_every: Longest piece of an `AudioHeard`, in seconds; None: no such events, only `heard`.
        background: Send silence whenever nothing is said, as a carrier does.
    """

    def __init__(
        self,
        peer: Peer,
        opening: Callable[[], Awaitable[Connection]],
        *,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        hear_every: float | None = 0.1,
        background: bool = False,
    ) -> None:
        self.peer = peer
        self._opening = opening
        self._clock = clock or LoopClock()
        self._sleep = sleep
        self._hear_every = hear_every
        self._background = background
        self._connection: Connection | None = None
        self._events: deque[FarEvent] = deque(maxlen=MAX_EVENTS)
        self._news = asyncio.Event()
        self._nap = Cuttable()
        self._sending = asyncio.Lock()
        self._speech: deque[tuple[bytes, asyncio.Future[None] | None]] = deque()
        self._saying: asyncio.Future[None] | None = None
        self._has_speech = asyncio.Event()
        self._is_leaving = False
        self._hung_up: HungUp | None = None
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- the call --------------------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        self._connection = await self._opening()
        self.peer.start(self._clock.now())
        await self._flush()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        try:
            await self.hang_up()
            await asyncio.wait([self._task], timeout=CLOSE_TIMEOUT)
        finally:
            self._task.cancel()
            await asyncio.wait([self._task])
        if error is None and not self._task.cancelled() and (failure := self._task.exception()) is not None:
            raise failure

    async def hang_up(self) -> None:
        """The caller hangs up; harmless when the call is over."""
        if self._is_leaving or self._over.is_set() or self._connection is None:
            return
        self._is_leaving = True
        self.peer.end(self._clock.now())
        await self._flush()
        await self._connection.close()

    def vanish(self) -> None:
        """The connection is lost, without a word."""
        assert self._connection is not None
        self._connection.transport.abort()

    def freeze(self) -> None:
        """The far side stops reading, and so answers no ping."""
        assert self._connection is not None
        self._connection.transport.pause_reading()

    @property
    def subprotocol(self) -> str | None:
        """What the gateway chose of what was offered."""
        return self._connection.subprotocol if self._connection is not None else None

    @property
    def hung_up(self) -> HungUp | None:
        """How the call ended; None while it is up."""
        return self._hung_up

    async def wait_until_over(self) -> HungUp:
        """Wait for the end of the call. Wrap it in `asyncio.timeout`."""
        await self._over.wait()
        assert self._hung_up is not None
        return self._hung_up

    # --- the caller's mouth and fingers ----------------------------------------------------------------------------
    async def send_audio(self, frame: Frame) -> None:
        """Send audio now, whatever its length and whatever else is being said."""
        self._check(frame)
        self.peer.audio(frame.data, self._clock.now())
        await self._flush()

    async def say(self, frame: Frame) -> None:
        """Say something at the speed of speech, 20 ms at a time; returns when it is said, or the call is over."""
        self._check(frame)
        size = self.peer.format.size(PTIME)
        pieces = [frame.data[i : i + size] for i in range(0, len(frame.data), size)]
        if not pieces or self._over.is_set():
            return
        said = asyncio.get_running_loop().create_future()
        self._speech.extend([*((piece, None) for piece in pieces[:-1]), (pieces[-1], said)])
        self._has_speech.set()
        await said

    async def send_raw(self, message: Message) -> None:
        """Send any message at all, as a broken peer might."""
        assert self._connection is not None
        with suppress(ConnectionClosed):
            await self._connection.send(message)

    async def press(self, digits: str, *, every: float = 0.1) -> None:
        """Press keys, one ``every`` so many seconds."""
        for index, digit in enumerate(digits):
            if index:
                await self._sleep(every)
            self.peer.digit(digit, self._clock.now())
            await self._flush()

    # --- the caller's ear ------------------------------------------------------------------------------------------
    def heard(self) -> list[Heard]:
        """What has reached the ear so far, with its times."""
        if self._hung_up is not None:
            return self.peer.ear.heard(self._hung_up.at)
        now = self._clock.now()
        self.peer.advance(now)
        return self.peer.ear.heard(now)

    async def events(self) -> AsyncIterator[FarEvent]:
        """What happens to the caller; `HungUp` is last."""
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, HungUp):
                    return
            self._news.clear()
            await self._news.wait()

    # --- helpers ---------------------------------------------------------------------------------------------------
    async def _run(self) -> None:
        async with asyncio.TaskGroup() as helpers:
            tasks = [helpers.create_task(helper()) for helper in (self._tick, self._speak)]
            await self._read()
            for task in tasks:
                task.cancel()

    async def _read(self) -> None:
        assert self._connection is not None
        try:
            while True:
                message = await self._connection.recv()
                self.peer.receive(message, self._clock.now())
                await self._flush()
                self._nap.cut()
        except ConnectionClosed as closed:
            self._end(closed)

    async def _tick(self) -> None:
        """Let time pass for the peer: marks that are due, audio that was heard."""
        while True:
            due = self._next_due()
            if due is None:
                await self._nap.wait(asyncio.get_running_loop().create_future())
                continue
            wait = due - self._clock.now()
            if wait > 0 and not await self._nap.wait(self._sleep(wait)):
                continue
            self.peer.advance(self._clock.now())
            await self._flush()

    async def _speak(self) -> None:
        """Keep the pace of what is said, by absolute deadlines: what is late once does not stay late."""
        silence = self.peer.format.silence(round(PTIME * self.peer.format.rate))
        due = self._clock.now()
        while True:
            if not self._speech and not self._background:
                self._has_speech.clear()
                await self._has_speech.wait()
                due = self._clock.now()
            piece, said = self._speech.popleft() if self._speech else (silence, None)
            self.peer.audio(piece, self._clock.now())
            await self._flush()
            due += PTIME
            self._saying = said
            await self._sleep(max(0.0, due - self._clock.now()))
            _done(said)

    def _next_due(self) -> float | None:
        due = self.peer.next_due()
        if self._hear_every is None:
            return due
        pieces = [due, self.peer.ear.piece_due(self._hear_every)]
        if self.peer.has_queued:
            pieces.append(self._clock.now() + self._hear_every)
        return min((piece for piece in pieces if piece is not None), default=None)

    async def _flush(self) -> None:
        """Send and report what the peer has collected."""
        self._collect(self._clock.now())
        assert self._connection is not None
        async with self._sending:  # one at a time, so that messages keep their order when TCP pushes back
            with suppress(ConnectionClosed):  # the reader sees it too, and reports it
                for message in self.peer.take_messages():
                    await self._connection.send(message)
        if self.peer.is_over:
            await self._connection.close(self.peer.close_code)

    def _collect(self, now: float) -> None:
        events = self.peer.take_events()
        if self._hear_every is not None:
            due = self.peer.ear.piece_due(self._hear_every)
            if due is not None and (due <= now or any(isinstance(event, Cleared) for event in events)):
                self._hear(now)
        for event in events:
            self._report(event)

    def _hear(self, now: float) -> None:
        for piece in self.peer.ear.take(now):
            self._report(AudioHeard(Frame(piece.data, piece.format), piece.at))

    def _report(self, event: FarEvent) -> None:
        self._events.append(event)
        self._news.set()

    def _end(self, closed: ConnectionClosed) -> None:
        now = self._clock.now()
        self.peer.advance(now)
        self.peer.take_messages()
        frame = closed.rcvd
        code = frame.code if frame is not None else None
        by_gateway = self.peer.is_over or (code in CLOSED_CLEANLY and not self._is_leaving)
        by: Literal["caller", "gateway", "failure"]
        by = "caller" if self._is_leaving else "gateway" if by_gateway else "failure"
        self._hung_up = HungUp(now, by, code, frame.reason if frame is not None else "")
        self._collect(now)
        if self._hear_every is not None:
            self._hear(now)
        self.peer.ear.cut(now)  # what was still buffered is never heard
        self._report(self._hung_up)
        self._over.set()
        for said in (self._saying, *(said for _, said in self._speech)):
            _done(said)

    def _check(self, frame: Frame) -> None:
        if frame.format != self.peer.format:
            raise LocalProtocolError(f"this line carries {self.peer.format}, not {frame.format}")


def _done(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


async def open_socket(
    url: str, headers: Mapping[str, str], subprotocol: str | None = None, timeout: float = OPEN_TIMEOUT
) -> Connection:
    """Open a WebSocket as the carriers do: uncompressed, answering pings, sending none."""
    return await connect(
        url,
        additional_headers=dict(headers),
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        compression=None,
        user_agent_header=None,
        proxy=None,
        open_timeout=timeout,
        close_timeout=CLOSE_TIMEOUT,
        ping_interval=None,
        max_size=1 << 20,
    )
