"""The line to the bot: one event at a time goes out, batches of actions come in. Errors become `BotFailed`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from gateway.call.alarm import Alarm
from gateway.call.guard import Helpers, plug_in
from gateway.caller_events import CallEnded, CallerEvent, PlaybackDone, TransferResult
from gateway.errors import GatewayError
from gateway.events import BotFailed, BotReplied, CallEvent, CallInfo
from gateway.interfaces import Backend, Chat
from gateway.kit.closing import closing
from gateway.kit.http import failure_kind

log = structlog.get_logger()

FAREWELL = 5.0
"""Seconds for what is left to be said to the bot once the call is over."""
MAX_WAITING = 64
"""Events that wait while one is being sent. More means that the bot takes nothing any more: it counts as gone."""
_REPORTS = (PlaybackDone, TransferResult)
"""Events that tell what has happened; an abandoned turn, or the end of the call, does not make them untrue."""


def bot_failed(turn: int | None, error: GatewayError) -> BotFailed:
    """The event that an error of a chat adapter becomes."""
    return BotFailed(turn=turn, kind=failure_kind(error), detail=str(error))


class BotLine:
    """Sends caller events to a chat, in order, and takes its batches.

    Args:
        post: Takes `BotReplied` and `BotFailed`.
    """

    def __init__(self, post: Callable[[CallEvent], None]) -> None:
        self._post = post
        self._chat: Chat | None = None
        self._context: AbstractAsyncContextManager[Chat] | None = None
        self._waiting: deque[CallerEvent] = deque()
        self._farewell: CallEnded | None = None
        self._last_turn: int | None = None
        self._running: CallerEvent | None = None
        self._task: asyncio.Task[None] | None = None
        self._alarm = Alarm()

    async def open(self, backend: Backend, call: CallInfo, claim: Callable[[str], None]) -> None:
        """Open the chat; a bot that refuses is a bot that is gone."""
        try:
            with plug_in("bot"):
                self._context = backend.open_chat(call, claim)
                self._chat = await self._context.__aenter__()
        except GatewayError as error:
            self._context = None
            self._post(bot_failed(None, error))

    def start(self, helpers: Helpers) -> None:
        if self._chat is None:
            return
        self._helpers = helpers
        helpers.keep("bot", self._send_all(self._chat), lambda error: bot_failed(None, error))
        helpers.keep("bot actions", self._take_all(self._chat), lambda error: bot_failed(None, error))

    def send(self, event: CallerEvent) -> None:
        """Queue an event. `CallEnded` is kept for `close`."""
        if self._chat is None:
            return
        if isinstance(event, CallEnded):
            self._farewell = event
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(event)
            self._alarm.ring()
        else:
            log.warning("bot takes no events")
            self._post(BotFailed(turn=None, detail="takes no events"))

    def abandon(self, turn: int) -> None:
        """Cancel what is being sent for this turn or an earlier one, and drop what waits for it."""
        self._waiting = deque(event for event in self._waiting if event.turn > turn or isinstance(event, _REPORTS))
        running = self._running
        if running is None or self._task is None:
            return
        if running.turn < turn or (running.turn == turn and not isinstance(running, _REPORTS)):
            self._task.cancel()

    async def close(self) -> None:
        """Say goodbye, once, after what the bot is still owed. To be called when the helpers have ended."""
        if self._chat is None or self._context is None:
            return
        try:
            async with asyncio.timeout(FAREWELL):
                with plug_in("bot"):
                    await self._say_goodbye(self._chat)
        except (GatewayError, TimeoutError) as error:
            log.warning("bot missed the end of the call", error=str(error) or "timeout")
        try:
            async with asyncio.timeout(FAREWELL):
                with plug_in("bot"):
                    await self._context.__aexit__(None, None, None)
        except (GatewayError, TimeoutError) as error:
            log.warning("chat was not closed", error=str(error) or "timeout")

    async def _say_goodbye(self, chat: Chat) -> None:
        if self._last_turn is None:
            return  # it has not even heard that there is a call
        for event in self._waiting:
            if isinstance(event, _REPORTS):
                await chat.send(event)
        await chat.send(self._farewell or CallEnded(turn=self._last_turn, by="gateway", cause="internal_error"))

    async def _send_all(self, chat: Chat) -> None:
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                self._running = event
                self._last_turn = event.turn
                self._task = self._helpers.once("send to bot", self._send(chat, event))
                await asyncio.wait([self._task])
                self._running = self._task = None
            await self._alarm.wait(None)

    async def _send(self, chat: Chat, event: CallerEvent) -> None:
        try:
            with plug_in("bot"):
                await chat.send(event)
        except GatewayError as error:
            self._post(bot_failed(event.turn, error))

    async def _take_all(self, chat: Chat) -> None:
        with plug_in("bot"):
            async with closing(chat.actions()) as batches:
                async for batch in batches:
                    self._post(BotReplied(batch=batch))
        self._post(BotFailed(turn=None, detail="the bot has left"))
        await asyncio.get_running_loop().create_future()  # the call may go on without it
