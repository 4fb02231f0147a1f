"""A call from a browser as a leg: one offer, one answer, and then only the media say whether it is still there."""

from __future__ import annotations

import asyncio

from gateway.clock import Clock
from gateway.events import CallInfo, LegClosed
from gateway.interfaces import HangupReason, TransferOutcome, TransferTarget
from gateway.transports.media.leg import MakeMedia, MediaLeg
from gateway.transports.media.path import PEER_CLOSED


class Refused(Exception):
    """The call was ended before it was answered."""

    def __init__(self, reason: HangupReason) -> None:
        super().__init__(reason)
        self.reason = reason


class BrowserLeg(MediaLeg):
    """One call.

    Raises:
        SdpError: the offer cannot be used.
    """

    def __init__(self, info: CallInfo, make_media: MakeMedia, offer: bytes, clock: Clock) -> None:
        super().__init__(info, make_media, offer, clock, can_signal=False)
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def description(self) -> bytes:
        """Our answer to the page's offer, once the call is taken.

        Raises:
            Refused: it is not, and why.
        """
        return await asyncio.shield(self._answer)

    # --- the leg ---------------------------------------------------------------------------------------------------
    async def answer(self) -> None:
        if self.is_closed or self._answer.done():
            return
        media = await self.opened()
        self._answer.set_result(media.answer())
        await self.connected()

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        return TransferOutcome(ok=False, cause="unsupported")

    async def hang_up(self, reason: HangupReason) -> None:
        self.end(LegClosed(by="gateway", reason=reason))
        self._refuse(reason)
        await self.media.close()  # says goodbye by DTLS, which the page sees

    # --- for whoever serves the page -------------------------------------------------------------------------------
    def left(self, reason: str) -> None:
        """The caller has hung up, or the page is gone."""
        self.end(LegClosed(by="caller", reason=reason))
        self._refuse("normal")

    def _refuse(self, reason: HangupReason) -> None:
        if not self._answer.done():
            self._answer.set_exception(Refused(reason))
            self._answer.exception()  # whoever asked may have gone meanwhile

    def _media_lost(self, reason: str) -> None:
        """A page that is closed says goodbye by DTLS: that is how it hangs up when it has no time for a request."""
        if reason == PEER_CLOSED:
            self.left("the page was closed")
        else:
            super()._media_lost(reason)

    def broken(self) -> None:
        self._refuse("failure")
