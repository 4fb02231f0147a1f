"""One caller turn at a recognizer that is talked to by messages: fed and read side by side, every wait bounded.

A vendor's turn (`gateway.kit.turn_protocol`) says what is sent and what the answers mean, and does no input or output.
This opens a connection, or takes a warm one, while the first audio is already being collected. A warm one may be dead
without anybody knowing it yet: then a new one gets the whole turn, as long as nothing was heard through the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from audio.format import AudioFormat, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.kit.groups import first_of
from gateway.kit.heard import Results
from gateway.kit.turn_protocol import Result, TurnProtocol
from gateway.kit.warm_lines import HeldLine, Line, WarmLines, hold

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingLimits:
    """Seconds.

    Attributes:
        rest: From the end of the turn until the vendor has said that nothing more comes; then we insist.
        close: From then on until the stream counts as broken; 0 where there is no way to insist.
        send: For one message to leave.
        waiting: Audio that waits to be sent, while connecting or behind a slow vendor; more is an error.
        piece: Audio in one message at most.
        keep_alive: Without audio until a sign of life.
    """

    rest: float = 0.8
    close: float = 3.0
    send: float = 5.0
    waiting: float = 60.0
    piece: float = 0.25
    keep_alive: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[M]):
    """How a turn comes to a connection.

    Attributes:
        begin: Makes the turn for a connection, told how many seconds of audio that has carried before.
        connect: Opens a new one. Raises VendorError.
        warm: Has those that wait, and takes them back where they can serve another turn; None: each serves one.
        key: What one is opened for: address, query, credentials. A turn takes a warm one with its own key.
    """

    begin: Callable[[float], TurnProtocol[M]]
    connect: Callable[[], AbstractAsyncContextManager[Line[M]]]
    warm: WarmLines[M] | None = None
    key: str = ""


class _OutOfTime(VendorUnavailable):
    """It is there and too slow, so that nothing is gained by asking again."""


class Hearing(Generic[M]):
    """A `RecognitionStream` through a connection; see `hear`."""

    def __init__(self, route: Route[M], vendor: str, format: AudioFormat, limits: HearingLimits) -> None:
        self._route = route
        self._vendor = vendor
        self._format = format
        self._limits = limits
        self._audio = bytearray()  # bounded in `push`
        self._sent = 0
        self._repeatable: bytearray | None = None  # what went through a warm connection that has not answered yet
        self._something_to_send = asyncio.Event()
        self._finished = False
        self._deadline: asyncio.Timeout | None = None
        self._results = Results(vendor)

    async def push(self, frame: Frame) -> None:
        """Raises VendorUnavailable when the vendor takes nothing, MediaError for a frame in another format."""
        if frame.format != self._format:
            raise MediaError("a frame is not in the format the stream was opened for")
        if self._finished or self._results.has_ended:
            return
        if len(self._audio) + len(frame.data) > self._format.size(self._limits.waiting):
            error = self._out_of_time("it takes no audio")
            self._results.end(error)
            raise error
        self._audio += frame.data
        self._something_to_send.set()

    async def finish(self) -> None:
        self._finished = True
        self._something_to_send.set()

    def results(self) -> AsyncIterator[Result]:
        return aiter(self._results)

    async def run(self) -> None:
        """Carry the turn to its end, or tell whoever reads the results why not."""
        try:
            held = await self._route.warm.take(self._route.key) if self._route.warm is not None else None
            if held is None or not await self._has_served(held):
                await self._use(await hold(self._route.connect()))
        except VendorError as error:
            self._results.end(error)
        finally:
            self._results.end()  # whatever happened, nobody waits for more

    async def _has_served(self, held: HeldLine[M]) -> bool:
        """Carry the turn through a connection that has waited; False when it was dead, and nothing is lost."""
        self._repeatable = bytearray()
        try:
            await self._use(held)
        except VendorUnavailable as error:
            if self._repeatable is None or self._results.has_any or isinstance(error, _OutOfTime):
                raise
            self._audio[:0] = self._repeatable
            self._something_to_send.set()
            return False
        finally:
            self._repeatable = None
        return True

    async def _use(self, held: HeldLine[M]) -> None:
        """Carry the turn through a connection; afterwards that waits for the next turn, or is closed."""
        turn = self._route.begin(held.seconds)
        self._sent = 0
        try:
            await self._exchange(held.line, turn)
        finally:
            held.turns += 1
            held.seconds += self._format.seconds(self._sent)
            if self._route.warm is not None and turn.is_over and turn.is_clean:
                await self._route.warm.keep(self._route.key, held, turn.keep_alive)
            else:
                await held.close()

    async def _exchange(self, line: Line[M], turn: TurnProtocol[M]) -> None:
        trouble: VendorError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send_all(line, turn), name=f"audio to {self._vendor}")
                await self._read_all(line, turn)
                sending.cancel()
        except* VendorError as group:
            trouble = first_of(group)
        if trouble is not None:
            raise trouble

    async def _send_all(self, line: Line[M], turn: TurnProtocol[M]) -> None:
        await self._send(line, turn.opening())
        while (data := await self._next_piece()) is not None:
            message = turn.audio(data) if data else turn.keep_alive
            await self._send(line, () if message is None else (message,))
        await self._send(line, turn.finish())
        assert self._deadline is not None, "reading began before"
        wait = 0.0 if turn.is_over else self._limits.rest
        self._deadline.reschedule(asyncio.get_running_loop().time() + wait)

    async def _next_piece(self) -> bytes | None:
        """Audio to send; empty when there has been none for long; None at the end of the turn."""
        if not self._audio and not self._finished:
            self._something_to_send.clear()
            try:
                async with asyncio.timeout(self._limits.keep_alive):
                    await self._something_to_send.wait()
            except TimeoutError:
                return b""
        if not self._audio:
            return None
        piece = bytes(self._audio[: self._format.size(self._limits.piece)])
        del self._audio[: len(piece)]
        self._sent += len(piece)
        self._remember(piece)
        return piece

    def _remember(self, piece: bytes) -> None:
        """Keep what may have to be said again."""
        if self._repeatable is not None:
            self._repeatable += piece
            if self._results.has_any or self._sent > self._format.size(self._limits.waiting):
                self._repeatable = None

    async def _send(self, line: Line[M], messages: Iterable[M]) -> None:
        try:
            async with asyncio.timeout(self._limits.send):
                for message in messages:
                    await line.send(message)
        except TimeoutError as error:
            raise self._out_of_time("it takes no audio") from error

    async def _read_all(self, line: Line[M], turn: TurnProtocol[M]) -> None:
        try:
            async with asyncio.timeout(None) as self._deadline:
                await self._read(line, turn)
            return
        except TimeoutError:
            if turn.is_over:
                return
        await self._send(line, turn.insist())
        try:
            async with asyncio.timeout(self._limits.close):
                await self._read(line, turn)
        except TimeoutError as error:
            raise self._out_of_time("no final transcript in time") from error

    async def _read(self, line: Line[M], turn: TurnProtocol[M]) -> None:
        while not turn.is_over:
            message = await line.receive()
            for result in turn.closed() if message is None else turn.receive(message):
                self._results.put(result)

    def _out_of_time(self, reason: str) -> _OutOfTime:
        return _OutOfTime(reason, vendor=self._vendor, operation="listen")


@asynccontextmanager
async def hear(
    route: Route[M], *, vendor: str, format: AudioFormat, limits: HearingLimits | None = None
) -> AsyncIterator[Hearing[M]]:
    """A stream for one turn. Entering waits for nothing; what goes wrong comes from its results.

    Args:
        vendor: Its name in the configuration.
        format: Of the frames that will be pushed.
    """
    stream = Hearing(route, vendor, format, limits or HearingLimits())
    task = asyncio.create_task(stream.run(), name=f"hearing by {vendor}")
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # whatever is no VendorError is a bug
