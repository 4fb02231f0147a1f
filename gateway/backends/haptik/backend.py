"""A Haptik bot: its calls, its webhook, its transcripts. The requests themselves are in `client`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog

from gateway.actions import Record
from gateway.backends.haptik.account import Desk, budget_of, desk_of
from gateway.backends.haptik.chat import HaptikChat
from gateway.backends.haptik.client import HaptikApi, HaptikRefused
from gateway.backends.haptik.history import Line, parse_history, records_of
from gateway.backends.haptik.protocol import Event, history_query, is_signed, parse_event
from gateway.backends.haptik.settings import HaptikBotSection
from gateway.backends.haptik.values import mapping, number, text
from gateway.errors import RemoteProtocolError, VendorRejected, VendorReplyInvalid
from gateway.events import CallInfo
from gateway.interfaces import AfterCallJob, BackendCapabilities, Problem
from gateway.kit.http import HttpClient, Sleep
from gateway.kit.signature import hmac_hex
from gateway.routes import HttpReply, HttpRequest, Webhook

MAX_EVENT_BYTES = 1 << 20
MAX_KNOWN = 10_000  # users whose last conversation is remembered

log = structlog.get_logger()


def loop_time() -> float:
    """The running loop's clock, by which sleeps are measured, too."""
    return asyncio.get_running_loop().time()


def new_auth_id() -> str:
    """A user for one call: alphanumeric."""
    return "c" + secrets.token_hex(16)


