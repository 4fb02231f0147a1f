"""The call to the target of an attended transfer: he is called first, then the caller is sent into it (RFC 5589).

It rings as any call does, and who answers hears silence until the caller is there, which takes a fraction of a second.
It is not on hold (``sendonly``, ``inactive``) meanwhile: telephones would show that, PBXs play their music, and some
refuse to be called so. What is said there nobody listens to.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog

from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.media.call_media import CallMedia
from gateway.transports.media.leg import MakeMedia
from gateway.transports.media.path import PathFailed
from gateway.transports.media.sdp import SdpError
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.refer_target import refusal_of
from gateway.transports.sip.reoffering import Reofferings, answer_reoffer
from gateway.transports.sip.ua_events import (
    Acked,
    Answered,
    ByeReceived,
    CallEvent,
    CallLost,
    Refused,
    Released,
    Reoffered,
)

JOINED_WITHIN = 4.0
"""Seconds beyond the ring time, within which the caller has to be with the target."""

log = structlog.get_logger(__name__)


class Consulting(Reofferings, Protocol):
    """What a consultation asks of the core; `transfers.Transfers` passes it on."""

    def call_target(
        self, caller: CallKey, target: TransferTarget, sdp: bytes, consultation: Consultation
    ) -> CallKey | TransferOutcome:
        """Begin the call, whose events the consultation takes from then on; or why that cannot be."""
        ...

    def join(self, caller: CallKey, consulted: CallKey) -> bool:
        """Send the caller into the call; False where the target's side cannot do that."""
        ...

    def leave(self, consulted: CallKey) -> None:
        """Hang the call up, or cancel it; its events are nobody's from then on."""
        ...


class Consultation:
    """One such call. `reach` the target, `join` the caller to him, `close` it in any case.

    Args:
        caller: The call that is to be transferred.
        make_media: For the media of this one.
    """

    def __init__(self, caller: CallKey, control: Consulting, make_media: MakeMedia) -> None:
        self._caller = caller
        self._control = control
        self._media: CallMedia = make_media(lambda _: None, self._media_lost)
        self._call: CallKey | None = None
        self._reached: asyncio.Future[TransferOutcome | None] = asyncio.get_running_loop().create_future()
        self._connecting: asyncio.Task[None] | None = None
        self.is_taken_over = False
        """The target's side has hung up after the caller was sent there: as it does when he has arrived."""
        self._is_joining = False

    async def reach(self, target: TransferTarget) -> TransferOutcome | None:
        """Call the target, and wait for his answer as long as he may ring; returns why there is none, else None."""
        try:
            await self._media.open()
        except PathFailed as error:
            log.warning("the target of a transfer was not called", reason=str(error))
            return TransferOutcome(ok=False, cause="failed")
        if self._reached.done():  # given up meanwhile
            return self._reached.result()
        called = self._control.call_target(self._caller, target, self._media.offer(), self)
        if isinstance(called, TransferOutcome):
            return called
        self._call = called
        try:
            async with asyncio.timeout(target.ring):
                return await self._reached
        except TimeoutError:
            return TransferOutcome(ok=False, cause="no_answer")

    def join(self) -> bool:
        """Have the caller take our place; False where the target's side does not say that it can do that."""
        self._is_joining = self._call is not None and self._control.join(self._caller, self._call)
        return self._is_joining

    def give_up(self) -> None:
        """Hang up, at once; the caller is gone, or the target is not wanted any more."""
        self._decide(TransferOutcome(ok=False, cause="gone"))
        call, self._call = self._call, None
        if call is not None:
            self._control.leave(call)

    async def close(self) -> None:
        """Hang up, and give the media back."""
        self.give_up()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._media.close()

    # --- the core's events -----------------------------------------------------------------------------------------
    def take(self, event: CallEvent) -> None:
        """Something about this call."""
        match event:
            case Answered():
                self._answered(event.sdp)
            case Refused():
                self._decide(refusal_of(event.status))
            case ByeReceived():
                self.is_taken_over = self._is_joining
                self._decide(TransferOutcome(ok=False, cause="failed"))
            case CallLost() | Released():
                self._decide(TransferOutcome(ok=False, cause="failed"))
            case Reoffered():
                answer_reoffer(self._control, event.call, self._media, event.sdp)
            case Acked(sdp=bytes() as sdp):
                self._agree(sdp)
            case _:
                pass  # ringing, with or without early media

    def _answered(self, sdp: bytes | None) -> None:
        if sdp is None or not self._agree(sdp):
            self._decide(TransferOutcome(ok=False, cause="failed", sip_code=488))
            return
        self._connecting = asyncio.create_task(self._connect(), name="consultation")
        self._decide(None)

    def _agree(self, sdp: bytes) -> bool:
        try:
            self._media.read_answer(sdp)
        except SdpError as error:
            log.info("answer of a transfer's target cannot be used", reason=str(error))
            return False
        if self._media.session is not None:
            self._media.apply()
        return True

    async def _connect(self) -> None:
        """Silence is sent from now on. Without it the caller can be joined all the same."""
        with suppress(PathFailed):
            await self._media.connect()

    def _decide(self, outcome: TransferOutcome | None) -> None:
        if not self._reached.done():
            self._reached.set_result(outcome)

    def _media_lost(self, reason: str) -> None:
        log.info("no media with the target of a transfer", reason=reason)
