"""One caller sent elsewhere: what the manager interface tells of him, or his way back, whichever comes first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from gateway.errors import VendorError
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.absence import Absence, Absences, Return
from gateway.transports.asterisk.protocol import AsteriskProtocol, MediaStarted
from gateway.transports.asterisk.switchboard import CAUSES, Manager, Switchboard

log = structlog.get_logger(__name__)


@dataclass(eq=False, kw_only=True)
class ChannelReturn(Return):
    """A channel on which a caller has come back. ``status``: the dialplan's DIALSTATUS."""

    protocol: AsteriskProtocol
    started: MediaStarted


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """How a call's caller can be sent elsewhere.

    Attributes:
        channel: The caller's channel, as Asterisk names it.
    """

    switchboard: Switchboard
    absences: Absences[ChannelReturn]
    channel: str

    async def send(self, target: TransferTarget, call_id: str, absence: Absence[ChannelReturn]) -> TransferOutcome:
        """Send him there; returns when he is there, gone or back. When that takes too long, the caller's to bound."""
        try:
            async with self.switchboard.send(self.channel, target, call_id) as manager:
                return await self._wait(manager, absence)
        except VendorError as error:
            log.warning("transfer refused", call_id=call_id, reason=str(error))
            return TransferOutcome(ok=False, cause="failed")

    async def _wait(self, manager: Manager, absence: Absence[ChannelReturn]) -> TransferOutcome:
        news = asyncio.create_task(manager.report(self.channel), name="transfer")
        back = asyncio.create_task(absence.over(), name="return")
        try:
            await asyncio.wait((news, back), return_when=asyncio.FIRST_COMPLETED)
            if not back.done() and news.result() == "lost":
                await back  # how it goes on is not known now, unless he comes back
            if back.done():
                returned = back.result()
                return TransferOutcome(ok=False, cause=CAUSES.get(returned.status, "failed") if returned else "failed")
            return TransferOutcome(ok=True) if news.result() == "answered" else TransferOutcome(ok=False, cause="gone")
        finally:
            news.cancel()
            back.cancel()
            await asyncio.wait((news, back))
