"""A call by SIP as a leg: the core's events on one side, the media on the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from audio import tones
from audio.codecs import g711
from audio.frame import Frame
from gateway.clock import Clock
from gateway.errors import RemoteProtocolError
from gateway.events import CallInfo, HoldChanged, LegClosed
from gateway.interfaces import HangupReason, TransferOutcome, TransferTarget
from gateway.transports.media.call_media import CallMedia
from gateway.transports.media.leg import MakeMedia, MediaLeg
from gateway.transports.media.path import PathFailed
from gateway.transports.media.sdp import SdpError
from gateway.transports.media.session import MediaSession
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.info_digits import digit_of
from gateway.transports.sip.reoffering import Reofferings, answer_reoffer
from gateway.transports.sip.sending_on import SendingOn, Transferring
from gateway.transports.sip.ua_events import (
    Acked,
    ByeReceived,
    CallEvent,
    CallLost,
    Cancelled,
    InfoReceived,
    Reanswered,
    ReferFailed,
    ReferSucceeded,
    Released,
    Reoffered,
)

RINGBACK_SECONDS = 6.0
ACKED_WITHIN, JOINED_AFTER = 0.5, 0.06
"""Seconds for which a first word waits for the ACK, and behind that for the peer's first packet: a PBX joins its two
sides behind its ACK, and what comes before that is lost (Asterisk 22: 20 ms). Telephones send something at once."""
NOT_NOW, FAILED = 480, 500

log = structlog.get_logger(__name__)


class CallControl(Reofferings, Protocol):
    """What a leg asks of the core, for its own call; `transport.SipTransport` passes it on."""

    def ring(self, call: CallKey, status: int, sdp: bytes | None) -> None: ...
    def accept(self, call: CallKey, sdp: bytes) -> None: ...
    def reject(self, call: CallKey, reason: HangupReason) -> None: ...
    def decline(self, call: CallKey, status: int) -> None:
        """Refuse a call that was to take the place of another one."""
        ...

    def replaced(self, before: CallKey, call: CallKey) -> None:
        """A call was accepted in the place of another one, which is to be hung up; its events are nobody's."""
        ...

    def bye(self, call: CallKey, reason: HangupReason) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a call came with."""

    call: CallKey
    sdp: bytes | None


class SipLeg(MediaLeg):
    """One call."""

    def __init__(
        self,
        offered: Offered,
        info: CallInfo,
        control: CallControl,
        transfers: Transferring,
        make_media: MakeMedia,
        clock: Clock,
    ) -> None:
        super().__init__(info, make_media, offered.sdp, clock, can_signal=True)
        self._offered = offered
        self._control = control
        self._sending_on = SendingOn(transfers)
        self._description: bytes | None = None  # ours, once it was told
        self._has_accepted = False
        self._acked: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._accepted_at = 0.0
        self._acked_at: float | None = None
        self._tone: asyncio.Task[None] | None = None
        self._is_held = False
        self._coming: CallKey | None = None  # that is to take the place of ours

    @property
    def call(self) -> CallKey:
        """Whose leg this is; another one's, once that has taken over."""
        return self._offered.call

    # --- the leg ---------------------------------------------------------------------------------------------------
    async def ring(self, *, early_media: bool) -> None:
        if not early_media or self._offered.sdp is None:
            self._control.ring(self._offered.call, 180, None)
            return
        self._control.ring(self._offered.call, 183, await self._described())
        session = await self.connected()
        self._tone = asyncio.create_task(self._ring_back(session), name="ringback")

    async def answer(self) -> None:
        await self._stop_tone()
        if self.is_closed:
            return
        description = await self._described()
        self._has_accepted = True
        self._control.accept(self._offered.call, description)
        if self._offered.sdp is None:
            await self._read_late_answer()
        await self.connected()
        self._accepted_at = self._clock.now()

    async def until_heard(self) -> None:
        """The peer listens when it sends something, or a moment after its ACK."""
        session = self.media.session
        if session is None or self.is_closed:
            return
        sends = asyncio.ensure_future(session.until_peer_sends())
        try:
            await self._first_of(sends, self._acked, until=self._accepted_at + ACKED_WITHIN)
            if self._acked_at is not None:
                await self._first_of(sends, until=self._acked_at + JOINED_AFTER)
        finally:
            sends.cancel()
            await asyncio.wait([sends])

    async def _first_of(self, *waits: asyncio.Future[Any], until: float) -> None:
        left = max(0.0, until - self._clock.now())
        await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        if self.is_closed:
            return TransferOutcome(ok=False, cause="gone")
        return await self._sending_on.send(self._offered.call, target, self.media.security)

    async def hang_up(self, reason: HangupReason) -> None:
        await self._stop_tone()
        if not self.is_closed:
            self.end(LegClosed(by="gateway", reason=reason))
            self._let_go(reason)
        await self.media.close()

    async def take_over(self, offered: Offered, make_media: MakeMedia) -> None:
        """Let another call take the place of ours (RFC 3891), which is hung up; for whoever listens here, the same leg
        goes on. A call that cannot be taken is refused, and nothing has changed."""
        if self._coming is not None or self.media.session is None or self.is_closed:
            self._control.decline(offered.call, NOT_NOW)
            return
        media, self._coming = make_media(self._take, self._media_lost), offered.call
        media.carry_on(self.media)
        try:
            description = await _description_of(media, offered.sdp)
        except (SdpError, PathFailed) as error:
            log.warning("call cannot take over", call_id=self.info.call_id, reason=str(error))
            self._control.decline(offered.call, error.status if isinstance(error, SdpError) else FAILED)
            self._coming = None
        if self._coming is None or self.is_closed:  # refused, taken back, or too late
            self._coming = None
            self._control.decline(offered.call, NOT_NOW)
            await media.close()
            return
        self._coming = None
        await self._go_on_with(offered, media, description)

    async def _go_on_with(self, offered: Offered, media: CallMedia, description: bytes) -> None:
        self._sending_on.give_up()
        before, self._offered, self._description = self._offered.call, offered, description
        self._acked = asyncio.get_running_loop().create_future()
        media.take_over()
        self.media = media
        self._control.accept(offered.call, description)
        self._control.replaced(before, offered.call)
        try:
            if offered.sdp is None:
                await self._read_late_answer()
            await self.connected()
        except RemoteProtocolError as error:
            self._media_lost(str(error))
        else:
            self._tell_hold()

    # --- the core's events -----------------------------------------------------------------------------------------
    def take(self, event: CallEvent) -> None:
        """Something about this call, or the one that is to take its place."""
        if event.call != self._offered.call:
            if event.call == self._coming and isinstance(event, Cancelled | CallLost):
                self._coming = None
            return
        match event:
            case Cancelled():
                reason = "answered elsewhere" if event.answered_elsewhere else event.reason or "cancelled"
                self.end(LegClosed(by="caller", reason=reason))
            case ByeReceived():
                self.end(LegClosed(by="caller", reason=event.reason or "bye"))
            case CallLost():
                self.end(LegClosed(by="failure", reason=event.cause))
            case Released():
                self.end(LegClosed(by="gateway", reason="released"))
            case Acked():
                self._was_acked(event.sdp)
            case Reoffered():
                self._reoffered(event.sdp)
            case Reanswered(sdp=bytes() as sdp):
                self._reanswered(sdp)
            case InfoReceived():
                if (digit := digit_of(event.content_type, event.body)) is not None:
                    self.pressed(digit, "info")
            case ReferSucceeded() | ReferFailed():
                self._sending_on.take(event)
            case _:
                pass  # progress, and what is about calls that we make

    def end(self, closed: LegClosed) -> None:
        super().end(closed)
        if not self._acked.done():
            self._acked.set_result(None)
        self._sending_on.give_up()

    def broken(self) -> None:
        self._let_go("failure")

    def _let_go(self, reason: HangupReason) -> None:
        if self._has_accepted:
            self._control.bye(self._offered.call, reason)
        else:
            self._control.reject(self._offered.call, reason)

    def _was_acked(self, sdp: bytes | None) -> None:
        if not self._acked.done():
            self._acked.set_result(sdp)
            self._acked_at = self._clock.now()
        elif sdp is not None:  # to an offer of ours that a re-INVITE has asked for
            self._reanswered(sdp)

    def _reoffered(self, sdp: bytes | None) -> None:
        if answer_reoffer(self._control, self._offered.call, self.media, sdp):
            self._tell_hold()

    def _reanswered(self, sdp: bytes) -> None:
        try:
            self.media.read_answer(sdp)
        except SdpError as error:
            log.info("answer to our offer cannot be used", call_id=self.info.call_id, reason=str(error))
            return
        self.media.apply()
        self._tell_hold()

    def _tell_hold(self) -> None:
        if self.media.is_held is not self._is_held:
            self._is_held = self.media.is_held
            self.mailbox.post(HoldChanged(held=self._is_held))

    # --- parts -----------------------------------------------------------------------------------------------------
    async def _described(self) -> bytes:
        """Our side's description, the same each time."""
        if self._description is None:
            media = await self.opened()
            self._description = media.offer() if self._offered.sdp is None else media.answer()
        self.require_open()
        return self._description

    async def _read_late_answer(self) -> None:
        """The peer answers our offer with its ACK."""
        sdp = await self._acked
        self.require_open()
        if sdp is None:
            raise RemoteProtocolError("the peer did not answer our offer")
        try:
            self.media.read_answer(sdp)
        except SdpError as error:
            raise RemoteProtocolError(f"the peer's answer cannot be used: {error}") from error

    async def _ring_back(self, session: MediaSession) -> None:
        format = self.capabilities.format
        data = g711.encode(tones.ringback(RINGBACK_SECONDS, format.rate), format.encoding)
        while True:
            await session.send_audio(Frame(data, format))

    async def _stop_tone(self) -> None:
        tone, self._tone = self._tone, None
        if tone is not None:
            tone.cancel()
            await asyncio.wait([tone])
            await self.clear()


async def _description_of(media: CallMedia, offer: bytes | None) -> bytes:
    """Our answer to an offer, or our offer where there is none. Raises SdpError, PathFailed."""
    if offer is not None:
        media.read_offer(offer)
    await media.open()
    return media.offer() if offer is None else media.answer()
