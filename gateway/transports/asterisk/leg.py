"""A channel of Asterisk's on a media WebSocket: `protocol` put on a socket.

Asterisk queues what we send and plays a frame every 20 ms. Outside buffering mode it throws away what does not fill a
frame, so every message here is a whole number of frames; what is over waits for the next one, or for the mark behind
it, before which it is filled up with silence.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog

from audio.frame import Frame
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import AudioReceived, CallInfo, DigitPressed, LegClosed, LegEvent, MarkReached
from gateway.interfaces import HangupReason, LegCapabilities, TransferOutcome, TransferTarget
from gateway.kit.waiting import Cuttable
from gateway.speech_interfaces import Utterance
from gateway.transports.absence import Roaming
from gateway.transports.asterisk.protocol import (
    MAX_BINARY_BYTES,
    AsteriskEvent,
    AsteriskProtocol,
    Complaint,
    MediaStarted,
    QueueEased,
    QueueFilled,
    UnknownMessage,
)
from gateway.transports.asterisk.transfer import ChannelReturn, WayOut
from gateway.transports.sockets import CLOSE_BAD_MESSAGE, MediaSocket, SocketClosed

HANGUP_TIMEOUT = 2.0
"""Seconds Asterisk has to close the socket after HANGUP."""
MAX_IGNORED = 20
MAX_MARKS = 1000

log = structlog.get_logger(__name__)


def capabilities(started: MediaStarted, *, can_transfer: bool) -> LegCapabilities:
    """What a channel can do."""
    return LegCapabilities(
        format=started.format,
        lookahead=1.0,
        message=0.2,
        multiple_of=started.frame_bytes,
        max_message_bytes=MAX_BINARY_BYTES - MAX_BINARY_BYTES % started.frame_bytes,
        has_marks=True,
        has_clear=True,
        can_transfer=can_transfer,
    )


class AsteriskLeg:
    """One channel.

    Args:
        socket: Accepted or dialled, and read up to MEDIA_START.
        protocol: Has read ``started``.
        way_out: How the caller can be sent elsewhere; None: only by the dialplan, after our hang-up.
    """

    def __init__(
        self,
        socket: MediaSocket,
        protocol: AsteriskProtocol,
        started: MediaStarted,
        info: CallInfo,
        way_out: WayOut | None = None,
    ) -> None:
        self.info = info
        self.capabilities = capabilities(started, can_transfer=way_out is not None)
        self._way_out = way_out
        self._roaming = Roaming(way_out.absences, info.call_id) if way_out is not None else None
        self._socket = socket
        self._protocol = protocol
        self._format = started.format
        self._position = 0
        self._tail = b""
        self._sending = Cuttable()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._closed: LegClosed | None = None
        self._is_read = False
        self._has_answered = False
        self._gone = asyncio.Event()
        self._ignored: set[str] = set()
        self._marks: deque[str] = deque(maxlen=MAX_MARKS)  # that have not come back

    async def answer(self) -> None:
        self._has_answered = True
        await self._send(self._protocol.answer())

    async def events(self) -> AsyncIterator[LegEvent]:
        format = self._format
        self._is_read = True
        try:
            while True:
                receive, read = self._socket.receive, self._protocol.receive
                try:
                    while True:
                        event = read(await receive())
                        if type(event) is bytes:
                            # Counted: chan_websocket stamps nothing. While the caller's side sends nothing, it neither.
                            yield AudioReceived(Frame(event, format, self._position))
                            self._position += format.samples(len(event))
                        elif (said := self._said(event)) is not None:
                            yield said
                except SocketClosed as closed:
                    back = await self._roaming.back() if self._roaming is not None else None
                    if back is None:
                        self._gone.set()
                        yield self._end(LegClosed(by="caller" if closed.is_clean else "failure", reason=str(closed)))
                        return
                for mark_id in self._go_on_with(back):
                    yield MarkReached(mark_id=mark_id)
                if self._has_answered:
                    await self.answer()
        except RemoteProtocolError as error:
            log.warning("channel broken off", call_id=self.info.call_id, reason=str(error))
            self._gone.set()
            ended = self._end(LegClosed(by="failure", reason=str(error)))
            await self._socket.close(CLOSE_BAD_MESSAGE, error.hint)
            yield ended
        finally:
            self._is_read = False

    async def send_audio(self, frame: Frame) -> None:
        if frame.format != self._format:
            raise LocalProtocolError(f"this channel carries {self._format}, not {frame.format}")
        await self._sending.wait(self._send_whole_frames(self._tail + frame.data))

    async def mark(self, mark_id: str) -> None:
        commands = self._protocol.mark(mark_id)
        self._marks.append(mark_id)
        if self._tail:
            missing = self.capabilities.multiple_of - len(self._tail)
            padding = self._format.silence(self._format.samples(missing))
            await self._sending.wait(self._send_whole_frames(self._tail + padding))
        for command in commands:
            await self._send(command)

    async def clear(self) -> None:
        self._sending.cut()
        self._tail = b""
        self._marks.clear()
        await self._send(self._protocol.flush())

    async def hang_up(self, reason: HangupReason) -> None:
        if self._closed is not None:
            self._release()
            return
        hang_up = self._protocol.hang_up()
        self._end(LegClosed(by="gateway", reason=reason))
        with suppress(TimeoutError, SocketClosed):
            async with asyncio.timeout(HANGUP_TIMEOUT):
                await self._socket.send(hang_up)
                await self._wait_until_gone()
        await self._socket.close()
        self._release()

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        """Asterisk takes the caller away, and closes the socket; if he comes back, the leg goes on with another one."""
        if self._way_out is None or self._roaming is None:
            return TransferOutcome(ok=False, cause="unsupported")
        left = self._socket
        with self._roaming.away() as absence:
            outcome = await self._way_out.send(target, self.info.call_id, absence)
        if absence.is_back:
            await left.close()  # he may be back before Asterisk has closed it
        return outcome

    def _go_on_with(self, back: ChannelReturn) -> list[str]:
        """Take the new socket for the old one. Returns the marks that went down with that."""
        self._socket, self._protocol = back.socket, back.protocol
        if back.started.format != self._format:
            raise RemoteProtocolError(
                f"a caller came back with {back.started.format}, and left with {self._format}",
                hint="dial back with the same codec",
            )
        self._tail = b""
        self._has_room.set()
        lost = list(self._marks)
        self._marks.clear()
        return lost

    async def send_digits(self, digits: str) -> None:
        raise LocalProtocolError("a media socket of Asterisk's cannot send digits")

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        raise LocalProtocolError("a media socket of Asterisk's carries audio, not text")

    async def _send_whole_frames(self, data: bytes) -> None:
        whole = len(data) - len(data) % self.capabilities.multiple_of
        self._tail = data[whole:]
        size = self.capabilities.max_message_bytes
        for start in range(0, whole, size):
            await self._has_room.wait()
            await self._send(data[start : min(start + size, whole)])

    async def _send(self, message: str | bytes) -> None:
        """Send, unless the leg is gone: then `events` has said so, or is about to."""
        if self._closed is None:
            with suppress(SocketClosed):
                await self._socket.send(message)

    async def _wait_until_gone(self) -> None:
        if self._is_read:
            await self._gone.wait()
        while not self._gone.is_set():
            await self._socket.receive()  # nobody else reads: until SocketClosed

    def _said(self, event: AsteriskEvent) -> LegEvent | None:
        match event:
            case MarkReached(mark_id=mark_id):
                if mark_id in self._marks:
                    self._marks.remove(mark_id)
                return event
            case DigitPressed():
                return event
            case QueueFilled():
                self._has_room.clear()
            case QueueEased():
                self._has_room.set()
            case Complaint(text=text):
                self._note("error", "Asterisk refused a command", text)
            case UnknownMessage(name=name):
                self._note(name, "message without use ignored", name)
            case _:
                raise AssertionError(event)  # audio and MEDIA_START are taken elsewhere
        return None

    def _note(self, key: str, what: str, text: str) -> None:
        if key not in self._ignored and len(self._ignored) < MAX_IGNORED:
            self._ignored.add(key)
            log.info(what, call_id=self.info.call_id, message=text[:80])

    def _end(self, closed: LegClosed) -> LegClosed:
        """The leg has ended; the first to say why is right."""
        if self._closed is None:
            self._closed = closed
        self._sending.cut()
        if self._roaming is not None:
            self._roaming.stop()
        return self._closed

    def _release(self) -> None:
        if self._roaming is not None:
            self._roaming.release()
