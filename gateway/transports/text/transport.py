"""The line of calls as text. It needs no configuration: every gateway has it at `PATH`, behind the API's guard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from audio.frame import Frame
from config.numbers import normalise, normalise_caller
from gateway.errors import LocalProtocolError
from gateway.events import CallInfo, LegClosed, LegEvent
from gateway.interfaces import HangupReason, Leg, LegCapabilities, TransferOutcome, TransferTarget
from gateway.routes import SocketRoute, Webhook
from gateway.speech_interfaces import Utterance
from gateway.transports.door import SocketDoor
from gateway.transports.sockets import LineContext, MediaSocket, SocketClosed, Upgrade
from gateway.transports.text import protocol

PATH = "/api/chat"
START_TIMEOUT = 10.0


class TextLeg:
    """One call as text. Implements `Leg`."""

    capabilities = LegCapabilities(
        has_marks=True, has_clear=True, can_send_digits=True, hears_text=True, speaks_text=True
    )

    def __init__(self, socket: MediaSocket, info: CallInfo) -> None:
        self._socket = socket
        self.info = info
        self._hung_up = False

    async def answer(self) -> None:
        """An author is there from the start."""

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            try:
                message = await self._socket.receive()
            except SocketClosed as closed:
                by = "gateway" if self._hung_up else "caller" if closed.is_clean else "failure"
                yield LegClosed(by=by, reason=str(closed))  # type: ignore[arg-type]  # one of the three by construction
                return
            for event in protocol.events(message):
                yield event
                if isinstance(event, LegClosed):
                    return

    async def send_audio(self, frame: Frame) -> None:
        raise LocalProtocolError("a call as text carries no audio")

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        await self._send(protocol.say(utterance.plain or utterance.text, mark_id))

    async def mark(self, mark_id: str) -> None:
        raise LocalProtocolError("marks of a call as text go with what is said")

    async def clear(self) -> None:
        await self._send(protocol.clear())

    async def send_digits(self, digits: str) -> None:
        await self._send(protocol.digits(digits))

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        return TransferOutcome(ok=False, cause="unsupported")

    async def hang_up(self, reason: HangupReason) -> None:
        if not self._hung_up:
            self._hung_up = True
            await self._send(protocol.hangup(reason))
            await self._socket.close()

    async def _send(self, message: str) -> None:
        with contextlib.suppress(SocketClosed):  # `events` reports it
            await self._socket.send(message)


class TextTransport:
    """Implements `Transport`."""

    def __init__(self, name: str, context: LineContext) -> None:
        self._context = context
        self._name = name
        self._door = SocketDoor(
            line=name, authenticate=lambda upgrade: None, begin=self._begin, start_timeout=START_TIMEOUT
        )

    @property
    def routes(self) -> Sequence[Webhook | SocketRoute]:
        return (SocketRoute(path=PATH, app=self._door),)

    async def serve(self, offer: Callable[[Leg], Awaitable[None]]) -> None:
        await self._door.serve(offer)

    async def _begin(self, socket: MediaSocket, upgrade: Upgrade) -> Leg:
        start = protocol.parse_start(await socket.receive())
        call_id = self._context.new_id()
        info = CallInfo(
            call_id=call_id,
            leg_id=call_id,
            line=self._name,
            caller=normalise_caller(start.caller, self._context.country),
            called=normalise(start.called, self._context.country),
            custom=start.custom,
        )
        return TextLeg(socket, info)
