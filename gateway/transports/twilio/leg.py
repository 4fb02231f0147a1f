"""A caller on a Twilio media stream: `protocol` put on a socket."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import structlog

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import AudioReceived, CallInfo, DigitPressed, LegClosed, LegEvent, MarkReached
from gateway.interfaces import HangupReason, LegCapabilities, TransferOutcome, TransferTarget
from gateway.kit.waiting import Cuttable
from gateway.speech_interfaces import Utterance
from gateway.transports.absence import Roaming
from gateway.transports.sockets import CLOSE_BAD_MESSAGE, MediaSocket, SocketClosed
from gateway.transports.twilio.protocol import (
    SAMPLES_PER_MS,
    MediaReceived,
    StreamStopped,
    TwilioEvent,
    TwilioProtocol,
    UnknownMessage,
)
from gateway.transports.twilio.transfer import StreamReturn, WayOut

CAPABILITIES = LegCapabilities(format=PCMU_8K, lookahead=1.0, message=0.2, has_marks=True, has_clear=True)
MAX_MARKS = 1000
"""Twilio buffers ten minutes and plays in order; little ahead makes what was heard exact. Hanging up closes the socket:
the call ends, or the TwiML goes on behind `</Connect>`."""

MAX_IGNORED = 20
"""Kinds of unknown messages that are logged, once each."""

log = structlog.get_logger(__name__)


class TwilioLeg:
    """One stream. The call is answered by the time Twilio connects; refusing it means closing the socket.

    Args:
        socket: Accepted, and read up to the start message.
        protocol: Has read the start message.
        way_out: How the caller can be sent elsewhere; None: he cannot.
    """

    def __init__(
        self, socket: MediaSocket, protocol: TwilioProtocol, info: CallInfo, way_out: WayOut | None = None
    ) -> None:
        self.info = info
        self.capabilities = replace(CAPABILITIES, can_transfer=way_out is not None)
        self._way_out = way_out
        self._roaming = Roaming(way_out.absences, info.call_id) if way_out is not None else None
        self._socket = socket
        self._protocol = protocol
        self._first_timestamp: int | None = None
        self._stream_began = 0  # position
        self._position = 0
        self._marks: deque[str] = deque(maxlen=MAX_MARKS)  # that have not come back
        self._sending = Cuttable()
        self._closed: LegClosed | None = None
        self._ignored: set[str] = set()

    async def answer(self) -> None:
        """Twilio has answered already."""

    async def events(self) -> AsyncIterator[LegEvent]:
        receive, read = self._socket.receive, self._protocol.receive
        while True:
            try:
                event = read(await receive())
            except SocketClosed as lost:
                closed = LegClosed(by="caller" if lost.is_clean else "failure", reason=str(lost))
            except RemoteProtocolError as error:
                yield await self._give_up(error)
                return
            else:
                if type(event) is MediaReceived:
                    yield AudioReceived(self._frame(event))
                    continue
                if type(event) is not StreamStopped:
                    if event is not None and (said := self._said(event)) is not None:
                        yield said
                    continue
                closed = LegClosed(by="caller", reason="stop")
            back = await self._roaming.back() if self._roaming is not None else None
            if back is None:
                ended = self._end(closed)
                await self._socket.close()  # Twilio does it, too; its near relations do not all
                yield ended
                return
            for mark_id in await self._go_on_with(back):
                yield MarkReached(mark_id=mark_id)
            receive, read = self._socket.receive, self._protocol.receive

    async def send_audio(self, frame: Frame) -> None:
        if frame.format != PCMU_8K:
            raise LocalProtocolError(f"a Twilio stream carries mu-law at 8 kHz, not {frame.format}")
        await self._sending.wait(self._send(self._protocol.media(frame.data)))

    async def mark(self, mark_id: str) -> None:
        self._marks.append(mark_id)
        await self._send(self._protocol.mark(mark_id))

    async def clear(self) -> None:
        self._sending.cut()
        await self._send(self._protocol.clear())

    async def hang_up(self, reason: HangupReason) -> None:
        if self._closed is None:
            self._end(LegClosed(by="gateway", reason=reason))
            await self._socket.close()
        if self._roaming is not None:
            self._roaming.release()

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        """Twilio gives the call another TwiML, and stops the stream; if he comes back, the leg goes on with another."""
        if self._way_out is None or self._roaming is None:
            return TransferOutcome(ok=False, cause="unsupported")
        left = self._socket
        with self._roaming.away() as absence:
            outcome = await self._way_out.send(target, self.info.call_id, absence)
        if absence.is_back:
            await left.close()
        return outcome

    async def _go_on_with(self, back: StreamReturn) -> list[str]:
        """Take the new stream for the old one. Returns the marks that went down with that."""
        await self._socket.close()
        self._socket, self._protocol = back.socket, back.protocol
        self._first_timestamp, self._stream_began = None, self._position
        lost = list(self._marks)
        self._marks.clear()
        return lost

    async def send_digits(self, digits: str) -> None:
        raise LocalProtocolError("a Twilio stream cannot send digits")

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        raise LocalProtocolError("a Twilio stream carries audio, not text")

    def _frame(self, media: MediaReceived) -> Frame:
        """The caller's audio where Twilio's time stamp puts it; a gap shows as a jump, which the call fills."""
        if media.timestamp is not None:
            if self._first_timestamp is None:
                self._first_timestamp = media.timestamp
            self._position = self._stream_began + (media.timestamp - self._first_timestamp) * SAMPLES_PER_MS
        frame = Frame(media.payload, PCMU_8K, self._position)
        self._position += len(media.payload)
        return frame

    async def _send(self, message: str) -> None:
        """Send, unless the leg is gone: then `events` has said so, or is about to."""
        if self._closed is None:
            with suppress(SocketClosed):
                await self._socket.send(message)

    def _said(self, event: TwilioEvent) -> LegEvent | None:
        match event:
            case MarkReached(mark_id=mark_id):
                if mark_id in self._marks:
                    self._marks.remove(mark_id)
                return event
            case DigitPressed():
                return event
            case UnknownMessage(name=name):
                if name not in self._ignored and len(self._ignored) < MAX_IGNORED:
                    self._ignored.add(name)
                    log.info("unknown message ignored", call_id=self.info.call_id, message=name[:40])
                return None
            case _:
                raise AssertionError(event)  # audio, start and stop are taken elsewhere

    def _end(self, closed: LegClosed) -> LegClosed:
        """The leg has ended; the first to say why is right."""
        if self._closed is None:
            self._closed = closed
        self._sending.cut()
        if self._roaming is not None:
            self._roaming.stop()
        return self._closed

    async def _give_up(self, error: RemoteProtocolError) -> LegClosed:
        log.warning("stream broken off", call_id=self.info.call_id, reason=str(error))
        ended = self._end(LegClosed(by="failure", reason=str(error)))
        await self._socket.close(CLOSE_BAD_MESSAGE, error.hint)
        return ended
