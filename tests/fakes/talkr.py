"""A call's chat with a TALKR bot whose answers are written down beforehand, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.actions import Action, ActionBatch, Listen
from gateway.backends.talkr.client import TalkrBackend, TalkrChat
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.caller_events import CallerEvent, CallStarted, UserText
from gateway.events import CallInfo
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabServer
from tests.fakes.chatting import answering, of

CALL = CallInfo(call_id="call-1", caller="+33612345678", called="+33123456789", number="+33123456789", line="pbx")
VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/talkr/vectors.json").read_text())


def response(**data: Any) -> dict[str, Any]:
    """The vendor document's answer (vector G3), with these keys of ``data`` changed; None removes one."""
    changed = {**VECTORS["response"]["data"], **data}
    return {**VECTORS["response"], "data": {key: value for key, value in changed.items() if value is not None}}


def telephony(**data: Any) -> dict[str, Any]:
    return response(**{**VECTORS["telephony_extra"], **data})


@dataclass
class TalkrCall:
    """One call: what was sent to the bot, what came of it, and how long was waited in between."""

    chat: TalkrChat
    server: LabServer
    waits: list[float]
    batches: AsyncIterator[ActionBatch] = field(init=False)
    turn: int = 0

    def __post_init__(self) -> None:
        self.batches = self.chat.actions()

    async def start(self) -> ActionBatch:
        return await self.send(CallStarted())

    async def say(self, text: str, **fields: Any) -> ActionBatch:
        self.turn += 1
        return await self.send(UserText(turn=self.turn, text=text, **fields))

    async def send(self, event: CallerEvent) -> ActionBatch:
        await self.chat.send(event)
        return await anext(self.batches)

    @property
    def bodies(self) -> list[Any]:
        return [request.json() for request in self.server.requests]


@asynccontextmanager
async def talkr_call(*answers: dict[str, Any] | LabReply, **settings: Any) -> AsyncIterator[TalkrCall]:
    """A call to a bot that gives these answers, one per request; a request too many gets a 599."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with LabServer(answering(answers, LabReply(status=599))) as server, HttpClient() as http:
        url = {"url": server.url + "/bot/{company}/{bot_id}/{channel}", "company": "acme", "bot_id": 42}
        backend = TalkrBackend("reception", TalkrBotSection(**{**url, **settings}), http, sleep=sleep)
        async with backend.open_chat(CALL, lambda key: None) as chat:
            yield TalkrCall(chat, server, waits)


def listening(actions: ActionBatch | tuple[Action, ...]) -> Listen:
    (listen,) = of(Listen, actions)
    return listen
