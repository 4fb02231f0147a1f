"""A language model in a call: what it writes is spoken as it comes, what the caller cut off it has not said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog

from gateway.actions import Action, ActionBatch, Record, Say
from gateway.backends.openai.answers import Answer, ToolCall, error_of
from gateway.backends.openai.history import TELEPHONE_RULES, History
from gateway.backends.openai.settings import HttpTool, OpenAiBotSection
from gateway.backends.openai.sse import EventReader, EventTooLong
from gateway.backends.openai.tools import DONE, ToolMisused, actions_of, ends_turn, offered
from gateway.caller_events import (
    CallerEvent,
    CallStarted,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserChoice,
    UserDigits,
    UserText,
)
from gateway.errors import RemoteProtocolError, VendorError, VendorReplyInvalid
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, Problem
from gateway.kit.closing import closing
from gateway.kit.http import HttpClient, HttpStream, RetryPolicy, Sleep, Timeouts, status_error, with_retries
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.kit.outbox import Outbox
from gateway.routes import Webhook

MAX_ROUNDS = 5  # of tools in one turn
MAX_ANSWER_BYTES = 4 << 20  # as it comes, with everything around the words
MAX_TOOL_RESULT = 16 * 1024  # characters
RETRIES = RetryPolicy(delays=(0.5,))

log = structlog.get_logger()


class OpenAiBackend:
    """One configured model."""

    Section = OpenAiBotSection
    capabilities = BackendCapabilities(greets_first=True, transfer_feedback=True)
    routes: Sequence[Webhook] = ()

    def __init__(
        self, name: str, settings: OpenAiBotSection, http: HttpClient, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.name = name
        self.settings = settings
        self.http = http
        self.sleep = sleep

    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[OpenAiChat]:
        """Nothing is claimed: a model never calls back."""
        return self._chat(call)

    @asynccontextmanager
    async def _chat(self, call: CallInfo) -> AsyncIterator[OpenAiChat]:
        chat = OpenAiChat(self, call)
        try:
            yield chat
        finally:
            chat.close()

    async def check(self) -> list[Problem]:
        found = []
        if self.settings.api_key is not None and self.settings.url.startswith("http://"):
            found.append(Problem(severity="warning", text="the key travels unencrypted", field="url"))
        if "transfer_call" in self.settings.tools and "transfers" in self.settings.model_fields_set:
            return found if self.settings.transfers else [*found, _no_targets()]
        return found


def _no_targets() -> Problem:
    return Problem(severity="warning", text="is empty: the model can put nobody through", field="transfers")


class OpenAiChat:
    """One call."""

    def __init__(self, backend: OpenAiBackend, call: CallInfo) -> None:
        self._backend = backend
        self._settings = backend.settings
        self._call_id = call.call_id
        rules = f"\n\n{TELEPHONE_RULES}" if backend.settings.telephone_rules else ""
        language = f"\n\nThe caller is expected to speak {call.language}." if call.language else ""
        self._history = History(f"{backend.settings.instructions}{rules}{language}", backend.settings.history)
        self._outbox = Outbox()

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    def close(self) -> None:
        self._outbox.close()

    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError when the model cannot be had."""
        match event:
            case CallStarted(turn=turn) if self._settings.greeting is not None:
                self._history.assistant(self._settings.greeting, turn)
                self._put(turn, (Say(text=self._settings.greeting),), is_last=True)
            case CallStarted(turn=turn):
                self._history.note("The call begins. Greet the caller.", turn)
                await self._turn(turn)
            case (
                UserText(turn=turn, text=text) | UserChoice(turn=turn, label=text) | UserDigits(turn=turn, digits=text)
            ):
                self._history.user(text, turn)
                await self._turn(turn)
            case NoInput(turn=turn, exhausted=True):
                self._history.user(self._settings.no_input_text, turn)
                await self._turn(turn)
            case TransferResult(turn=turn, ok=False, cause=cause):
                self._history.note(f"The caller could not be put through ({cause or 'failed'}), and is back.", turn)
                await self._turn(turn)
            case PlaybackDone(turn=turn, complete=False, heard_text=heard):
                self._history.heard(turn, heard)
            case _:
                pass  # a model has no word for it

    async def _turn(self, turn: int) -> None:
        """Let the model write, call its tools, and write again."""
        for _ in range(MAX_ROUNDS):
            answer = await with_retries(lambda: self._round(turn), RETRIES, self._backend.sleep)
            calls = answer.tools
            if not calls:
                break
            results = [await self._use(call, turn) for call in calls]
            if any(results):
                break
        self._put(turn, (Say(text="", format="markdown"),), is_last=True)

    async def _round(self, turn: int) -> Answer:
        """One completion, spoken as it comes.

        Raises:
            VendorError: retryable only while nothing was said.
        """
        answer = Answer()
        message: dict[str, Any] | None = None
        try:
            async with closing(self._words(answer)) as written:
                async for words in written:
                    if words:
                        message = message or self._history.assistant("", turn)
                        message["content"] += words
                        self._put(turn, (Say(text=words, format="markdown", more=True),))
        except VendorError as error:
            if message is None:
                raise
            log.warning("answer broke off", bot=self._backend.name, call_id=self._call_id, reason=str(error))
            self._put(turn, (Record(kind="event", data={"event": "answer broke off", "reason": error.reason}),))
        if message is None and not answer.tools:
            raise self._invalid(answer.refused or f"nothing was written ({answer.finish or 'no reason given'})")
        if answer.tools:
            self._keep_calls(answer, message, turn)
        return answer

    def _keep_calls(self, answer: Answer, message: dict[str, Any] | None, turn: int) -> None:
        made = self._history.assistant("", turn) if message is None else message
        made["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.tools
        ]

    async def _words(self, answer: Answer) -> AsyncIterator[str]:
        async with self._backend.http.stream(
            self._backend.name,
            "POST",
            f"{self._settings.url}/chat/completions",
            operation="completion",
            json=self._body(),
            headers=self._headers(),
            timeout=Timeouts(connect=self._settings.connect_timeout, total=self._settings.timeout),
            max_bytes=MAX_ANSWER_BYTES,
        ) as stream:
            try:
                async for words in self._read(stream, answer):
                    yield words
            except (RemoteProtocolError, EventTooLong) as error:
                raise self._invalid(str(error)) from error

    async def _read(self, stream: HttpStream, answer: Answer) -> AsyncIterator[str]:
        is_stream = "event-stream" in stream.headers.get("content-type", "").lower()
        if not 200 <= stream.status < 300 or not is_stream:
            body = b"".join([piece async for piece in stream.pieces])
            self._check(stream, body)
            yield answer.whole(body)
            return
        events = EventReader()
        async for piece in stream.pieces:
            for data in events.feed(piece):
                if not answer.is_over:
                    yield answer.feed(data)
        for data in events.close():
            if not answer.is_over:
                yield answer.feed(data)
        if not answer.is_over:
            yield answer.close()

    def _check(self, stream: HttpStream, body: bytes) -> None:
        name = self._backend.name
        error = status_error(stream.status, vendor=name, operation="completion", headers=stream.headers)
        if error is None:
            return
        try:
            said = error_of(parse_json(body))
        except JsonRefused:
            said = ""
        log.warning("model refused", bot=name, call_id=self._call_id, status=stream.status, said=said)
        raise error

    def _body(self) -> dict[str, Any]:
        settings = self._settings
        body: dict[str, Any] = {**settings.options, "model": settings.model, "messages": self._history.messages()}
        body["stream"] = settings.stream
        tools = offered(settings)
        extras = {"tools": tools or None, "temperature": settings.temperature, "max_tokens": settings.max_tokens}
        return {**body, **{name: value for name, value in extras.items() if value is not None}}

    def _headers(self) -> dict[str, str]:
        headers = {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        if self._settings.api_key is not None:
            headers["authorization"] = f"Bearer {self._settings.api_key.get_secret_value()}"
        return headers

    # --- tools -----------------------------------------------------------------------------------------------------
    async def _use(self, call: ToolCall, turn: int) -> bool:
        """Call a tool; returns whether the caller is next."""
        tool = self._settings.http_tools.get(call.name)
        if tool is not None:
            self._history.tool(call, await self._ask(call, tool), turn)
            return False
        try:
            actions = actions_of(call, self._settings)
        except ToolMisused as error:
            self._history.tool(call, f"error: {error}", turn)
            return False
        self._history.tool(call, DONE, turn)
        self._put(turn, (Say(text="", format="markdown"), *actions))
        return ends_turn(call)

    async def _ask(self, call: ToolCall, tool: HttpTool) -> str:
        """A tool of the operator's: what the model reads of its answer. Its trouble is the model's to explain."""
        try:
            answer = await self._backend.http.request(
                self._backend.name,
                "POST",
                tool.url,
                operation=f"tool {call.name}",
                json=call.values(),
                headers={name: value.get_secret_value() for name, value in tool.headers.items()},
                timeout=Timeouts(total=tool.timeout),
            )
        except JsonRefused as error:
            return f"error: the arguments cannot be read: {error.reason}"
        except VendorError as error:
            log.warning("tool failed", bot=self._backend.name, call_id=self._call_id, tool=call.name, reason=str(error))
            return "error: the tool cannot be reached"
        if not 200 <= answer.status < 300:
            return json.dumps({"error": f"status {answer.status}", "body": _cut(answer.body, 1000)})
        return _cut(answer.body, MAX_TOOL_RESULT) or DONE

    def _put(self, turn: int, actions: tuple[Action, ...], *, is_last: bool = False) -> None:
        self._outbox.put(ActionBatch(actions=actions, turn=turn, turn_done=is_last))

    def _invalid(self, reason: str) -> VendorReplyInvalid:
        return VendorReplyInvalid(reason, vendor=self._backend.name, operation="completion")


def _cut(body: bytes, limit: int) -> str:
    return body.decode("utf-8", "replace")[:limit]
