"""A leg's caller is sent elsewhere: by REFER at once, or when the target has answered a call of ours."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.media.offered import Security
from gateway.transports.sip.consulting import JOINED_WITHIN, Consultation
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.refer_target import failure_of
from gateway.transports.sip.ua_events import ReferFailed, ReferSucceeded

GONE = TransferOutcome(ok=False, cause="gone")
UNSUPPORTED = TransferOutcome(ok=False, cause="unsupported")


class Transferring(Protocol):
    """What is asked of the line; `transfers.Transfers` does it."""

    def refer(self, call: CallKey, target: TransferTarget) -> bool:
        """False where the target is none."""
        ...

    def consultation(self, call: CallKey, security: Security | None) -> Consultation | None:
        """A call to a target, not yet begun; None where that cannot be."""
        ...


class SendingOn:
    """The transfers of one leg, one at a time."""

    def __init__(self, transfers: Transferring) -> None:
        self._transfers = transfers
        self._referred: asyncio.Future[TransferOutcome] | None = None
        self._consultation: Consultation | None = None

    async def send(self, call: CallKey, target: TransferTarget, security: Security | None) -> TransferOutcome:
        """Do it, and tell what came of it, in `TransferTarget.ring` and a little more.

        Args:
            security: Of the caller's media.
        """
        self._referred = asyncio.get_running_loop().create_future()
        try:
            if target.mode == "attended":
                return await self._attended(call, target, security, self._referred)
            if not self._transfers.refer(call, target):
                return TransferOutcome(ok=False, cause="no_target")
            async with asyncio.timeout(target.ring):
                return await self._referred
        except TimeoutError:
            return TransferOutcome(ok=False, cause="no_answer")
        finally:
            self._referred = None

    async def _attended(
        self,
        call: CallKey,
        target: TransferTarget,
        security: Security | None,
        referred: asyncio.Future[TransferOutcome],
    ) -> TransferOutcome:
        """Call the target first, and send the caller into that call. He is ours until the target has answered."""
        consultation = self._transfers.consultation(call, security)
        if consultation is None:
            return UNSUPPORTED
        self._consultation = consultation
        try:
            async with asyncio.timeout(target.ring + JOINED_WITHIN):
                if (failure := await consultation.reach(target)) is not None:
                    return failure
                return await referred if consultation.join() else UNSUPPORTED
        except TimeoutError:
            is_done = consultation.is_taken_over
            return TransferOutcome(ok=is_done, cause="" if is_done else "failed")
        finally:
            self._consultation = None
            await consultation.close()

    def take(self, event: ReferSucceeded | ReferFailed) -> None:
        """The end of a REFER. One that nobody has told is good, where the target's side has let go of us."""
        if isinstance(event, ReferSucceeded):
            self._decide(TransferOutcome(ok=True, sip_code=event.status))
        elif event.status is None and self._consultation is not None and self._consultation.is_taken_over:
            self._decide(TransferOutcome(ok=True))
        else:
            self._decide(failure_of(event))

    def give_up(self) -> None:
        """The caller is gone: nobody is to ring for him."""
        if self._consultation is not None:
            self._consultation.give_up()
        self._decide(GONE)

    def _decide(self, outcome: TransferOutcome) -> None:
        if self._referred is not None and not self._referred.done():
            self._referred.set_result(outcome)
