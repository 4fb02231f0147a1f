"""One caller turn through a WebSocket: what recognizers that are reached by one have in common.

A vendor's `TurnProtocol` says what is sent and what the answers mean, and does no input or output. This opens the
connection, or takes a warm one, while the first audio is already being collected; sends and reads side by side; and
bounds every wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from audio.format import AudioFormat, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.groups import first_of
from gateway.kit.vendor_socket import VendorSocket
from gateway.kit.warm_sockets import HeldSocket, Message, WarmSockets
from gateway.speech_interfaces import SpeechHeard

MAX_RESULTS = 1000

Result = Transcript | SpeechHeard


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingLimits:
    """Seconds.

    Attributes:
        rest: From the end of the turn until the vendor has said that nothing more comes; then it is made to close.
        close: From then on until the stream counts as broken.
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


class TurnProtocol(Protocol):
    """One turn on a vendor's connection, as plain values. Raises VendorError and nothing else."""

    @property
    def is_over(self) -> bool:
        """Nothing more will come of this turn."""
        ...

    @property
    def is_clean(self) -> bool:
        """The connection can serve another turn; asked when the turn is over."""
        ...

    @property
    def keep_alive(self) -> Message | None:
        """What is sent where there is no audio for long; None: nothing."""
        ...

    def audio(self, data: bytes) -> Message: ...
    def finish(self) -> Sequence[Message]:
        """What asks for the rest. Where there is none, the turn is over at once."""
        ...

    def insist(self) -> Sequence[Message]:
        """What makes the vendor send the rest and close, since it did not say that there is none."""
        ...

    def receive(self, message: Message) -> Sequence[Result]: ...
    def closed(self) -> Sequence[Result]:
        """The vendor has closed: what is left, or an error where that is too early."""
        ...


class Results:
    """What a stream has heard and nobody has read yet. A partial takes the place of the partial before it."""

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._waiting: deque[Result] = deque()
        self._changed = asyncio.Event()
        self._has_ended = False
        self._error: VendorError | None = None

    def put(self, result: Result) -> None:
        if self._has_ended:
            return
        if len(self._waiting) >= MAX_RESULTS:
            self.end(VendorReplyInvalid("too many results", vendor=self._vendor, operation="listen"))
        elif _is_partial(result) and self._waiting and _is_partial(self._waiting[-1]):
            self._waiting[-1] = result
        else:
            self._waiting.append(result)
        self._changed.set()

    def end(self, error: VendorError | None = None) -> None:
        """Nothing more comes; only the first end counts."""
        if not self._has_ended:
            self._has_ended, self._error = True, error
            self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Result]:
        """Raises the VendorError it ended with, after everything that was heard before."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._has_ended:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error


def _is_partial(result: Result) -> bool:
    return isinstance(result, Transcript) and not result.final


class SocketHearing:
    """A `RecognitionStream` through a connection; see `hear_by_socket`."""

    def __init__(self, turn: TurnProtocol, vendor: str, format: AudioFormat, limits: HearingLimits) -> None:
        self._turn = turn
        self._vendor = vendor
        self._format = format
        self._limits = limits
        self._audio = bytearray()  # bounded in `push`
        self._sent = 0
        self._something_to_send = asyncio.Event()
        self._finished = False
        self._deadline: asyncio.Timeout | None = None
        self._results = Results(vendor)

    async def push(self, frame: Frame) -> None:
        """Raises VendorUnavailable when the vendor takes nothing, MediaError for a frame in another format."""
        if frame.format != self._format:
            raise MediaError("a frame is not in the format the stream was opened for")
        if self._finished:
            return
        if len(self._audio) + len(frame.data) > self._format.size(self._limits.waiting):
            raise self._unavailable("it takes no audio")
        self._audio += frame.data
        self._something_to_send.set()

    async def finish(self) -> None:
        self._finished = True
        self._something_to_send.set()

    def results(self) -> AsyncIterator[Result]:
        return aiter(self._results)

    async def run(self, connect: Callable[[], Awaitable[HeldSocket]], warm: WarmSockets | None) -> None:
        """Carry the turn through a connection; afterwards it waits for the next turn, or is closed."""
        try:
            held = await connect()
        except VendorError as error:
            self._results.end(error)
            return
        try:
            await self._exchange(held.socket)
            self._results.end()
        except VendorError as error:
            self._results.end(error)
        finally:
            self._results.end()  # whatever happened, nobody waits for more
            held.turns += 1
            held.seconds += self._format.seconds(self._sent)
            if warm is not None and self._turn.is_over and self._turn.is_clean:
                await warm.keep(held, self._turn.keep_alive)
            else:
                await held.close()

    async def _exchange(self, socket: VendorSocket) -> None:
        trouble: VendorError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send_all(socket), name=f"audio to {self._vendor}")
                await self._read_all(socket)
                sending.cancel()
        except* VendorError as group:
            trouble = first_of(group)
        if trouble is not None:
            raise trouble

    async def _send_all(self, socket: VendorSocket) -> None:
        while True:
            data = await self._next_piece()
            if data is None:
                break
            await self._send(socket, [self._turn.audio(data)] if data else self._sign_of_life())
        await self._send(socket, self._turn.finish())
        assert self._deadline is not None, "reading began before"
        wait = 0.0 if self._turn.is_over else self._limits.rest
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
        size = self._format.size(self._limits.piece)
        piece = bytes(self._audio[:size])
        del self._audio[:size]
        self._sent += len(piece)
        return piece

    def _sign_of_life(self) -> Sequence[Message]:
        message = self._turn.keep_alive
        return () if message is None else (message,)

    async def _send(self, socket: VendorSocket, messages: Sequence[Message]) -> None:
        try:
            async with asyncio.timeout(self._limits.send):
                for message in messages:
                    await socket.send(message)
        except TimeoutError as error:
            raise self._unavailable("it takes no audio") from error

    async def _read_all(self, socket: VendorSocket) -> None:
        try:
            async with asyncio.timeout(None) as self._deadline:
                await self._read(socket)
            return
        except TimeoutError:
            if self._turn.is_over:
                return
        await self._send(socket, self._turn.insist())
        try:
            async with asyncio.timeout(self._limits.close):
                await self._read(socket)
        except TimeoutError as error:
            raise self._unavailable("no final transcript in time") from error

    async def _read(self, socket: VendorSocket) -> None:
        while not self._turn.is_over:
            message = await socket.receive()
            for result in self._turn.closed() if message is None else self._turn.receive(message):
                self._results.put(result)

    def _unavailable(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor=self._vendor, operation="listen")


@asynccontextmanager
async def hear_by_socket(
    turn: TurnProtocol,
    connect: Callable[[], Awaitable[HeldSocket]],
    *,
    vendor: str,
    format: AudioFormat,
    warm: WarmSockets | None = None,
    limits: HearingLimits | None = None,
) -> AsyncIterator[SocketHearing]:
    """A stream for one turn. Entering waits for nothing; what goes wrong comes from its results.

    Args:
        turn: What is said to the vendor.
        connect: Opens a connection, or takes a warm one.
        format: Of the frames that will be pushed.
        warm: Takes the connection afterwards, where it can serve another turn.
    """
    stream = SocketHearing(turn, vendor, format, limits or HearingLimits())
    task = asyncio.create_task(stream.run(connect, warm), name=f"hearing by {vendor}")
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # whatever is no VendorError is a bug
