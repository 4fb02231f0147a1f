"""One call with a Rasa assistant: what the caller says is posted, and what comes back, by whichever way, is spoken."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from gateway.actions import Action, ActionBatch, Listen, Record, Say
from gateway.backends.rasa.compose import Composer
from gateway.backends.rasa.protocol import (
    Lines,
    Response,
    call_metadata,
    events_url,
    input_metadata,
    message_body,
    parse_answer,
    request_headers,
    slot_events,
    webhook_url,
)
from gateway.backends.rasa.settings import RasaBotSection
from gateway.caller_events import (
    CallEnded,
    CallerEvent,
    CallStarted,
    NoInput,
    TransferResult,
    UserChoice,
    UserDigits,
    UserText,
)
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import CallInfo
from gateway.kit.http import (
    HttpAnswer,
    HttpClient,
    RetryPolicy,
    Sleep,
    Timeouts,
    check_status,
    never_sent,
    status_error,
)
from gateway.kit.jsonbody import JsonRefused
from gateway.kit.outbox import Outbox

POLICY = RetryPolicy(delays=(1.0,), statuses=frozenset({429, 503}))
"""A message that may have been processed is not sent again: the bot would answer it twice, from another state."""
KEPT_MENUS = 8  # the caller may still choose from one that a later answer has not replaced
T = TypeVar("T")

log = structlog.get_logger()


class RasaChat:
    """One call. `send` lasts as long as the answer does."""

    def __init__(self, name: str, settings: RasaBotSection, http: HttpClient, call: CallInfo, sleep: Sleep) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._call = call
        self._sleep = sleep
        self._metadata = call_metadata(call)
        self._outbox = Outbox()
        self._names = itertools.count(1)
        self._menus: dict[str, dict[str, str]] = {}  # payloads by menu and option
        self._awaited: tuple[int | None, Composer] | None = None  # the turn whose callbacks come, and what they say
        self._is_unsure = False  # callbacks of a turn that was given up may still come

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    def close(self) -> None:
        self._outbox.close()

    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError when the bot cannot be had; what it is not told of is passed over."""
        match event:
            case CallStarted(turn=turn):
                await self._start(turn)
            case UserText(turn=turn, text=text) | UserDigits(turn=turn, digits=text):
                await self._ask(turn, text, event)
            case UserChoice(turn=turn, menu_id=menu, option_id=option, label=label):
                await self._ask(turn, self._menus.get(menu, {}).get(option, label), event)
            case NoInput(turn=turn, exhausted=exhausted) if exhausted or self._settings.every_silence:
                await self._ask(turn, self._settings.no_input_message, event)
            case TransferResult(turn=turn, ok=False) if self._settings.transfer_failed_message:
                await self._ask(turn, self._settings.transfer_failed_message, event)
            case CallEnded() if self._settings.end_message:
                await self._post(self._settings.end_message, event)
            case _:
                pass  # Rasa has no word for it

    # --- out -------------------------------------------------------------------------------------------------------
    async def _start(self, turn: int) -> None:
        before = [Say(text=self._settings.greeting)] if self._settings.greeting else []
        actions: list[Action] = [*await self._set_slots(), *before]
        if actions:
            self._put(turn, actions, done=False)
        await self._ask(turn, self._settings.start_message, CallStarted(turn=turn))

    async def _set_slots(self) -> list[Action]:
        """A bot that does not know its slots can still talk, so a refusal is noted and the call goes on."""
        if not self._settings.slots:
            return []
        body, url = slot_events(self._settings, self._call), events_url(self._settings, self._call.call_id)
        try:
            await self._with_second_try(lambda: self._request("slots", url, body))
        except VendorError as error:
            log.warning("slots not set", bot=self._name, call_id=self._call.call_id, reason=error.reason)
            return [Record(kind="event", data={"slots_not_set": error.reason})]
        return []

    async def _ask(self, turn: int, message: str, event: CallerEvent) -> None:
        """Send a message and say what comes back. Nothing to send is an empty answer; to a silence that the bot is not
        told of it is that the line stays open, until the number's idle limit."""
        if not message:
            is_silence = isinstance(event, NoInput)
            self._put(turn, [Listen(no_input_retries=0, on_exhausted="idle")] if is_silence else [])
        elif self._settings.channel == "callback":
            await self._by_callback(turn, message, event)
        elif self._settings.stream:
            await self._with_second_try(lambda: self._streamed(turn, message, event))
        else:
            answer = await self._post(message, event)
            self._say(turn, self._composer(event), self._understood(partial(parse_answer, answer.body)))

    async def _post(self, message: str, event: CallerEvent) -> HttpAnswer:
        body, url = self._body(message, event), webhook_url(self._settings)
        return await self._with_second_try(lambda: self._request("message", url, body))

    def _body(self, message: str, event: CallerEvent) -> dict[str, Any]:
        metadata = {**self._metadata, **input_metadata(event)} if self._settings.send_metadata else {}
        return message_body(self._call.call_id, message, metadata)

    async def _request(self, operation: str, url: str, body: Any) -> HttpAnswer:
        answer = await self._http.request(
            self._name,
            "POST",
            url,
            operation=operation,
            json=body,
            headers=request_headers(self._settings),
            timeout=self._timeouts(),
        )
        check_status(answer, vendor=self._name, operation=operation)
        return answer

    def _timeouts(self) -> Timeouts:
        return Timeouts(connect=self._settings.connect_timeout, total=self._settings.timeout)

    async def _with_second_try(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Once more, where the bot cannot have seen the first attempt."""
        try:
            return await attempt()
        except VendorUnavailable as error:
            delay = POLICY.delay(error, 0) if error.status is not None or never_sent(error) else None
            if delay is None:
                raise
        await self._sleep(delay)
        return await attempt()

    # --- in --------------------------------------------------------------------------------------------------------
    async def _streamed(self, turn: int, message: str, event: CallerEvent) -> None:
        """Each response as it comes; menus and leaving wait for the last one."""
        composer, lines, name = self._composer(event), Lines(), self._name
        streaming = self._http.stream(
            name,
            "POST",
            webhook_url(self._settings),
            operation="message",
            json=self._body(message, event),
            headers={**request_headers(self._settings), "Accept": "*/*"},
            timeout=self._timeouts(),
        )
        async with streaming as answer:
            refused = status_error(answer.status, vendor=name, operation="message", headers=answer.headers)
            if refused is not None:
                raise refused
            async for piece in answer.pieces:
                for response in self._understood(partial(lines.feed, piece)):
                    self._put(turn, composer.take(response), done=False)
        self._say(turn, composer, self._understood(lines.end))

    async def _by_callback(self, turn: int, message: str, event: CallerEvent) -> None:
        """Rasa answers the POST when it has sent every callback, so what comes meanwhile belongs to this turn, unless
        an earlier one was given up on the way: whose it is cannot be told then, and nothing shall be lost."""
        composer = self._composer(event)
        self._awaited = (None if self._is_unsure else turn, composer)
        self._is_unsure = True
        try:
            await self._post(message, event)
        finally:
            self._awaited = None
        self._is_unsure = False
        self._say(turn, composer, [])

    def take(self, responses: list[Response]) -> None:
        """Responses that came by callback, asked for or not. Raises RemoteProtocolError when they are too many."""
        if self._awaited is None:
            self._say(None, self._composer(), responses)
            return
        turn, composer = self._awaited
        for response in responses:
            self._put(turn, composer.take(response), done=False)

    def _understood(self, read: Callable[[], list[Response]]) -> list[Response]:
        try:
            return read()
        except JsonRefused as refused:
            raise VendorReplyInvalid(refused.reason, vendor=self._name, operation="message") from refused

    def _composer(self, event: CallerEvent | None = None) -> Composer:
        silenced = isinstance(event, NoInput) and event.exhausted
        return Composer(self._settings, f"a{next(self._names)}", silenced=silenced)

    def _say(self, turn: int | None, composer: Composer, responses: list[Response]) -> None:
        """The rest of an answer, and its end."""
        actions = [action for response in responses for action in composer.take(response)]
        last, payloads = composer.close()
        if payloads:
            self._menus[composer.name] = payloads
            while len(self._menus) > KEPT_MENUS:
                del self._menus[next(iter(self._menus))]
        self._put(turn, [*actions, *last])

    def _put(self, turn: int | None, actions: Sequence[Action], *, done: bool = True) -> None:
        if actions or done:
            self._outbox.put(ActionBatch(actions=tuple(actions), turn=turn, turn_done=done))
