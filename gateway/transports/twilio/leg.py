"""A caller on a Twilio media stream: `protocol` put on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import structlog

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import AudioReceived, CallInfo, DigitPressed, LegClosed, LegEvent, MarkReached
from gateway.interfaces import HangupReason, LegCapabilities, TransferOutcome, TransferTarget, Utterance
from gateway.kit.waiting import Cuttable
from gateway.transports.sockets import CLOSE_BAD_MESSAGE, MediaSocket, SocketClosed
from gateway.transports.twilio.protocol import (
    SAMPLES_PER_MS,
    MediaReceived,
    StreamStopped,
    TwilioEvent,
    TwilioProtocol,
    UnknownMessage,
)

CAPABILITIES = LegCapabilities(format=PCMU_8K, lookahead=1.0, message=0.2, has_marks=True, has_clear=True)
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
    """

    capabilities = CAPABILITIES

    def __init__(self, socket: MediaSocket, protocol: TwilioProtocol, info: CallInfo) -> None:
        self.info = info
        self._socket = socket
        self._protocol = protocol
        self._first_timestamp: int | None = None
        self._position = 0
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
            except SocketClosed as closed:
                yield self._end(LegClosed(by="caller" if closed.is_clean else "failure", reason=str(closed)))
                return
            except RemoteProtocolError as error:
                yield await self._give_up(error)
                return
            if type(event) is MediaReceived:
                yield AudioReceived(self._frame(event))
            elif type(event) is StreamStopped:
                ended = self._end(LegClosed(by="caller", reason="stop"))
                await self._socket.close()  # Twilio does it, too; its near relations do not all
                yield ended
                return
            elif event is not None and (said := self._said(event)) is not None:
                yield said

    async def send_audio(self, frame: Frame) -> None:
        if frame.format != PCMU_8K:
            raise LocalProtocolError(f"a Twilio stream carries mu-law at 8 kHz, not {frame.format}")
        await self._sending.wait(self._send(self._protocol.media(frame.data)))

    async def mark(self, mark_id: str) -> None:
        await self._send(self._protocol.mark(mark_id))

    async def clear(self) -> None:
        self._sending.cut()
        await self._send(self._protocol.clear())

    async def hang_up(self, reason: HangupReason) -> None:
        if self._closed is None:
            self._end(LegClosed(by="gateway", reason=reason))
            await self._socket.close()

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        return TransferOutcome(ok=False, cause="unsupported")

    async def send_digits(self, digits: str) -> None:
        raise LocalProtocolError("a Twilio stream cannot send digits")

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        raise LocalProtocolError("a Twilio stream carries audio, not text")

    def _frame(self, media: MediaReceived) -> Frame:
        """The caller's audio where Twilio's time stamp puts it; a gap shows as a jump, which the call fills."""
        if media.timestamp is not None:
            if self._first_timestamp is None:
                self._first_timestamp = media.timestamp
            self._position = (media.timestamp - self._first_timestamp) * SAMPLES_PER_MS
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
            case DigitPressed() | MarkReached():
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
        return self._closed

    async def _give_up(self, error: RemoteProtocolError) -> LegClosed:
        log.warning("stream broken off", call_id=self.info.call_id, reason=str(error))
        ended = self._end(LegClosed(by="failure", reason=str(error)))
        await self._socket.close(CLOSE_BAD_MESSAGE, error.hint)
        return ended
