"""Haptik over HTTP: one method per request, its retries, its place in the account's budget, its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from gateway.backends.haptik import faq, protocol
from gateway.backends.haptik.account import Budget
from gateway.backends.haptik.protocol import ErrorClass, classify, error_message
from gateway.backends.haptik.settings import HaptikBotSection
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid
from gateway.kit.http import (
    HttpAnswer,
    HttpClient,
    RetryPolicy,
    Sleep,
    Timeouts,
    VendorBusy,
    check_status,
    never_sent,
    with_retries,
)
from gateway.kit.jsonbody import JsonRefused, parse_json

MAX_HISTORY_BYTES = 8 << 20
UPLOAD_SECONDS = 60.0

log = structlog.get_logger()


class HaptikRefused(VendorRejected):
    """An answer with an ``error_message``, whatever its status; ``error_class`` says whose it is."""

    def __init__(self, message: str, error_class: ErrorClass, **where: Any) -> None:
        super().__init__(message, **where)
        self.message = message
        self.error_class: ErrorClass = error_class


class HaptikApi:
    """The requests to one account.

    Args:
        name: The bot's, for logs and errors.
        budget: The account's.
    """

    def __init__(
        self, name: str, settings: HaptikBotSection, http: HttpClient, budget: Budget, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._budget = budget
        self._sleep = sleep
        self._headers = protocol.headers(settings.token.get_secret_value(), settings.client_id)
        self._again = RetryPolicy(delays=(settings.retry_delay,))

    @property
    def wait(self) -> float:
        """Seconds the next request to a side API will wait for the budget, at least."""
        return self._budget.wait()

    # --- messages --------------------------------------------------------------------------------------------------
    async def register(self, body: Mapping[str, object]) -> None:
        """Make the user known, or bring it up to date; safe at any time."""

        async def attempt() -> HttpAnswer:
            self._budget.count_message()
            return await self._request("register", "POST", self._settings.url + protocol.USER_PATH, json=body)

        self._value(await with_retries(attempt, self._again, self._sleep), "register")

    async def say(self, auth_id: str, message: str) -> bytes:
        """Send what the caller said, once: again only where it cannot have arrived. Returns the answer's body."""
        url = self._settings.message_url or self._settings.url + protocol.MESSAGE_PATH
        body = protocol.message_body(auth_id, message, self._settings.business_id)

        async def attempt() -> HttpAnswer:
            self._budget.count_message()
            answer = await self._request("message", "POST", url, json=body)
            self._value(answer, "message")
            return answer

        try:
            return (await attempt()).body
        except VendorError as error:
            if not (never_sent(error) or isinstance(error, VendorBusy)):
                raise
            await self._sleep(self._again.delay(error, 0) or self._settings.retry_delay)
        return (await attempt()).body

    # --- side APIs -------------------------------------------------------------------------------------------------
    async def send_to_agent(self, user_name: str) -> None:
        """Move the user's chat to the team."""
        handoff = self._settings.handoff
        body = protocol.agent_body(
            team_name=handoff.team_name or "",
            user_name=user_name,
            business_id=self._settings.business_id,
            countdown=handoff.countdown,
            receiver=handoff.receiver,
        )
        await self._aside("send_chat_to_agent", "POST", self._integration + protocol.AGENT_PATH, json=body)

    async def feedback(self, auth_id: str, *, resolved: bool, rating: int) -> None:
        """Write down what the user thinks; Haptik takes it once an hour."""
        body = protocol.feedback_body(auth_id, self._settings.business_id, resolved=resolved, rating=rating)
        await self._aside("log_feedback", "POST", self._settings.url + protocol.FEEDBACK_PATH, json=body)

    async def history(self, query: Mapping[str, str]) -> bytes:
        """Fetch a transcript; its body."""
        url = str(httpx.URL(self._integration + protocol.HISTORY_PATH, params=dict(query)))
        kind = {"content-type": "application/json"}
        answer = await self._aside("get_chat_history", "GET", url, headers=kind, max_bytes=MAX_HISTORY_BYTES)
        return answer.body

    async def upload_faq(self, domain: str, filename: str, content: bytes) -> str:
        """Submit a FAQ file. Returns the id of the task that takes it in."""
        url = self._mogambo + faq.CREATE_PATH
        form = httpx.Request(
            "POST", url, data={"domain_name": domain}, files={"csv_file": (filename, content, "text/csv")}
        )
        answer = await self._aside(
            "faq create",
            "POST",
            url,
            content=form.read(),
            headers={"content-type": form.headers["content-type"]},
            once=True,
        )
        task = faq.task_of(self._value(answer, "faq create"))
        if not task:
            raise VendorReplyInvalid("the answer has no task_id", vendor=self._name, operation="faq create")
        return task

    async def faq_status(self, task_id: str) -> Any:
        """The answer about an upload, for `faq.state_of`."""
        url = self._mogambo + faq.STATUS_PATH.format(task_id=quote(task_id, safe=""))
        answer = await self._aside("faq status", "GET", url, reads_errors=False)
        return self._value(answer, "faq status")

    @property
    def _integration(self) -> str:
        return self._settings.integration_url or self._settings.url

    @property
    def _mogambo(self) -> str:
        return self._settings.mogambo_url or self._settings.url

    async def _aside(self, operation: str, method: str, url: str, *, once: bool = False, **request: Any) -> HttpAnswer:
        """A request that waits its turn, and is made once more after a server error unless it must not be."""

        async def attempt() -> HttpAnswer:
            await self._budget.side.take()
            return await self._request(operation, method, url, **request)

        return await attempt() if once else await with_retries(attempt, self._again, self._sleep)

    # --- one request -----------------------------------------------------------------------------------------------
    async def _request(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = 1 << 20,
        reads_errors: bool = True,
    ) -> HttpAnswer:
        answer = await self._http.request(
            self._name,
            method,
            url,
            operation=operation,
            json=json,
            content=content,
            headers={**self._headers, **(headers or {})},
            timeout=Timeouts(
                connect=self._settings.connect_timeout,
                total=self._settings.timeout if content is None else UPLOAD_SECONDS,
            ),
            max_bytes=max_bytes,
        )
        message = error_message(answer.body) if reads_errors or answer.status >= 400 else None
        if message is not None:
            self._refuse(message, answer, operation)
        if answer.status in (401, 403):
            self._alarm(operation, f"status {answer.status}")
        check_status(answer, vendor=self._name, operation=operation)
        return answer

    def _refuse(self, message: str, answer: HttpAnswer, operation: str) -> None:
        """Raise what an ``error_message`` stands for. One that nobody knows does not hide a server error."""
        kind = classify(message)
        if kind == "unknown" and (answer.status == 429 or answer.status >= 500):
            check_status(answer, vendor=self._name, operation=operation)
        if kind in ("auth", "config"):
            self._alarm(operation, message)
        again = protocol.is_error(message, "an unknown error occurred")
        status = answer.status if answer.status >= 400 and not again else None
        raise HaptikRefused(message, kind, vendor=self._name, operation=operation, status=status, retryable=again)

    def _alarm(self, operation: str, message: str) -> None:
        log.error("haptik refuses: check its settings", bot=self._name, operation=operation, answer=message)

    def _value(self, answer: HttpAnswer, operation: str) -> Any:
        try:
            return parse_json(answer.body)
        except JsonRefused as refused:
            raise VendorReplyInvalid(str(refused), vendor=self._name, operation=operation) from refused
