"""A call placed on a line: any `Peer` on its `Connection`, a WebSocket or another one, with time injected.

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

from audio.frame import Frame
from gateway.caller.connection import CLOSE_TIMEOUT, Connection, LineClosed
from gateway.caller.ear import Heard
from gateway.caller.peer import Answered, AudioHeard, CallerAuth, Cleared, FarEvent, HungUp, Message, Peer
from gateway.clock import Clock, LoopClock
from gateway.errors import GatewayError, LocalProtocolError
from gateway.kit.waiting import Cuttable

Sleep = Callable[[float], Awaitable[None]]

PTIME = 0.02
"""Seconds of audio per message, as carriers send it."""
MAX_EVENTS = 4096
"""Events nobody has read; then the oldest go. What was heard is in `CallerLine.heard` all the same."""


class CallRefused(GatewayError):
    """The gateway did not take the call, and said so.

    Attributes:
        status: In the words of the protocol: 404, 486, 503 ...
        retry_after: Seconds, where the gateway named them.
    """

    def __init__(self, status: int, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"refused with {status} {reason}".rstrip())
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


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

        Entering raises OSError, TimeoutError, `CallRefused` or `websockets.exceptions.InvalidStatus` (the gateway
        refused, the call or the socket).
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
        answered_within: Entering waits so many seconds for the gateway to take the call; None: not at all.
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
        answered_within: float | None = None,
    ) -> None:
        self.peer = peer
        self._opening = opening
        self._clock = clock or LoopClock()
        self._sleep = sleep
        self._hear_every = hear_every
        self._background = background
        self._answered_within = answered_within
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
        self._decided = asyncio.Event()  # answered, or over
        self._task: asyncio.Task[None] | None = None

    # --- the call --------------------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        self._connection = await self._opening()
        self.peer.start(self._clock.now())
        await self._flush()
        self._task = asyncio.create_task(self._run())
        if self._answered_within is not None:
            try:
                await self._until_answered(self._answered_within)
            except BaseException:
                await self._leave()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()
        assert self._task is not None
        if error is None and not self._task.cancelled() and (failure := self._task.exception()) is not None:
            raise failure

    async def _until_answered(self, within: float) -> None:
        async with asyncio.timeout(within):
            await self._decided.wait()
        if (over := self._hung_up) is None:
            return
        if over.code is None:
            raise ConnectionError(over.reason or "the connection broke")
        raise CallRefused(over.code, over.reason, getattr(self.peer, "retry_after", None))

    async def _leave(self) -> None:
        assert self._task is not None
        assert self._connection is not None
        try:
            await self.hang_up()
            await asyncio.wait([self._task], timeout=CLOSE_TIMEOUT)
        finally:
            self._task.cancel()
            await asyncio.wait([self._task])
            await self._connection.close()

    async def hang_up(self) -> None:
        """The caller hangs up; harmless when the call is over."""
        if self._is_leaving or self._over.is_set() or self._connection is None:
            return
        self._is_leaving = True
        self.peer.end(self._clock.now())
        await self._flush()
        if not self.peer.ends_at_once:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._over.wait()
        await self._connection.close()

    def vanish(self) -> None:
        """The connection is lost, without a word."""
        assert self._connection is not None
        self._connection.abort()

    def freeze(self) -> None:
        """The far side stops reading, and so answers no ping."""
        assert self._connection is not None
        self._connection.freeze()

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
        with suppress(LineClosed):
            await self._connection.send(message)

    async def act(self, perform: Callable[[float], None]) -> None:
        """Have the peer do something that is its protocol's own, such as `SipPeer.hold`; it is told the time."""
        perform(self._clock.now())
        await self._flush()

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
        except LineClosed as closed:
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
            with suppress(LineClosed):  # the reader sees it too, and reports it
                for message in self.peer.take_messages():
                    await self._connection.send(message)
        if self.peer.is_over:
            await self._connection.close(self.peer.close_code, self.peer.close_reason)

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
        if isinstance(event, Answered):
            self._decided.set()

    def _end(self, closed: LineClosed) -> None:
        now = self._clock.now()
        self.peer.advance(now)
        self.peer.take_messages()
        by_gateway = self.peer.is_over or (closed.is_clean and not self._is_leaving)
        by: Literal["caller", "gateway", "failure"]
        by = "caller" if self._is_leaving else "gateway" if by_gateway else "failure"
        self._hung_up = HungUp(now, by, closed.code, closed.reason)
        self._collect(now)
        if self._hear_every is not None:
            self._hear(now)
        self.peer.ear.cut(now)  # what was still buffered is never heard
        self._report(self._hung_up)
        self._over.set()
        self._decided.set()
        for said in (self._saying, *(said for _, said in self._speech)):
            _done(said)

    def _check(self, frame: Frame) -> None:
        if frame.format != self.peer.format:
            raise LocalProtocolError(f"this line carries {self.peer.format}, not {frame.format}")


def _done(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
