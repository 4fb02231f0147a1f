"""The session timer of each call at work; what was agreed on is told by `session_timer`."""

from __future__ import annotations

from collections.abc import Callable

from gateway.transports.sip.call_state import Call
from gateway.transports.sip.context import Context
from gateway.transports.sip.hanging_up import HangingUp
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.server_transaction import ServerTransaction
from gateway.transports.sip.session_timer import (
    MIN_SE,
    SessionTerms,
    demanded,
    is_too_short,
    terms_of_request,
    terms_of_response,
)


class Sessions:
    """For all calls of one user agent.

    Args:
        refresh: Has a call refreshed by us.
    """

    def __init__(self, context: Context, hanging_up: HangingUp, refresh: Callable[[Call, float], None]) -> None:
        self._context = context
        self._hanging_up = hanging_up
        self._refresh = refresh

    def refuses(self, server: ServerTransaction, now: float) -> bool:
        """Whether a request asks for an interval that is too short, and has its 422."""
        too_short = is_too_short(server.request)
        if too_short:
            self._context.answer(server, 422, now, extra=[("Min-SE", str(MIN_SE))])
        return too_short

    def answer(self, call: Call, request: SipRequest, now: float) -> list[tuple[str, str]]:
        """Begin the interval anew, by our 2xx to a request; what that has to say about it."""
        terms = terms_of_request(request, call.session)
        self._watch(call, terms, now)
        return terms.answer_headers() if terms is not None else []

    def answered(self, call: Call, response: SipResponse, now: float) -> None:
        """Begin the interval anew, by the peer's 2xx."""
        self._watch(call, terms_of_response(response), now)

    def lengthen(self, call: Call, response: SipResponse) -> bool:
        """Whether the same can be asked again with the interval that a 422 demands."""
        terms = demanded(response, call.session)
        if terms is not None:
            call.session = terms
        return terms is not None

    def _watch(self, call: Call, terms: SessionTerms | None, now: float) -> None:
        if call.watch is not None:
            call.watch.cancel()
        call.session, call.watch = terms, None
        if terms is None:
            return
        lapse = now + terms.lapse_after

        def lapsed(at: float) -> None:
            self._hanging_up.lose(call, "session_expired", at)

        def refresh(at: float) -> None:
            call.watch = self._context.timers.start(lapse, lapsed)
            self._refresh(call, at)

        at, act = (now + terms.refresh_after, refresh) if terms.we_refresh else (lapse, lapsed)
        call.watch = self._context.timers.start(at, act)
