"""Requests of ours, asked again where the peer wants to know who we are (RFC 3261 section 22.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.transports.sip.client_transaction import ClientTransaction, Received
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.transaction import Transactions
from gateway.transports.sip.wire import Failure

MAX_ROUNDS = 2
"""How often one request is asked again; a peer may call every nonce stale."""


class Credentials(Protocol):
    """Answers challenges; `digest.DigestClient` is one."""

    def challenged(self, request: SipRequest, response: SipResponse) -> bool:
        """Take in a 401 or 407; whether asking again can help."""
        ...

    def authorize(self, request: SipRequest) -> None:
        """Write answers to all that was asked so far into a request."""
        ...

    def forget(self) -> None:
        """Drop what was asked so far: the next request goes out without credentials."""
        ...


class Asked:
    """One request of ours, from the first attempt to the answer.

    Args:
        number: Gives the CSeq of another attempt.
        received: As for `transaction.Transactions.ask`, without the challenges that could be answered.
    """

    def __init__(
        self,
        transactions: Transactions,
        credentials: Credentials | None,
        number: Callable[[], int],
        received: Received,
    ) -> None:
        self._transactions = transactions
        self._credentials = credentials
        self._number = number
        self._received = received
        self._rounds = 0
        self._transaction: ClientTransaction | None = None

    @property
    def transaction(self) -> ClientTransaction:
        """Of the latest attempt."""
        assert self._transaction is not None
        return self._transaction

    @property
    def request(self) -> SipRequest:
        """The latest attempt, as it was sent."""
        return self.transaction.request

    def begin(self, request: SipRequest, flow: Flow, now: float) -> None:
        """Send it."""
        if self._credentials is not None:
            self._credentials.authorize(request)
        self._transaction = self._transactions.ask(request, flow, self._heard, now)

    def _heard(self, answer: SipResponse | Failure, now: float) -> None:
        if isinstance(answer, SipResponse) and answer.status in (401, 407) and self._can_answer(answer):
            self._rounds += 1
            sent = self.request
            headers = sent.headers.copy()
            headers.set("CSeq", f"{self._number()} {sent.method}")
            self.begin(SipRequest(sent.method, sent.uri, headers, sent.body), self.transaction.flow, now)
        else:
            self._received(answer, now)

    def _can_answer(self, challenge: SipResponse) -> bool:
        if self._credentials is None or self._rounds >= MAX_ROUNDS:
            return False
        return self._credentials.challenged(self.request, challenge)
