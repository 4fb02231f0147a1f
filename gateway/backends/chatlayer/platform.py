"""The requests to Chatlayer, thin: one method for each call of its API, both dialects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.backends.chatlayer import protocol, v1
from gateway.backends.chatlayer.history import MAX_ROWS, PAGE_ROWS, Page, Row, parse_page
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.errors import ConfigError, RemoteProtocolError, VendorReplyInvalid
from gateway.kit.http import HttpAnswer, HttpClient, RetryPolicy, Sleep, Timeouts, check_status
from gateway.kit.jsonbody import JsonRefused, parse_json

SERVER_ERRORS = frozenset(range(500, 600))


class Platform:
    """One bot's account at the platform.

    Every method raises VendorError: retryable when it may work later.
    """

    def __init__(
        self, name: str, settings: ChatlayerBotSection, http: HttpClient, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._sleep = sleep
        self._timeouts = Timeouts(connect=settings.connect_timeout, total=settings.timeout)
        self.policy = RetryPolicy(delays=settings.retry_delays, statuses=SERVER_ERRORS)

    # --- the conversation: one attempt each, retries are the chat's ------------------------------------------------
    async def say(self, sender: str, text: str, locale: str | None) -> None:
        """Send what the caller said."""
        said = text[: protocol.MAX_TEXT]
        if self._is_v1:
            await self._to_channel(v1.text_body(said, sender, locale))
        else:
            await self._message(protocol.message_body(said, sender, self._verify_token, locale))

    async def click(self, sender: str, payload: str, title: str, locale: str | None) -> None:
        """Send what the caller chose; the legacy interface wants the payload alone, as it came, without a locale."""
        if self._is_v1:
            await self._to_channel(v1.click_body(payload, title, sender, locale))
        else:
            await self._message(protocol.message_body(payload, sender, self._verify_token))

    async def introduce(self, sender: str) -> None:
        """Let the bot introduce itself; only the newer interface can."""
        await self._to_channel(v1.intro_body(sender))

    async def jump(self, sender: str, dialogstate: str, session: Mapping[str, Any] | None = None) -> None:
        """Go to a dialog state, after writing session data.

        Args:
            session: As `protocol.session_data` makes it.
        """
        if self._is_v1:
            await self._to_channel(v1.state_body(dialogstate, sender, session=(session or {}).get("data")))
        else:
            await self.webview(sender, session=session, next_dialogstate=dialogstate)

    async def webview(
        self,
        sender: str,
        *,
        session: Mapping[str, Any] | None = None,
        next_dialogstate: str | None = None,
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """An asynchronous action. Raises LocalProtocolError before anything is sent when it would be refused."""
        body = protocol.webview_body(
            self._settings.bot_id, sender, session=session, next_dialogstate=next_dialogstate, messages=messages
        )
        await self._request("POST", self._url("webview", with_token=True), "action", json=body)

    # --- beside the conversation -----------------------------------------------------------------------------------
    async def history(self, sender: str) -> list[Row]:
        """Every row of a conversation, up to `MAX_ROWS`, page by page."""
        rows: dict[str, Row] = {}
        offset = 0
        while offset < MAX_ROWS:
            page = await self.history_page(sender, offset)
            known = len(rows)
            for place, row in enumerate(page.rows, offset):
                rows.setdefault(row.id or f"#{place}", row)
            offset += len(page.rows)
            is_last = len(page.rows) < PAGE_ROWS if page.count is None else offset >= page.count
            if is_last or len(rows) == known:  # nothing new: a platform that knows no offset
                break
        return list(rows.values())

    async def history_page(self, sender: str, offset: int, limit: int = PAGE_ROWS) -> Page:
        """One page; the platform takes both numbers as texts."""
        query = {"offset": str(offset), "limit": str(limit)}
        url = self._url("bots", self._settings.bot_id, "history", sender, with_token=True, query=query)
        answer = await self._request("GET", url, "history")
        try:
            return parse_page(answer.body)
        except RemoteProtocolError as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation="history") from error

    async def session_data(self, sender: str, namespace: str) -> dict[str, Any]:
        """The variables of a namespace; empty when the platform sends us elsewhere for them."""
        url = self._url("sessionData", self._settings.bot_id, sender, namespace, with_token=True)
        answer = await self._request("GET", url, "session data", may_redirect=True)
        value = self._value(answer, "session data") if answer.status == 200 else {}
        return value if isinstance(value, dict) else {"value": value}

    async def extract(self, language: str, expression: str, version: str | None = None) -> dict[str, Any]:
        """What the bot's language understanding makes of an expression: ``data.extract``, with whatever is new in it.

        Args:
            version: ``LIVE`` or ``DRAFT``; unset: the bot's own setting.
        """
        chosen = version or self._settings.version
        if self._is_v1:
            url = v1.extract_url(self._settings.base_url, self._settings.bot_id, chosen)
            headers = v1.channel_headers(self._access_token)
        else:
            url, headers = self._url("bots", self._settings.bot_id, "extract", chosen, with_token=True), {}
        body = protocol.extract_body(language, expression)
        found = self._value(await self._request("POST", url, "extract", json=body, headers=headers), "extract")
        for key in ("data", "extract"):
            found = found.get(key, found) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise VendorReplyInvalid("the answer has no extract", vendor=self._name, operation="extract")
        return found

    async def chat_messages(self, since: str) -> Any:
        """All messages of the bot since a day, as they come: the page names the call, not its answer."""
        url = self._url("chatMessage", self._settings.bot_id, with_token=True, query={"from": since})
        return self._value(await self._request("GET", url, "messages"), "messages")

    # --- requests --------------------------------------------------------------------------------------------------
    @property
    def _is_v1(self) -> bool:
        return self._settings.dialect == "v1"

    @property
    def _verify_token(self) -> str:
        return self._settings.verify_token.get_secret_value()

    @property
    def _access_token(self) -> str:
        if self._settings.access_token is None:
            raise ConfigError("this needs the account's access token", field=f"bots.{self._name}.access_token")
        return self._settings.access_token.get_secret_value()

    def _url(self, *path: str, with_token: bool = False, query: Mapping[str, str] | None = None) -> str:
        token = {"access_token": self._access_token} if with_token else {}
        return protocol.endpoint(self._settings.base_url, *path, query={**token, **(query or {})})

    async def _message(self, body: dict[str, Any]) -> None:
        """Any 2xx says that it came, whatever stands in it."""
        await self._request("POST", self._url("webhookMessage", self._settings.bot_id), "message", json=body)

    async def _to_channel(self, body: dict[str, Any]) -> None:
        url, token = self._settings.channel_url, self._settings.channel_token
        assert url is not None
        assert token is not None
        await self._request("POST", url, "message", json=body, headers=v1.channel_headers(token.get_secret_value()))

    async def _request(
        self,
        method: str,
        url: str,
        operation: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        may_redirect: bool = False,
    ) -> HttpAnswer:
        answer = await self._http.request(
            self._name, method, url, operation=operation, json=json, headers=headers, timeout=self._timeouts
        )
        if not (may_redirect and answer.status in (301, 302, 303, 307, 308)):
            check_status(answer, vendor=self._name, operation=operation)
        return answer

    def _value(self, answer: HttpAnswer, operation: str) -> Any:
        try:
            return parse_json(answer.body)
        except JsonRefused as error:
            raise VendorReplyInvalid(error.reason, vendor=self._name, operation=operation) from error
