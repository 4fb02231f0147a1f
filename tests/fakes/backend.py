"""A bot that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.actions import Action, ActionBatch, Say
from gateway.caller_events import CallEnded, CallerEvent, PlaybackDone
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, Problem
from gateway.routes import Webhook

Step = Sequence[Action] | str | Exception | float
"""Actions of the answer; a text to say; an error to raise; or seconds to think before the next step counts."""


@dataclass(slots=True)
class ScriptedBackend:
    """Answers the n-th turn with the n-th step; says nothing when the script is over.

    Attributes:
        script: See `Step`.
        received: Everything the chats were sent, in order.
        cancelled: What was being sent when it was cancelled.
    """

    script: Sequence[Step] = ()
    capabilities: BackendCapabilities = field(default_factory=BackendCapabilities)
    refuses: Exception | None = None
    routes: Sequence[Webhook] = ()
    received: list[CallerEvent] = field(default_factory=list)
    cancelled: list[CallerEvent] = field(default_factory=list)
    chats: list[ScriptedChat] = field(default_factory=list)
    calls: list[CallInfo] = field(default_factory=list)

    @asynccontextmanager
    async def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[ScriptedChat]:
        if self.refuses is not None:
            raise self.refuses
        self.calls.append(call)
        claim(f"key-of-{call.call_id}")
        chat = ScriptedChat(self)
        self.chats.append(chat)
        yield chat
        chat.closed = True

    async def check(self) -> list[Problem]:
        return []


class ScriptedChat:
    """One call's chat; the test may `push` batches unasked, `leave`, or `break_with` an error."""

    def __init__(self, backend: ScriptedBackend) -> None:
        self._backend = backend
        self._steps = list(backend.script)
        self._batches: asyncio.Queue[ActionBatch | Exception | None] = asyncio.Queue()
        self.closed = False

    async def send(self, event: CallerEvent) -> None:
        self._backend.received.append(event)
        if isinstance(event, PlaybackDone | CallEnded):
            return
        try:
            if self._steps and isinstance(self._steps[0], float):
                await asyncio.sleep(self._steps.pop(0))  # type: ignore[arg-type]  # by the test before it
        except asyncio.CancelledError:
            self._backend.cancelled.append(event)
            raise
        if not self._steps:
            return
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        actions = (Say(text=step),) if isinstance(step, str) else tuple(step)  # type: ignore[arg-type]  # by the test before it
        self.push(ActionBatch(actions=actions, turn=event.turn))

    async def actions(self) -> AsyncIterator[ActionBatch]:
        while (item := await self._batches.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def push(self, batch: ActionBatch) -> None:
        self._batches.put_nowait(batch)

    def leave(self) -> None:
        self._batches.put_nowait(None)

    def break_with(self, error: Exception) -> None:
        self._batches.put_nowait(error)
