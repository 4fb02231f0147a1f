"""A bot behind one URL: an event goes out, actions come back, at once or by callback."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import quote

import structlog
from msgspec import structs

from gateway.actions import Action, ActionBatch, Record, Say
from gateway.backends.rest.dialect import read_by_paths
from gateway.backends.rest.protocol import (
    MAX_SESSION_BYTES,
    Reply,
    call_of,
    event_body,
    parse_reply,
    read_reply,
    type_of,
)
from gateway.backends.rest.requests import Request, request_for
from gateway.backends.rest.settings import RestAuth, RestBotSection
from gateway.caller_events import CallEnded, CallerEvent, CallStarted, NoInput
from gateway.clock import Clock, LoopClock
from gateway.errors import RemoteProtocolError, VendorReplyInvalid, VendorUnavailable
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, Problem
from gateway.kit.http import HttpAnswer, HttpClient, Sleep, Timeouts, check_status, never_sent
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.kit.outbox import Outbox
from gateway.routes import HttpReply, HttpRequest, Webhook

LATER = 202
"""The status of an answer that says: by callback."""
TOKEN_BYTES = 24
RETRY_DELAY = 0.5

log = structlog.get_logger()


class RestBackend:
    """One configured bot."""

    Section = RestBotSection

    def __init__(
        self,
        name: str,
        settings: RestBotSection,
        http: HttpClient,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.http = http
        self.sleep = sleep
        self.clock = clock or LoopClock()
        self._chats: dict[str, RestChat] = {}  # by the token in their callback's path

    @property
    def capabilities(self) -> BackendCapabilities:
        told = self.settings.events
        return BackendCapabilities(
            greets_first=True,
            pushes=self.settings.callback is not None,
            wants_no_input=self.settings.every_silence and "no_input" in told,
            wants_digits="dtmf" in told,
            transfer_feedback="transfer_result" in told,
        )

    @property
    def routes(self) -> Sequence[Webhook]:
        if self.settings.callback is None:
            return ()
        path = f"/in/rest/{self.name}/{{token}}"  # as it arrives, decoded
        return (Webhook(path=path, methods=("POST",), handle=self._called_back),)

    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[RestChat]:
        return self._chat(call, claim)

    @asynccontextmanager
    async def _chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[RestChat]:
        token, url = secrets.token_urlsafe(TOKEN_BYTES), None
        if self.settings.callback is not None:
            url = f"{self.settings.callback.rstrip('/')}/in/rest/{quote(self.name, safe='')}/{token}"
        chat = self._chats[token] = RestChat(self, call, url)
        claim(token)
        try:
            yield chat
        finally:
            del self._chats[token]
            chat.close()

    async def check(self) -> list[Problem]:
        found = []
        if self.settings.url.startswith("http://") and self.settings.auth != RestAuth():
            text = "is not encrypted, and the proof of who we are can be read on the way"
            found.append(Problem(severity="warning", text=text, field="url"))
        return found

    async def _called_back(self, request: HttpRequest) -> HttpReply:
        """An answer that comes later. The token in its path is the proof that the bot was asked."""
        token = request.path_params.get("token", "")
        chat = self._chats.get(token)
        if chat is None:
            return HttpReply(status=404, unknown_call=token)
        try:
            value = parse_json(request.body)
        except JsonRefused as refused:
            return HttpReply(status=400, body=f"{refused.reason}\n".encode(), content_type="text/plain; charset=utf-8")
        try:
            chat.take(value)
        except RemoteProtocolError as error:
            return HttpReply(status=429, body=f"{error.hint}\n".encode(), content_type="text/plain; charset=utf-8")
        return HttpReply(status=202)


class RestChat:
    """One call."""

    def __init__(self, backend: RestBackend, call: CallInfo, callback_url: str | None) -> None:
        self._backend = backend
        self._settings = backend.settings
        self._call_id = call.call_id
        self.callback_url = callback_url
        self._call = call_of(call, callback_url)
        self._session: Any = {}
        self._answers = 0
        self._outbox = Outbox()

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    def close(self) -> None:
        self._outbox.close()

    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError when the bot cannot be had; what it is not told of is passed over."""
        greeting = self._settings.greeting if isinstance(event, CallStarted) else None
        before: tuple[Action, ...] = (Say(text=greeting),) if greeting else ()
        if type_of(event) not in self._settings.events or self._is_early_silence(event):
            if before or isinstance(event, CallStarted):
                self._outbox.put(ActionBatch(actions=before, turn=event.turn, turn_done=True))
            return
        answer = await self._ask(event)
        if isinstance(event, CallEnded):
            return  # nobody is left to hear it
        if answer.status == LATER and self.callback_url is not None:
            if before:
                self._outbox.put(ActionBatch(actions=before, turn=event.turn))
            return
        reply = self._read(answer)
        self._put(structs.replace(reply, turn=event.turn), before)

    def take(self, value: Any) -> None:
        """A callback's answer. Raises RemoteProtocolError when the call has too many of them already."""
        self._put(self._understood(value))

    def _is_early_silence(self, event: CallerEvent) -> bool:
        return isinstance(event, NoInput) and not event.exhausted and not self._settings.every_silence

    # --- out -------------------------------------------------------------------------------------------------------
    async def _ask(self, event: CallerEvent) -> HttpAnswer:
        """One request, and another one where the first had no connection."""
        body = event_body(event, self._call, self._session)
        request = request_for(self._settings, event, body, self._backend.clock.wall())
        try:
            return await self._send(request)
        except VendorUnavailable as error:
            if not never_sent(error):
                raise
        await self._backend.sleep(RETRY_DELAY)
        return await self._send(request)

    async def _send(self, request: Request) -> HttpAnswer:
        answer = await self._backend.http.request(
            self._backend.name,
            request.method,
            request.url,
            operation="event",
            content=request.body,
            headers=request.headers,
            timeout=Timeouts(total=self._settings.timeout),
        )
        check_status(answer, vendor=self._backend.name, operation="event")
        return answer

    # --- in --------------------------------------------------------------------------------------------------------
    def _read(self, answer: HttpAnswer) -> Reply:
        name = self._next_name()
        try:
            if self._settings.response is not None:
                value = parse_json(answer.body) if answer.body.strip() else {}
                return read_by_paths(value, self._settings.response, name, self._settings.format)
            return parse_reply(answer.body, answer.headers.get("content-type", ""), name, self._settings.format)
        except JsonRefused as refused:
            raise VendorReplyInvalid(refused.reason, vendor=self._backend.name, operation="event") from refused

    def _understood(self, value: Any) -> Reply:
        name = self._next_name()
        if self._settings.response is not None:
            reply = read_by_paths(value, self._settings.response, name, self._settings.format)
            turn = value.get("turn") if isinstance(value, dict) else None
            return structs.replace(reply, turn=turn if type(turn) is int else None)
        return read_reply(value, name, self._settings.format)

    def _put(self, reply: Reply, before: tuple[Action, ...] = ()) -> None:
        kept = self._keep_session(reply.session)
        is_done = reply.is_last and reply.turn is not None
        self._outbox.put(ActionBatch(actions=(*before, *reply.actions, *kept), turn=reply.turn, turn_done=is_done))

    def _keep_session(self, session: Any) -> tuple[Action, ...]:
        if session is None:
            return ()
        size = len(json.dumps(session, ensure_ascii=False, separators=(",", ":")).encode())
        if size > MAX_SESSION_BYTES:
            log.warning("session not kept", bot=self._backend.name, call_id=self._call_id, bytes=size)
            return (Record(kind="event", data={"event": "session not kept", "bytes": size}),)
        self._session = session
        return ()

    def _next_name(self) -> str:
        self._answers += 1
        return f"a{self._answers}"
