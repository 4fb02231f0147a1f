"""One call's chat with a platform whose answers are written down beforehand: what the vendors' own rigs share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.actions import Action, ActionBatch, Say
from gateway.caller_events import CallerEvent, UserText
from gateway.interfaces import Chat
from gateway.lab.server import LabReply, LabRequest, json_reply

A = TypeVar("A")
PATIENCE = 60.0


def answering(answers: Iterable[Any], then: Any) -> Callable[[LabRequest], Awaitable[LabReply]]:
    """A platform that gives these answers, one per request, and ``then`` for ever; a value is sent as JSON."""
    left = list(answers)

    async def handle(request: LabRequest) -> LabReply:
        answer = left.pop(0) if left else then
        return answer if isinstance(answer, LabReply) else json_reply(answer)

    return handle


def of(kind: type[A], said: ActionBatch | Sequence[Action]) -> list[A]:
    """The actions of one type."""
    actions = said.actions if isinstance(said, ActionBatch) else said
    return [action for action in actions if isinstance(action, kind)]


def spoken(*said: ActionBatch | Sequence[Action]) -> list[str]:
    """The words of what is said."""
    return [say.text for each in said for say in of(Say, each)]


@dataclass(kw_only=True)
class Chatting:
    """A caller's side of one chat."""

    chat: Chat
    batches: AsyncIterator[ActionBatch] = field(init=False)
    turn: int = 0

    def __post_init__(self) -> None:
        self.batches = self.chat.actions()

    async def send(self, event: CallerEvent) -> None:
        await self.chat.send(event)

    async def say(self, text: str, **fields: Any) -> None:
        self.turn += 1
        await self.send(UserText(turn=self.turn, text=text, **fields))

    async def next(self) -> tuple[Action, ...]:
        async with asyncio.timeout(PATIENCE):
            return (await anext(self.batches)).actions

    async def until(self, kind: type[A]) -> A:
        """The next action of a type; what comes before it is passed over."""
        while not (found := of(kind, await self.next())):
            pass
        return found[0]
