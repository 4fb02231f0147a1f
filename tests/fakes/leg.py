"""A leg without a network: the test is the caller. It plays what it is sent in real (loop) time, as an honest peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from audio.frame import Frame
from gateway.events import AudioReceived, CallInfo, LegClosed, LegEvent, MarkReached, Transcript
from gateway.interfaces import HangupReason, LegCapabilities, TransferOutcome, TransferTarget
from gateway.speech_interfaces import Utterance

PTIME = 0.02


@dataclass(frozen=True, slots=True)
class Played:
    """A stretch of audio as the caller heard it; ``at`` in loop time."""

    data: bytes
    at: float


@dataclass(slots=True)
class _Buffered:
    data: bytes
    at: float
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class FakeLeg:
    """Implements `gateway.interfaces.Leg`.

    Attributes:
        delay: Seconds between the peer's sending, or getting, and our end.
        sent: (loop time, frame) of everything sent.
        actions: Names of what was asked, in order, such as ``answer``, ``clear``, ``hang_up normal``.
        transfer_outcome: What `transfer` returns; None: it does not return.
        answers: Whether `answer` returns.
        stops_at: Audio messages after which the peer says stop, until a clear or `go_on`.
        honours_marks: Whether marks are echoed.
    """

    info: CallInfo = field(default_factory=lambda: CallInfo(call_id="call-1", leg_id="leg-1", caller="+33100000001"))
    capabilities: LegCapabilities = field(
        default_factory=lambda: LegCapabilities(has_marks=True, has_clear=True, can_transfer=True, can_send_digits=True)
    )
    delay: float = 0.0
    transfer_outcome: TransferOutcome | None = field(default_factory=lambda: TransferOutcome(ok=True))
    transfer_takes: float = 0.0
    answers: bool = True
    stops_at: int | None = None
    honours_marks: bool = True
    sent: list[tuple[float, Frame]] = field(default_factory=list)
    spoken: list[tuple[float, Utterance, str]] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    hangup: HangupReason | None = None
    _events: asyncio.Queue[LegEvent] = field(default_factory=asyncio.Queue)
    _closed: bool = False
    _until: float = 0.0
    _buffer: list[_Buffered] = field(default_factory=list)
    _marks: list[tuple[str, asyncio.TimerHandle]] = field(default_factory=list)
    _played: list[Played] = field(default_factory=list)
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _position: int = 0

    # --- the caller ------------------------------------------------------------------------------------------------
    def push(self, event: LegEvent) -> None:
        """Say something to the gateway, now."""
        if not self._closed:
            self._closed = isinstance(event, LegClosed)
            self._events.put_nowait(event)

    def close(self, by: Literal["caller", "gateway", "failure"] = "caller", reason: str = "") -> None:
        self.push(LegClosed(by=by, reason=reason))

    async def talk(self, data: bytes) -> None:
        """Send audio, frame by frame, at the speed of speech."""
        format = self.capabilities.format
        size = format.size(PTIME)
        loop = asyncio.get_running_loop()
        start = loop.time()
        for index, offset in enumerate(range(0, len(data), size)):
            await asyncio.sleep(start + (index + 1) * PTIME - loop.time())
            frame = Frame(data[offset : offset + size], format, self._position)
            self._position += frame.samples
            self.push(AudioReceived(frame))

    def say_text(self, text: str, final: bool = True) -> None:
        self.push(Transcript(text=text, final=final))

    def go_on(self) -> None:
        """The peer takes audio again."""
        self.stops_at = None
        self._go.set()

    @property
    def heard(self) -> list[Played]:
        """What the caller has heard by now, in order; what was cleared in time is cut off."""
        now = asyncio.get_running_loop().time()
        return [*self._played, *(Played(self._until_now(item, now), item.at) for item in self._buffer if item.at < now)]

    @property
    def heard_at_last(self) -> list[Played]:
        """What the caller heard, once all is over; needs no loop."""
        return [*self._played, *(Played(item.data, item.at) for item in self._buffer)]

    @property
    def heard_bytes(self) -> bytes:
        return b"".join(played.data for played in self.heard)

    # --- the leg ---------------------------------------------------------------------------------------------------
    async def answer(self) -> None:
        self.actions.append("answer")
        if not self.answers:
            await asyncio.get_running_loop().create_future()

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, LegClosed):
                return

    async def send_audio(self, frame: Frame) -> None:
        if self.stops_at is not None and len(self.sent) >= self.stops_at:
            self.actions.append("xoff")
            self._go.clear()
            await self._go.wait()
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.sent.append((now, frame))
        at = max(self._until, now + self.delay)
        self._until = at + frame.duration
        self._buffer.append(_Buffered(frame.data, at))

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.spoken.append((loop.time(), utterance, mark_id))
        self._until = max(self._until, loop.time()) + len(utterance.plain or utterance.text) / 15
        await self.mark(mark_id)

    async def mark(self, mark_id: str) -> None:
        if self.honours_marks:
            loop = asyncio.get_running_loop()
            when = max(self._until, loop.time() + self.delay) + self.delay
            self._marks.append((mark_id, loop.call_at(when, self.push, MarkReached(mark_id=mark_id))))

    async def clear(self) -> None:
        """As a real peer does: what was not played is dropped, and pending marks come back at once."""
        self.actions.append("clear")
        loop = asyncio.get_running_loop()
        now = loop.time() + self.delay
        self._played += [Played(self._until_now(item, now), item.at) for item in self._buffer if item.at < now]
        self._buffer.clear()
        self._until = now
        for mark_id, timer in self._marks:
            if timer.when() > loop.time():
                timer.cancel()
                loop.call_at(now + self.delay, self.push, MarkReached(mark_id=mark_id))
        self._marks.clear()
        self.go_on()

    async def send_digits(self, digits: str) -> None:
        self.actions.append(f"digits {digits}")

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        self.actions.append(f"transfer {target.target}")
        await asyncio.sleep(self.transfer_takes)
        if self.transfer_outcome is None:
            await asyncio.get_running_loop().create_future()
        assert self.transfer_outcome is not None
        return self.transfer_outcome

    async def hang_up(self, reason: HangupReason) -> None:
        if self.hangup is None:
            self.hangup = reason
            self.actions.append(f"hang_up {reason}")
            self.close(by="gateway")

    def _until_now(self, item: _Buffered, now: float) -> bytes:
        return item.data[: self.capabilities.format.size(max(0.0, now - item.at))]
