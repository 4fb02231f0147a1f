"""What is said to a caller before the answer, 180 or 183: where it demands so, until it has heard it (RFC 3262)."""

from __future__ import annotations

import re

from gateway.errors import LocalProtocolError
from gateway.transports.sip.bodies import sdp_of
from gateway.transports.sip.call_state import Call, Unheard
from gateway.transports.sip.context import Context
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction
from gateway.transports.sip.ua_events import CallLost
from gateway.transports.sip.wire import Repetition

_RACK = re.compile(r"\s*([0-9]{1,10})\s+([0-9]{1,10})\s+INVITE\s*", re.IGNORECASE)


class Provisional:
    """For all calls of one user agent. A reliable response waits for the PRACK to the one before."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def ring(self, call: Call, invite: InviteServer, status: int, sdp: bytes | None, now: float) -> None:
        """Say it now, and again each minute; to a caller that demands 100rel as soon as it has heard the one before."""
        if not 101 <= status <= 199:
            raise LocalProtocolError("a provisional response has a status of 101 to 199")
        if call.unheard is not None:
            call.unheard.next = (status, sdp)
            return
        if _demands_prack(invite.request):
            self._say_reliably(call, invite, status, sdp, now)
        else:
            self._say(call, invite, status, sdp, [], now)
        self._say_again(call, invite, status, sdp, now)

    def _say(
        self,
        call: Call,
        invite: InviteServer,
        status: int,
        sdp: bytes | None,
        more: list[tuple[str, str]],
        now: float,
    ) -> bytes:
        extra = [self._context.contact(call), *self._context.abilities(), *more]
        return self._context.answer(invite, status, now, tag=call.tag, extra=extra, sdp=sdp).to_bytes()

    def _say_again(self, call: Call, invite: InviteServer, status: int, sdp: bytes | None, now: float) -> None:
        if call.again is not None:
            call.again.cancel()
        call.again = self._context.timers.start(
            now + self._context.timing.provisional_interval, lambda at: self.ring(call, invite, status, sdp, at)
        )

    # --- reliably --------------------------------------------------------------------------------------------------
    def _say_reliably(self, call: Call, invite: InviteServer, status: int, sdp: bytes | None, now: float) -> None:
        """An offer of ours is kept for the 200: its answer would come in the PRACK."""
        call.said += 1
        sdp = sdp if sdp_of(invite.request) is not None else None
        data = self._say(call, invite, status, sdp, [("Require", "100rel"), ("RSeq", str(call.said))], now)
        timing, wire = self._context.timing, self._context.wire
        call.unheard = Unheard(
            Repetition(wire, lambda: wire.send(call.flow, data), None, now),
            self._context.timers.start(now + timing.give_up, lambda at: self._given_up(call, invite, at)),
            has_sdp=sdp is not None,
        )

    def heard(self, call: Call, server: ServerTransaction, now: float) -> bytes | None:
        """A PRACK.

        Returns:
            What the 200 that waited for it is to say; None when none has waited.
        """
        request, unheard = server.request, call.unheard
        numbers = _RACK.fullmatch(request.headers.get("RAck") or "")
        if numbers is None or call.invited != int(numbers[2]) or not 0 < int(numbers[1]) <= call.said:
            self._context.answer(server, 481, now)
            return None
        if request.body:
            self._context.answer(server, 488, now)  # another offer, before the first is through
        else:
            self._context.answer(server, 200, now)
        if unheard is None or int(numbers[1]) != call.said or call.invite is None:
            return None
        unheard.stop()
        call.unheard = None
        if unheard.answer is None and unheard.next is not None:
            self.ring(call, call.invite, *unheard.next, now)
        return unheard.answer

    def _given_up(self, call: Call, invite: InviteServer, now: float) -> None:
        """No PRACK has come (RFC 3262 section 3)."""
        self._context.answer(invite, 504, now, tag=call.tag)
        self._context.finish(call, CallLost(call=call.key, cause="no_ack"), now)


def _demands_prack(invite: SipRequest) -> bool:
    return any(tag.lower() == "100rel" for tag in invite.headers.all("Require"))
