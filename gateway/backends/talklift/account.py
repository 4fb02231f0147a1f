"""A real account of TalkLift as its client: a token, a message to a session, a slot of a session.

Source: TalkLift Developers API Reference, and its errors page (November 2026). A token that is refused is fetched once
more, and the request repeated once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.backends.talklift.rest import MESSAGE_PATH, TOKEN_PATH, UPDATE_PATH
from gateway.backends.talklift.settings import AccountSection
from gateway.errors import VendorRejected, VendorReplyInvalid
from gateway.kit.http import HttpAnswer, HttpClient, RetryPolicy, Sleep, check_status, with_retries
from gateway.kit.jsonbody import JsonRefused, parse_json

RETRIES = RetryPolicy(delays=(1.0, 3.0), statuses=frozenset({429, 500, 503}), max_retry_after=60.0)
CHANNELS = ("MESSENGER", "WEB")


class Account:
    """The three requests.

    Args:
        name: For errors.
    """

    def __init__(self, name: str, settings: AccountSection, http: HttpClient, sleep: Sleep = asyncio.sleep) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._sleep = sleep
        self._token = ""

    async def token(self) -> str:
        """Log in; the token is kept until it is refused. The field is called username and holds the e-mail address."""
        who = {"username": self._settings.username, "password": self._settings.password.get_secret_value()}
        answer = await self._request("token", TOKEN_PATH, who, {})
        found = self._object(answer, "token").get("token")
        if not isinstance(found, str) or not found.strip():
            raise VendorReplyInvalid("the answer has no token", vendor=self._name, operation="token")
        self._token = found.strip()
        return self._token

    async def send_message(
        self, session_id: int, text: str, *, buttons: Sequence[Mapping[str, str]] = (), sender: str = "BOT"
    ) -> None:
        """Write to a session of the account."""
        settings = self._settings
        body = {
            "session_id": session_id,
            "channel": settings.channel,
            "sender": sender,
            "text": text,
            "org_id": settings.org_id,
            "project_id": settings.project_id,
            **({"buttons": [dict(button) for button in buttons]} if buttons else {}),
        }
        await self._authorized("send_message", MESSAGE_PATH, body)

    async def update(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Complete a slot of a session: the fields of its state, as the webhook named them. Returns the answer."""
        body = {**state, "project": self._settings.project_id, "org": self._settings.org_id}
        answer = await self._authorized("update_from_webhook", UPDATE_PATH, body)
        return self._object(answer, "update_from_webhook") if answer.body.strip() else {}

    async def _authorized(self, operation: str, path: str, body: Mapping[str, Any]) -> HttpAnswer:
        if not self._token:
            await self.token()
        try:
            return await self._with_token(operation, path, body)
        except VendorRejected as error:
            if error.status != 401:
                raise
        await self.token()
        return await self._with_token(operation, path, body)

    async def _with_token(self, operation: str, path: str, body: Mapping[str, Any]) -> HttpAnswer:
        return await self._request(operation, path, body, {"Authorization": f"Token {self._token}"})

    async def _request(
        self, operation: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> HttpAnswer:
        async def attempt() -> HttpAnswer:
            url = self._settings.url.rstrip("/") + path
            answer = await self._http.request(self._name, "POST", url, operation=operation, json=body, headers=headers)
            check_status(answer, vendor=self._name, operation=operation)
            return answer

        return await with_retries(attempt, RETRIES, self._sleep)

    def _object(self, answer: HttpAnswer, operation: str) -> dict[str, Any]:
        """The answer's object; the documentation's own sample has single quotes, which is no JSON."""
        try:
            value = parse_json(answer.body)
        except JsonRefused:
            try:
                value = parse_json(answer.body.replace(b"'", b'"'))
            except JsonRefused as refused:
                raise VendorReplyInvalid(str(refused), vendor=self._name, operation=operation) from refused
        if not isinstance(value, dict):
            raise VendorReplyInvalid("the answer is no object", vendor=self._name, operation=operation)
        return value
