"""A call by SIP as a leg: the core's events on one side, the media on the other.

RTP has no buffer behind it that could be cleared: what was sent is heard. So the lookahead is short, marks are our own,
and a clear costs nothing but what has not left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from audio import tones
from audio.codecs import g711
from audio.frame import Frame
from gateway.clock import Clock
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import (
    AudioReceived,
    CallInfo,
    DigitPressed,
    HoldChanged,
    LegClosed,
    LegEvent,
)
from gateway.interfaces import HangupReason, LegCapabilities, TransferOutcome, TransferTarget
from gateway.speech_interfaces import Utterance
from gateway.transports.sip.call_media import LOOKAHEAD, CallMedia
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.info_digits import REPEATED_WITHIN, digit_of
from gateway.transports.sip.media import MediaSession
from gateway.transports.sip.path import PathFailed
from gateway.transports.sip.refer_target import failure_of
from gateway.transports.sip.sdp import SdpError
from gateway.transports.sip.ua_events import (
    Acked,
    ByeReceived,
    CallLost,
    Cancelled,
    InfoReceived,
    Reanswered,
    ReferFailed,
    ReferSucceeded,
    Released,
    Reoffered,
    UserAgentEvent,
)

MAX_EVENTS = 1000
"""Events that wait to be read, 20 s of audio; then audio is dropped."""
MESSAGE = 0.02
RINGBACK_SECONDS = 6.0

log = structlog.get_logger(__name__)


class CallControl(Protocol):
    """What a leg asks of the core, for its own call; `transport.SipTransport` passes it on."""

    def ring(self, call: CallKey, status: int, sdp: bytes | None) -> None: ...
    def accept(self, call: CallKey, sdp: bytes) -> None: ...
    def reject(self, call: CallKey, reason: HangupReason) -> None: ...
    def bye(self, call: CallKey, reason: HangupReason) -> None: ...
    def refer(self, call: CallKey, target: TransferTarget) -> bool:
        """False where the target is none."""
        ...

    def answer_reoffer(self, call: CallKey, sdp: bytes) -> None: ...
    def refuse_reoffer(self, call: CallKey, status: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a call came with."""

    call: CallKey
    sdp: bytes | None