class HaptikBackend:
    """One configured bot.

    Args:
        new_id: Makes `auth_id`s of users that last one call.
    """

    Section = HaptikBotSection

    def __init__(
        self,
        name: str,
        settings: HaptikBotSection,
        http: HttpClient,
        *,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = loop_time,
        new_id: Callable[[], str] = new_auth_id,
    ) -> None:
        self._name = name
        self._settings = settings
        self._sleep = sleep
        self._now = now
        self._new_id = new_id
        self._desk: Desk = desk_of(http, name, now)
        budget = budget_of(http, settings.client_id, settings.per_minute, sleep, now)
        self._api = HaptikApi(name, settings, http, budget, sleep)

    @property
    def capabilities(self) -> BackendCapabilities:
        speaks_first = bool(self._settings.greeting or self._settings.start_message)
        return BackendCapabilities(greets_first=speaks_first, pushes=True, transfer_feedback=True)

    @property
    def routes(self) -> Sequence[Webhook]:
        if self._settings.mode == "sync":
            return ()
        path = self._settings.webhook_path or f"/in/haptik/{self._name}"
        return (Webhook(path=path, methods=("POST",), handle=self._take, max_bytes=MAX_EVENT_BYTES),)

    # --- calls -----------------------------------------------------------------------------------------------------
    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[HaptikChat]:
        return self._chat(call, claim)

    @asynccontextmanager
    async def _chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[HaptikChat]:
        auth_id = self._auth_id(call)
        chat = HaptikChat(
            self._name,
            self._settings,
            self._api,
            call,
            auth_id,
            sleep=self._sleep,
            now=self._now,
            knows=lambda conversation: self._remember(auth_id, conversation),
        )
        claim(auth_id)
        self._desk.calls[auth_id] = chat
        moving = asyncio.create_task(chat.handoff.run(), name="haptik hand-over")
        try:
            yield chat
        finally:
            if self._desk.calls.get(auth_id) is chat:
                del self._desk.calls[auth_id]
            chat.close()
            moving.cancel()
            await asyncio.wait([moving])
            if not moving.cancelled():
                moving.result()

    def _auth_id(self, call: CallInfo) -> str:
        secret = self._settings.user_secret
        if self._settings.user == "call" or secret is None or not call.caller:
            return self._new_id()
        return "u" + hmac_hex(secret.get_secret_value(), call.caller)[:40]

    def _remember(self, auth_id: str, conversation: int) -> None:
        known = self._desk.last_conversation
        known.pop(auth_id, None)
        known[auth_id] = conversation
        if len(known) > MAX_KNOWN:
            del known[next(iter(known))]

    # --- the webhook -----------------------------------------------------------------------------------------------
    async def _take(self, request: HttpRequest) -> HttpReply:
        """Answered at once: Haptik waits five seconds, and sends again for an hour what is not answered with 200."""
        secret = self._settings.webhook_secret
        if secret is None or not is_signed(secret.get_secret_value(), request.body, request.headers):
            log.warning("webhook with a wrong signature", bot=self._name, peer=request.peer)
            return _reply(401, "wrong signature")
        try:
            event = parse_event(request.body)
        except RemoteProtocolError as error:
            log.warning("webhook not understood", bot=self._name, reason=str(error))
            return _reply(400, error.hint)
        chat = self._desk.calls.get(event.auth_id)
        if chat is None:
            reply = _reply(200, "no such call")
            return HttpReply(status=reply.status, body=reply.body, unknown_call=event.auth_id or None)
        key = _key(event, request.body)
        if not self._desk.seen.is_new(key):
            return _reply(200, "known")
        try:
            chat.receive(event)
        except RemoteProtocolError as error:
            self._desk.seen.forget(key)
            return _reply(429, error.hint)
        return _reply(200, "ok")

    # --- after the call --------------------------------------------------------------------------------------------
    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        """Fetch the transcript, send the feedback. What Haptik refuses for good is given up: no more than a warning."""
        match job.data.get("job"):
            case "history":
                return await self._transcript(job)
            case "feedback":
                data = job.data
                rating = number(data.get("rating")) or 0
                await self._api.feedback(text(data.get("auth_id")), resolved=bool(data.get("resolved")), rating=rating)
                return ()
            case _:
                raise VendorRejected("nothing is known of such a job", vendor=self._name, operation="after call")

    async def _transcript(self, job: AfterCallJob) -> Sequence[Record]:
        numbers = self._conversations(job)
        for place, conversation in enumerate(numbers):
            try:
                lines = await self._fetch(job.data, conversation)
            except HaptikRefused as error:
                if error.error_class == "state" and place + 1 < len(numbers):
                    continue
                raise
            return records_of(lines, conversation)
        return ()

    async def _fetch(self, data: Mapping[str, Any], conversation: int) -> list[Line]:
        history = self._settings.history
        query = history_query(
            conversation_no=conversation,
            business_id=self._settings.business_id,
            user_name=text(data.get("user_name")),
            pxut=text(data.get("pxut")),
            limit=history.limit,
            response_type=history.response_type,
        )
        try:
            return parse_history(await self._api.history(query))
        except RemoteProtocolError as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation="get_chat_history") from error

    def _conversations(self, job: AfterCallJob) -> list[int]:
        """Which conversation it was: as Haptik said at its end; else the first of a user who is new with every call,
        and for one who is not the one after the last known, then that."""
        told = [number(note.get("conversation_no")) for note in _completions(job.call)]
        if (said := next((found for found in reversed(told) if found is not None), None)) is not None:
            return [said]
        last = self._desk.last_conversation.get(text(job.data.get("auth_id")))
        return [1] if last is None else [last + 1, last]

    async def check(self) -> list[Problem]:
        settings = self._settings
        found = []
        for field in ("url", "integration_url", "mogambo_url", "message_url"):
            url = urlsplit(getattr(settings, field) or "")
            if url.scheme == "http" and url.hostname not in ("127.0.0.1", "localhost", "::1"):
                found.append(Problem(severity="warning", text="the token travels unencrypted", field=field))
        if settings.mode == "sync" and settings.handoff.team_name is not None:
            text_ = "no agent can write in mode sync, because messages come only as answers"
            found.append(Problem(severity="warning", text=text_, field="handoff.team_name"))
        if (settings.handoff.phrases or settings.handoff.key) and not settings.handoff.ways:
            missing = "callers can ask for a person, but there is neither team_name nor target"
            found.append(Problem(severity="warning", text=missing, field="handoff"))
        return found


def _completions(call: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    notes = call.get("notes")
    found = [mapping(mapping(note).get("data")) for note in (notes if isinstance(notes, list) else [])]
    return [data for data in found if data.get("event") == "conversation_complete"]


def _key(event: Event, body: bytes) -> str:
    """What makes an event the same one: its message; without one, every byte."""
    mark = event.message_id or hmac_hex(b"", body)
    return f"{event.auth_id} {event.name} {mark}"


def _reply(status: int, words: str) -> HttpReply:
    return HttpReply(status=status, body=json.dumps({"status": words}).encode())
