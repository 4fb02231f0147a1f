"""The end of calls: our BYE and theirs, and the loss of the way to the peer."""

from __future__ import annotations

from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.client_transaction import Received
from gateway.transports.sip.context import Context
from gateway.transports.sip.dialog import Dialog
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.server_transaction import ServerTransaction
from gateway.transports.sip.ua_events import ByeReceived, CallLost, LossCause, Released
from gateway.transports.sip.wire import Failure


class HangingUp:
    """Ends the calls of one user agent."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def bye(self, call: Call, reason: str, now: float) -> None:
        """Hang up a call that is answered; the BYE waits for the ACK (RFC 3261 section 15), and for a flow."""
        call.reason = call.reason or reason
        call.wants_bye = True
        self.bye_if_wanted(call, now)

    def bye_if_wanted(self, call: Call, now: float) -> None:
        """Something a BYE may have waited for has happened."""
        if not call.wants_bye or call.state is not CallState.UP or call.is_cut:
            return
        assert call.dialog is not None
        call.state = CallState.ENDING
        self._context.ask_in(call, self._bye(call.dialog, call.reason), self._released(call), now)

    def lose(self, call: Call, cause: LossCause, now: float) -> None:
        """Give a call up, and tell the peer in case it hears us. Whoever has hung up already is told no more than that.

        `Released` and `CallLost` do not wait for the peer's answer.
        """
        dialog, is_up = call.dialog, call.state in (CallState.ANSWERED, CallState.UP)
        end = Released(call=call.key) if call.wants_bye else CallLost(call=call.key, cause=cause)
        is_cut = call.is_cut
        self._context.finish(call, end, now)
        if dialog is not None and is_up and not is_cut:
            self.bye_alone(dialog, call.flow, call.reason, now)

    def bye_alone(self, dialog: Dialog, flow: Flow, reason: str, now: float) -> None:
        """A BYE for a dialog that nobody cares for any more."""
        self._context.ask(self._bye(dialog, reason), flow, dialog.next_number, _unheard, now)

    def received(self, call: Call, request: SipRequest, server: ServerTransaction, now: float) -> None:
        """The peer hung up; when we had too, our own BYE decides, which will be answered or not."""
        self._context.answer(server, 200, now)
        if call.state is CallState.ENDING:
            return
        if call.invite is not None and not call.invite.is_answered:
            self._context.answer(call.invite, 487, now, tag=call.tag)
        self._context.finish(call, ByeReceived(call=call.key, reason=request.headers.get("Reason") or ""), now)

    # --- the way to the peer ---------------------------------------------------------------------------------------
    def flow_closed(self, flow: Flow, now: float) -> None:
        """The calls of a flow live on for a while, because their audio may."""
        for call in self._context.on_flow(flow):
            if not call.is_cut:
                self._wait(call, now)

    def _wait(self, call: Call, now: float) -> None:
        limit = now + self._context.timing.flow_grace
        call.grace = self._context.timers.start(limit, lambda at: self.lose(call, "signalling", at))

    def move(self, call: Call, flow: Flow) -> bool:
        """Let a call's signalling take another flow from now on. Whether that ends an interruption."""
        was_cut, grace = call.is_cut, call.grace
        call.flow, call.grace = flow, None
        if grace is not None:
            grace.cancel()
        for server in (call.invite, call.theirs.server if call.theirs is not None else None):
            if server is not None:
                server.flow = flow
        return was_cut

    def _bye(self, dialog: Dialog, reason: str) -> SipRequest:
        bye = dialog.request("BYE")
        if reason:
            bye.headers.add("Reason", reason)
        return bye

    def _released(self, call: Call) -> Received:
        def received(answer: SipResponse | Failure, now: float) -> None:
            if answer is Failure.FLOW_CLOSED and call.state is CallState.ENDING:
                call.state = CallState.UP  # again on another flow: at once, or when there is one
                self.bye_if_wanted(call, now)
            elif isinstance(answer, Failure) or answer.status >= 200:
                self._context.finish(call, Released(call=call.key), now)

        return received


def _unheard(_: SipResponse | Failure, __: float) -> None:
    """Whatever the peer answers changes nothing."""