class SipLeg:
    """One call.

    Args:
        media: Has read the peer's offer, where there is one.
    """

    def __init__(
        self,
        offered: Offered,
        info: CallInfo,
        control: CallControl,
        make_media: Callable[[Callable[[LegEvent], None], Callable[[str], None]], CallMedia],
        clock: Clock,
    ) -> None:
        self.info = info
        self._offered = offered
        self._control = control
        self._clock = clock
        self._media = make_media(self._post, self._media_lost)
        if offered.sdp is not None:
            self._media.read_offer(offered.sdp)
        self.capabilities = LegCapabilities(
            format=self._media.format,
            lookahead=LOOKAHEAD,
            message=MESSAGE,
            has_marks=True,
            has_clear=True,
            can_ring=True,
            can_transfer=True,
            can_send_digits=False,
        )
        self._events: deque[LegEvent] = deque()
        self._news = asyncio.Event()
        self._closed: LegClosed | None = None
        self._description: bytes | None = None  # ours, once it was told
        self._has_accepted = False
        self._acked: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._referred: asyncio.Future[TransferOutcome] | None = None
        self._tone: asyncio.Task[None] | None = None
        self._is_held = False
        self._last_digit: tuple[str, float, str] = ("", float("-inf"), "")

    # --- the leg ---------------------------------------------------------------------------------------------------
    async def ring(self, *, early_media: bool) -> None:
        if not early_media or self._offered.sdp is None:
            self._control.ring(self._offered.call, 180, None)
            return
        await self._open()
        self._control.ring(self._offered.call, 183, self._description)
        session = await self._connected()
        self._tone = asyncio.create_task(self._ring_back(session), name="ringback")

    async def answer(self) -> None:
        await self._stop_tone()
        await self._open()
        assert self._description is not None, "`_open` has made it"
        self._require_open()
        self._has_accepted = True
        self._control.accept(self._offered.call, self._description)
        if self._offered.sdp is None:
            await self._read_late_answer()
        await self._connected()

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed is not None:
                yield self._closed
                return
            self._news.clear()
            await self._news.wait()

    async def send_audio(self, frame: Frame) -> None:
        if frame.format != self.capabilities.format:
            raise LocalProtocolError(f"this call carries {self.capabilities.format}, not {frame.format}")
        if (session := self._media.session) is not None:
            await session.send_audio(frame)

    async def mark(self, mark_id: str) -> None:
        if (session := self._media.session) is not None:
            session.mark(mark_id)

    async def clear(self) -> None:
        if (session := self._media.session) is not None:
            session.clear()

    async def send_digits(self, digits: str) -> None:
        if (session := self._media.session) is None:
            raise LocalProtocolError("the call is not up")
        await session.send_digits(digits)

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        raise LocalProtocolError("this line carries audio")

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        if target.mode == "attended":
            return TransferOutcome(ok=False, cause="unsupported")
        self._referred = asyncio.get_running_loop().create_future()
        try:
            if self._closed is not None:
                return TransferOutcome(ok=False, cause="gone")
            if not self._control.refer(self._offered.call, target):
                return TransferOutcome(ok=False, cause="no_target")
            async with asyncio.timeout(target.ring):
                return await self._referred
        except TimeoutError:
            return TransferOutcome(ok=False, cause="no_answer")
        finally:
            self._referred = None

    async def hang_up(self, reason: HangupReason) -> None:
        await self._stop_tone()
        if self._closed is None:
            self._end(LegClosed(by="gateway", reason=reason))
            if self._has_accepted:
                self._control.bye(self._offered.call, reason)
            else:
                self._control.reject(self._offered.call, reason)
        await self._media.close()

    # --- the core's events -----------------------------------------------------------------------------------------
    def take(self, event: UserAgentEvent) -> None:
        """Something about this call."""
        match event:
            case Cancelled():
                reason = "answered elsewhere" if event.answered_elsewhere else event.reason or "cancelled"
                self._end(LegClosed(by="caller", reason=reason))
            case ByeReceived():
                self._end(LegClosed(by="caller", reason=event.reason or "bye"))
            case CallLost():
                self._end(LegClosed(by="failure", reason=event.cause))
            case Released():
                self._end(LegClosed(by="gateway", reason="released"))
            case Acked():
                self._was_acked(event.sdp)
            case Reoffered():
                self._reoffered(event.sdp)
            case Reanswered(sdp=bytes() as sdp):
                self._reanswered(sdp)
            case InfoReceived():
                if (digit := digit_of(event.content_type, event.body)) is not None:
                    self._pressed(digit, "info")
            case ReferSucceeded():
                self._transferred(TransferOutcome(ok=True, sip_code=event.status))
            case ReferFailed():
                self._transferred(failure_of(event))
            case _:
                pass  # progress, and what is about calls that we make

    def _was_acked(self, sdp: bytes | None) -> None:
        if not self._acked.done():
            self._acked.set_result(sdp)
        elif sdp is not None:  # to an offer of ours that a re-INVITE has asked for
            self._reanswered(sdp)

    def _reoffered(self, sdp: bytes | None) -> None:
        try:
            answer = self._media.offer() if sdp is None else self._media.change(sdp)
        except (SdpError, LocalProtocolError) as error:
            log.info("new offer refused", call_id=self.info.call_id, reason=str(error))
            self._control.refuse_reoffer(self._offered.call, getattr(error, "status", None) or 488)
            return
        self._control.answer_reoffer(self._offered.call, answer)
        self._tell_hold()

    def _reanswered(self, sdp: bytes) -> None:
        try:
            self._media.read_answer(sdp)
        except SdpError as error:
            log.info("answer to our offer cannot be used", call_id=self.info.call_id, reason=str(error))
            return
        self._media.apply()
        self._tell_hold()

    def _tell_hold(self) -> None:
        if self._media.is_held is not self._is_held:
            self._is_held = self._media.is_held
            self._post(HoldChanged(held=self._is_held))

    def _transferred(self, outcome: TransferOutcome) -> None:
        if self._referred is not None and not self._referred.done():
            self._referred.set_result(outcome)

    # --- what the media bring --------------------------------------------------------------------------------------
    def _post(self, event: LegEvent) -> None:
        if self._closed is not None:
            return
        if isinstance(event, DigitPressed):
            self._pressed(event.digit, "rtp")
            return
        if isinstance(event, AudioReceived) and len(self._events) >= MAX_EVENTS:
            return
        self._events.append(event)
        self._news.set()

    def _pressed(self, digit: str, means: str) -> None:
        """A key; one that comes by two means is one."""
        now = self._clock.now()
        before, at, by = self._last_digit
        if digit == before and means != by and now - at < REPEATED_WITHIN:
            return
        self._last_digit = digit, now, means
        if self._closed is None:
            self._events.append(DigitPressed(digit=digit))
            self._news.set()

    def _media_lost(self, reason: str) -> None:
        """The peer is gone, and has not said so."""
        if self._closed is None:
            self._end(LegClosed(by="failure", reason=reason))
            if self._has_accepted:
                self._control.bye(self._offered.call, "failure")
            else:
                self._control.reject(self._offered.call, "failure")

    def _end(self, closed: LegClosed) -> None:
        """The leg has ended; the first to say why is right."""
        if self._closed is None:
            self._closed = closed
            self._news.set()
            if not self._acked.done():
                self._acked.set_result(None)
        self._transferred(TransferOutcome(ok=False, cause="gone"))

    # --- parts -----------------------------------------------------------------------------------------------------
    async def _open(self) -> None:
        """Have a description of our side."""
        if self._description is not None:
            return
        try:
            await self._media.open()
        except PathFailed as error:
            raise RemoteProtocolError(f"no media: {error}") from error
        self._require_open()
        self._description = self._media.offer() if self._offered.sdp is None else self._media.answer()

    async def _connected(self) -> MediaSession:
        try:
            return await self._media.connect()
        except PathFailed as error:
            raise RemoteProtocolError(f"no media: {error}") from error

    async def _read_late_answer(self) -> None:
        """The peer answers our offer with its ACK."""
        sdp = await self._acked
        self._require_open()
        if sdp is None:
            raise RemoteProtocolError("the peer did not answer our offer")
        try:
            self._media.read_answer(sdp)
        except SdpError as error:
            raise RemoteProtocolError(f"the peer's answer cannot be used: {error}") from error

    def _require_open(self) -> None:
        if self._closed is not None:
            raise RemoteProtocolError(f"the call is over: {self._closed.reason}")

    async def _ring_back(self, session: MediaSession) -> None:
        format = self.capabilities.format
        pcm = tones.ringback(RINGBACK_SECONDS, format.rate)
        data = g711.encode(pcm, format.encoding)
        while True:
            await session.send_audio(Frame(data, format))

    async def _stop_tone(self) -> None:
        tone, self._tone = self._tone, None
        if tone is None:
            return
        tone.cancel()
        await asyncio.wait([tone])
        if (session := self._media.session) is not None:
            session.clear()
