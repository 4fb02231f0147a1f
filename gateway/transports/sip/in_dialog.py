"""Requests within a call: whose they are, whether they are in order, and who is to deal with them."""

from __future__ import annotations

from gateway.transports.sip.bodies import content_type
from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.client_transaction import Received
from gateway.transports.sip.context import Context, Extra
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.incoming import Incoming
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.own_offers import OwnOffers
from gateway.transports.sip.peer_offers import PeerOffers
from gateway.transports.sip.server_transaction import ServerTransaction
from gateway.transports.sip.transferring import Transferring
from gateway.transports.sip.ua_events import InfoReceived
from gateway.transports.sip.wire import Failure


class InDialog:
    """For all calls of one user agent."""

    def __init__(
        self,
        context: Context,
        hanging_up: HangingUp,
        incoming: Incoming,
        own_offers: OwnOffers,
        peer_offers: PeerOffers,
        transferring: Transferring,
    ) -> None:
        self._context = context
        self._hanging_up = hanging_up
        self._incoming = incoming
        self._own_offers = own_offers
        self._peer_offers = peer_offers
        self._transferring = transferring

    def received(self, call: Call, server: ServerTransaction, flow: Flow, now: float) -> None:
        """Any request but ACK and CANCEL, of a method we allow."""
        request, dialog = server.request, call.dialog
        if dialog is None:  # it has overtaken the 200 that makes the dialog
            self._context.answer(server, 500, now, extra=[("Retry-After", "1")])
        elif not dialog.is_meant_by(request):
            self._context.answer(server, 481, now)
        elif call.state is CallState.ENDED:
            self._late(call, server, now)
        elif not dialog.take_number(request):
            self._context.answer(server, 500, now)
        else:
            self._follow(call, flow, now)
            self._dispatch(call, request, server, now)

    def acked(self, call: Call, ack: SipRequest, now: float) -> None:
        """An ACK that is for no refusal."""
        if call.state is not CallState.ENDED:
            self._incoming.acked(call, ack, now)
            self._own_offers.continue_(call, now)

    def _late(self, call: Call, server: ServerTransaction, now: float) -> None:
        """The call is over, and the peer may still tell what became of its transfer."""
        if server.request.method == "NOTIFY":
            self._transferring.notified(call, server.request, server, now)
        else:
            self._context.answer(server, 481, now)

    def _follow(self, call: Call, flow: Flow, now: float) -> None:
        """The peer has come by another way: so do we, from now on."""
        if (flow != call.flow or call.is_cut) and self._hanging_up.move(call, flow):
            self._hanging_up.bye_if_wanted(call, now)
            self._own_offers.continue_(call, now)

    def _dispatch(self, call: Call, request: SipRequest, server: ServerTransaction, now: float) -> None:
        match request.method:
            case "BYE":
                self._hanging_up.received(call, request, server, now)
            case "INVITE" | "UPDATE":
                self._peer_offers.received(call, server, now)
            case "PRACK":
                self._incoming.heard(call, server, now)
            case "INFO":
                self._context.answer(server, 200, now)
                self._context.emit(InfoReceived(call=call.key, content_type=content_type(request), body=request.body))
            case "NOTIFY":
                self._transferring.notified(call, request, server, now)
            case _:
                self._context.answer(server, 200, now, extra=self._context.abilities())

    # --- our INFO and NOTIFY ---------------------------------------------------------------------------------------
    def tell(self, call: Call, method: str, headers: Extra, kind: str, body: bytes, now: float) -> None:
        """Send an INFO or a NOTIFY; nothing comes of a call that is not up."""
        if call.state is not CallState.UP or call.is_cut or call.dialog is None:
            return
        request = call.dialog.request(method)
        for name, value in (*headers, ("Content-Type", kind)):
            request.headers.add(name, value)
        request.body = body
        self._context.ask_in(call, request, self._informed(call), now)

    def _informed(self, call: Call) -> Received:
        def received(answer: SipResponse | Failure, now: float) -> None:
            is_gone = isinstance(answer, SipResponse) and answer.status == 481
            if is_gone and call.state is CallState.UP:
                self._hanging_up.lose(call, "dialog_gone", now)

        return received
