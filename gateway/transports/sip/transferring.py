"""Blind transfer of a call of ours: REFER, and the NOTIFYs to its end (RFC 3515). What they mean is told by `refer`."""

from __future__ import annotations

from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.client_transaction import Received
from gateway.transports.sip.context import Context, Extra
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.message import NameAddress, SipRequest, SipResponse, SipUri
from gateway.transports.sip.own_offers import DIALOG_GONE
from gateway.transports.sip.refer import ReferProgress, event_of
from gateway.transports.sip.server_transaction import ServerTransaction
from gateway.transports.sip.ua_events import ReferFailed
from gateway.transports.sip.wire import Failure


class Transferring:
    """Transfers of one user agent; one at a time in each call."""

    def __init__(self, context: Context, hanging_up: HangingUp) -> None:
        self._context = context
        self._hanging_up = hanging_up

    def begin(self, call: Call, target: SipUri, headers: Extra, now: float) -> None:
        """Ask the peer to call somebody else. A call that cannot be transferred (any more) says so at once."""
        is_busy = call.refer is not None and not call.refer.is_over
        if is_busy or call.state is not CallState.UP or call.is_cut or call.dialog is None:
            self._context.emit(ReferFailed(call=call.key, status=None, by="unknown"))
            return
        self._stop(call.refer)
        call.refer = ReferProgress(call.key)
        request = call.dialog.request("REFER")
        request.headers.add("Refer-To", str(NameAddress("", target)))
        request.headers.add("Referred-By", str(NameAddress("", call.dialog.local.uri)))
        for name, value in (self._context.contact(call), *headers):
            request.headers.add(name, value)
        self._context.ask_in(call, request, self._received(call, call.refer), now)

    def _received(self, call: Call, refer: ReferProgress) -> Received:
        def received(answer: SipResponse | Failure, now: float) -> None:
            if call.refer is not refer or call.state is CallState.ENDED:
                return
            if isinstance(answer, Failure):
                self._context.emit(*refer.unanswered())
            elif answer.status >= 200:
                self._context.emit(*refer.answered(answer))
                self._wait(call, refer, self._patience(refer), now)
                if answer.status in DIALOG_GONE:
                    self._hanging_up.lose(call, "dialog_gone", now)

        return received

    def notified(self, call: Call, request: SipRequest, server: ServerTransaction, now: float) -> None:
        """A NOTIFY within a dialog; those of a transfer are welcome also after the end of the call."""
        if event_of(request) != "refer":
            self._context.answer(server, 489, now, extra=[("Allow-Events", "refer")])
            return
        refer = call.refer
        if refer is None:
            self._context.answer(server, 481, now)
            return
        self._context.answer(server, 200, now)
        if call.state is CallState.ENDED:
            return
        self._context.emit(*refer.notified(request))
        self._wait(call, refer, self._patience(refer), now)

    def _patience(self, refer: ReferProgress) -> float:
        timing = self._context.timing
        if refer.is_terminated:
            return timing.refer_hang_up
        return timing.refer_limit if refer.was_notified else timing.refer_silence

    def _wait(self, call: Call, refer: ReferProgress, seconds: float, now: float) -> None:
        self._stop(refer)
        if not refer.is_over:
            refer.timer = self._context.timers.start(now + seconds, lambda _: self._context.emit(*refer.silent()))

    def _stop(self, refer: ReferProgress | None) -> None:
        if refer is not None and refer.timer is not None:
            refer.timer.cancel()
