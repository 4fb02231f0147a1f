"""A bot written for Userlike: one session per call, and the API URL by which the bot reaches them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from gateway.backends.userlike.api import PER, REQUESTS, ApiUrl, OptOut
from gateway.backends.userlike.chat import UserlikeChat
from gateway.backends.userlike.contacts import Contacts
from gateway.backends.userlike.session import Session
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.webhook import BotWebhook, InspectMedia
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, Problem
from gateway.kit.budget import SlidingWindow
from gateway.kit.http import HttpClient, Sleep
from gateway.routes import Webhook


class UserlikeBackend:
    """One configured bot.

    Args:
        new_id: The second part of session ids, 32 hexadecimal digits.
        sleep, now: For tests with a clock of their own.
    """

    Section = UserlikeBotSection
    capabilities = BackendCapabilities(greets_first=True, pushes=True, transfer_feedback=True)

    def __init__(
        self,
        name: str,
        settings: UserlikeBotSection,
        http: HttpClient,
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
    ) -> None:
        self._name = name
        self._settings = settings
        self._webhook = BotWebhook(name, settings, http, sleep=sleep)
        self._new_id = new_id
        self._now = now
        self._contacts = Contacts()
        self._sessions: dict[str, UserlikeChat] = {}
        self.routes: Sequence[Webhook] = tuple(self._routes())

    def _routes(self) -> list[Webhook]:
        """The API URL with and without its version, and, for bots that forget it, without the slash at the end."""
        settings = self._settings
        if settings.bot_key is None or settings.security_token is None:
            return []
        api = ApiUrl(self._name, settings.security_token.get_secret_value(), self._sessions)
        bases = [f"/userlike{version}/{settings.bot_key}" for version in ("/v1", "")]
        routes = [
            Webhook(path=base + slash, methods=("POST",), handle=api.handle) for base in bases for slash in ("/", "")
        ]
        if settings.opt_out_token is not None:
            opt_out = OptOut(self._name, settings.opt_out_token.get_secret_value(), self._sessions)
            routes += [Webhook(path=f"{base}/unsubscribe", methods=("POST",), handle=opt_out.handle) for base in bases]
        return routes

    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[UserlikeChat]:
        """One call is one session; requests to the API URL that name its cid are claimed."""
        return self._chat(call, claim)

    @asynccontextmanager
    async def _chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[UserlikeChat]:
        cid = f"chatbot::{self._settings.bot_number}:{self._new_id()}"
        contact = self._contacts.of(call.caller, call.display_name, call.language)
        has_slot = self._settings.slots is None or len(self._sessions) < self._settings.slots
        session = Session(cid=cid, call=call, contact=contact)
        budget = SlidingWindow(REQUESTS, PER, self._now)
        chat = UserlikeChat(self._webhook, self._settings, self._contacts, session, budget, has_slot=has_slot)
        if has_slot:
            claim(cid)
            self._sessions[cid] = chat
        try:
            yield chat
        finally:
            self._sessions.pop(cid, None)
            chat.close()

    def look_with(self, content_type: InspectMedia) -> None:
        """Implements `LooksAtMedia`."""
        self._webhook.inspect_media = content_type

    async def check(self) -> list[Problem]:
        settings, found = self._settings, []
        is_plain = urlsplit(settings.webhook_url).scheme == "http"
        if settings.webhook_headers and is_plain and not _is_local(settings.webhook_url):
            found.append(_warning("webhook_url", "the webhook headers travel unencrypted"))
        if settings.own_group is None:
            found.append(_warning("group", "is not set: every forward_any fails, and the call is unassigned"))
        if not settings.webhook_headers:
            found.append(_warning("webhook_headers", "is empty: the bot cannot tell who calls it"))
        return found


def _warning(field: str, text: str) -> Problem:
    return Problem(severity="warning", text=text, field=field)


def _is_local(url: str) -> bool:
    return (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1")
