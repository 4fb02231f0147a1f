"""A caller's turn at a recognizer that is talked to by messages: opened in the background, fed and read side by side.

An adapter says what the messages are (`Dialect`, without I/O) and how a connection is had (`Line`); everything that has
to do with time is here, and bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, Protocol, TypeVar

from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.groups import first_of
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard

RESULT_WITHIN = 10.0
"""Seconds from the end of the turn to the end of the results."""
SPARE_SECONDS = 30.0
"""Audio beyond the longest turn that may wait for a vendor; then it counts as gone."""
MAX_RESULTS = 1000
"""Results that wait to be read; a vendor that says more has gone mad."""

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)
Result = Transcript | SpeechHeard


class Line(Protocol[M]):
    """A connection; `gateway.kit.vendor_socket.VendorSocket` is one. Both methods raise VendorError."""

    async def send(self, message: M) -> None: ...
    async def receive(self) -> M | None:
        """The next message; None when the vendor has hung up."""
        ...


class Dialect(Protocol[M]):
    """What is said in one turn. Asked in this order, but that `heard` may come at any time."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more can come."""
        ...

    def opening(self) -> Iterable[M]:
        """What is said first."""
        ...

    def audio(self, frame: Frame) -> Iterable[M]: ...
    def closing(self) -> Iterable[M]:
        """The caller's turn is over; afterwards `is_done` may be true at once."""
        ...

    def heard(self, message: M) -> Iterable[Result]:
        """What a message of the vendor's means. Raises VendorError."""
        ...

    def hung_up(self) -> Iterable[Result]:
        """The vendor has closed as one closes. Raises VendorError where that is not the end."""
        ...


@asynccontextmanager
async def turn_at(
    vendor: str,
    connect: Callable[[], AbstractAsyncContextManager[Line[M]]],
    dialect: Dialect[M],
    settings: ListenSettings,
    *,
    result_within: float = RESULT_WITHIN,
) -> AsyncIterator[RecognitionStream]:
    """A stream that is open at once; what is pushed waits for the connection. Leaving the block drops it.

    Args:
        vendor: Its name in the configuration, for errors.
        connect: Opens a connection; raises VendorError.
        result_within: Seconds that the vendor has for its results, once the turn is over.
    """
    turn = _Turn(vendor, dialect, settings.max_length + SPARE_SECONDS, result_within)
    talking = asyncio.create_task(turn.run(connect), name=f"turn at {vendor}")
    try:
        yield turn
    finally:
        talking.cancel()
        await asyncio.wait([talking])
        if not talking.cancelled():
            talking.result()  # whatever is no VendorError is a bug


class _Turn(Generic[M]):
    def __init__(self, vendor: str, dialect: Dialect[M], max_waiting: float, result_within: float) -> None:
        self._vendor = vendor
        self._dialect = dialect
        self._max_waiting = max_waiting
        self._result_within = result_within
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()  # bounded in seconds by `push`
        self._waiting = 0.0
        self._is_over = False
        self._done = asyncio.Event()
        self._results: asyncio.Queue[Result | VendorError | None] = asyncio.Queue()  # bounded by `_give`

    async def push(self, frame: Frame) -> None:
        """Raises VendorUnavailable: the vendor takes nothing."""
        if self._is_over:
            return
        self._waiting += frame.duration
        if self._waiting > self._max_waiting:
            self._is_over = True
            failure = self._unavailable("it takes no audio")
            self._results.put_nowait(failure)
            raise failure
        self._frames.put_nowait(frame)

    async def finish(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._frames.put_nowait(None)

    async def results(self) -> AsyncIterator[Result]:
        while (result := await self._results.get()) is not None:
            if isinstance(result, VendorError):
                raise result
            yield result

    async def run(self, connect: Callable[[], AbstractAsyncContextManager[Line[M]]]) -> None:
        """Talk until the turn is done, or something breaks, which the reader of the results is told."""
        failure: VendorError | None = None
        try:
            async with connect() as line:
                await self._talk(line)
        except VendorError as error:
            failure = error
        finally:
            self._is_over = True  # nobody takes what is pushed now
            self._results.put_nowait(failure)

    async def _talk(self, line: Line[M]) -> None:
        """Raises VendorError."""
        failure: VendorError | None = None
        try:
            async with asyncio.timeout(None) as patience:
                failure = await self._exchange(line, patience)
        except TimeoutError:
            failure = self._unavailable("no transcript in time")
        if failure is not None:
            raise failure

    async def _exchange(self, line: Line[M], patience: asyncio.Timeout) -> VendorError | None:
        """Send and read side by side; what went wrong, if anything did."""
        failure: VendorError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._send(line, patience)), group.create_task(self._read(line))]
                await self._done.wait()
                for task in tasks:
                    task.cancel()
        except* VendorError as errors:
            failure = first_of(errors)
        return failure

    async def _send(self, line: Line[M], patience: asyncio.Timeout) -> None:
        await self._say(line, self._dialect.opening())
        while (frame := await self._frames.get()) is not None:
            self._waiting -= frame.duration
            await self._say(line, self._dialect.audio(frame))
        patience.reschedule(asyncio.get_running_loop().time() + self._result_within)
        await self._say(line, self._dialect.closing())
        self._look()

    async def _say(self, line: Line[M], messages: Iterable[M]) -> None:
        for message in messages:
            await line.send(message)

    async def _read(self, line: Line[M]) -> None:
        while not self._dialect.is_done:
            message = await line.receive()
            self._give(self._dialect.hung_up() if message is None else self._dialect.heard(message))
        self._look()

    def _give(self, results: Iterable[Result]) -> None:
        for result in results:
            if self._results.qsize() >= MAX_RESULTS:
                raise self._unavailable("it says more than anybody reads")
            self._results.put_nowait(result)

    def _look(self) -> None:
        if self._dialect.is_done:
            self._done.set()

    def _unavailable(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor=self._vendor, operation="listen")
