"""A TALKR bot over HTTP: one POST per turn, the vendor's retries, and a new session when the old one has expired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import structlog

from gateway.actions import Action, ActionBatch, Listen
from gateway.backends.talkr.protocol import (
    State,
    adopt,
    call_variables,
    init_body,
    interpret,
    is_session_lost,
    prompt_heard,
    silence_is_news,
    turn_body,
)
from gateway.backends.talkr.reply import Reply, parse_reply
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.backends.talkr.speech import region_table
from gateway.caller_events import CallerEvent, CallStarted, NoInput, PlaybackDone, UserChoice, UserDigits, UserText
from gateway.errors import RemoteProtocolError, VendorRejected, VendorReplyInvalid
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, Problem
from gateway.kit.http import HttpClient, RetryPolicy, Sleep, Timeouts, check_status, status_error, with_retries
from gateway.kit.outbox import Outbox
from gateway.routes import Webhook

MAX_RENEWALS = 3  # new sessions in one call; a bot that loses more of them has another problem
SESSION_LOST = (400, 404)  # how an expired session shows is not documented; these on a call that carried one

log = structlog.get_logger()


class TalkrBackend:
    """One configured TALKR bot."""

    Section = TalkrBotSection
    capabilities = BackendCapabilities(greets_first=True)
    routes: Sequence[Webhook] = ()

    def __init__(self, name: str, settings: TalkrBotSection, http: HttpClient, *, sleep: Sleep = asyncio.sleep) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._sleep = sleep

    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[TalkrChat]:
        """One call is one session. Nothing is claimed: TALKR never calls back."""
        return self._chat(call)

    @asynccontextmanager
    async def _chat(self, call: CallInfo) -> AsyncIterator[TalkrChat]:
        chat = TalkrChat(self._name, self._settings, self._http, call, self._sleep)
        try:
            yield chat
        finally:
            chat.close()

    async def check(self) -> list[Problem]:
        found = []
        url = urlsplit(self._settings.url)
        if self._settings.bearer_token is not None and url.scheme == "http":
            found.append(Problem(severity="warning", text="the bearer token travels unencrypted", field="url"))
        if self._settings.channel == "web":
            text = "the web channel brings no speech settings and no rules for silence"
            found.append(Problem(severity="warning", text=text, field="channel"))
        return found


class TalkrChat:
    """One call's conversation with the bot. `send` lasts as long as the answer does."""

    def __init__(self, name: str, settings: TalkrBotSection, http: HttpClient, call: CallInfo, sleep: Sleep) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._call = call
        self._sleep = sleep
        self._state = State(regions=region_table(settings.regions, call.language))
        self._renewals = 0
        self._outbox = Outbox()
        self._policy = RetryPolicy(delays=settings.retry_delays)

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    def close(self) -> None:
        self._outbox.close()

    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError when the bot cannot be had; what is not a turn to TALKR is ignored."""
        match event:
            case CallStarted(turn=turn):
                self._answer(turn, await self._post("init", init_body()))
            case (
                UserText(turn=turn, text=text) | UserChoice(turn=turn, label=text) | UserDigits(turn=turn, digits=text)
            ):
                await self._turn(turn, text, event)
            case NoInput(turn=turn, exhausted=True):
                await self._silence(turn)
            case PlaybackDone(heard_text=heard):
                self._state = prompt_heard(self._state, heard, self._settings)
            case _:
                pass  # TALKR has no word for it

    async def _silence(self, turn: int) -> None:
        """Tell the bot once per block; otherwise the line stays open until the number's idle limit."""
        if not silence_is_news(self._state, self._settings):
            self._put(turn, (Listen(no_input_retries=0, on_exhausted="idle"),))
            return
        self._state = replace(self._state, told=self._state.block)
        await self._turn(turn, self._settings.no_input_text, None)

    async def _turn(self, turn: int, text: str, event: UserText | UserChoice | UserDigits | None) -> None:
        """Post what the caller said; once per turn, in a new session if the bot has lost the old one."""
        variables = call_variables(self._call, event) if self._settings.send_call_variables else {}
        page = self._settings.page(self._call)

        async def post() -> Reply:
            return await self._post("turn", turn_body(self._state, text, variables, page))

        settings: tuple[Action, ...] = ()
        reply = await self._unless_lost(post) if self._state.session else None
        if reply is None:
            settings = await self._renew()
            reply = await post()
        self._answer(turn, reply, settings)

    async def _unless_lost(self, post: Callable[[], Any]) -> Reply | None:
        """The answer; None when it says that the session has expired and another may be had."""
        may_renew = self._renewals < MAX_RENEWALS
        try:
            reply: Reply = await post()
        except VendorRejected as error:
            if error.status in SESSION_LOST and may_renew:
                return None
            raise
        return None if is_session_lost(reply) and may_renew else reply

    async def _renew(self) -> tuple[Action, ...]:
        self._renewals += 1
        log.info("session renewed", bot=self._name, call_id=self._call.call_id, renewals=self._renewals)
        welcome = await self._post("init", init_body())
        self._state, settings = adopt(welcome, self._state)
        return settings

    def _answer(self, turn: int, reply: Reply, settings: tuple[Action, ...] = ()) -> None:
        if reply.error:
            log.warning("bot reported an error", bot=self._name, call_id=self._call.call_id, turn=turn)
        self._state, actions = interpret(reply, self._state, self._settings, turn)
        self._put(turn, (*settings, *actions))

    def _put(self, turn: int, actions: tuple[Action, ...]) -> None:
        self._outbox.put(ActionBatch(actions=actions, turn=turn, turn_done=True))

    async def _post(self, operation: str, body: dict[str, Any]) -> Reply:
        try:
            return await with_retries(lambda: self._attempt(operation, body), self._policy, self._sleep)
        except VendorRejected as error:
            if error.status == 404 and not body:
                log.error("bot not found: check company and bot_id", bot=self._name, call_id=self._call.call_id)
            raise

    async def _attempt(self, operation: str, body: dict[str, Any]) -> Reply:
        """One request. An answer that is no JSON object counts as a server error, a ``code`` in it as that status."""
        settings = self._settings
        answer = await self._http.request(
            self._name,
            "POST",
            settings.endpoint(),
            operation=operation,
            json=body,
            headers=settings.request_headers(),
            timeout=Timeouts(connect=settings.connect_timeout, total=settings.timeout),
        )
        check_status(answer, vendor=self._name, operation=operation)
        try:
            reply = parse_reply(answer.body)
        except RemoteProtocolError as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation=operation, retryable=True) from error
        if reply.code is not None:
            refusal = status_error(reply.code, vendor=self._name, operation=operation, headers=answer.headers)
            if refusal is not None:
                raise refusal
        return reply
