"""Calls with a Chatlayer bot over real sockets: a chat alone with its webhook, or an office with the lab behind it."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.actions import ActionBatch, Menu
from gateway.backends.chatlayer.chat import ChatlayerChat
from gateway.backends.chatlayer.client import ChatlayerBackend
from gateway.backends.chatlayer.platform import Platform
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.caller_events import CallerEvent
from gateway.events import CallInfo
from gateway.http.port import build_listener
from gateway.kit.closing import closing
from gateway.kit.http import HttpClient
from gateway.lab.chatlayer import ACCESS_TOKEN, BOT_ID, VERIFY_TOKEN, LabChatlayer
from gateway.lab.chatlayer_bot import TOPICS
from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.chatting import answering, of
from tests.fakes.office import Office, open_office
from tests.fakes.shared_port import served

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/chatlayer/vectors.json").read_text())
SENDER = VECTORS["user_text_request"]["sender"]["id"]
CALL = CallInfo(
    call_id="call-1", caller="+33612345678", called="+33123456789", number="+33123456789", line="pbx", language="fr-FR"
)
PATH = "/in/chatlayer/reception"
RECEIVED = LabReply(body=VECTORS["webhook_message_response_text"].encode(), headers={"content-type": "text/plain"})


def shown(place: int) -> dict[str, Any]:
    """A message of the vendor's history example: buttons, quick reply, generic, image, text."""
    found: dict[str, Any] = VECTORS["history_response"]["rows"][place]["message"]
    return found


# --- one chat ------------------------------------------------------------------------------------------------------
@dataclass
class ChatRig:
    """One call of one bot, its webhook on a real port, and a platform that answers what it is told to."""

    backend: ChatlayerBackend
    chat: ChatlayerChat
    platform: LabServer
    webhook: str
    http: httpx.AsyncClient
    account: Platform
    waits: list[float]
    claimed: list[str]

    async def send(self, event: CallerEvent) -> None:
        async with asyncio.timeout(60):
            await self.chat.send(event)

    async def next(self, within: float = 5.0) -> ActionBatch:
        async with asyncio.timeout(within), closing(self.chat.actions()) as batches:
            return await anext(batches)

    async def taken(self) -> list[ActionBatch]:
        """Everything that is there now."""
        found: list[ActionBatch] = []
        while True:
            try:
                found.append(await self.next(within=0.001))
            except TimeoutError:
                return found

    async def deliver(self, body: Any, **changes: Any) -> httpx.Response:
        """A message of the bot, as the platform posts it; a dictionary gets what every delivery has."""
        if isinstance(body, bytes):
            return await self.http.post(self.webhook, content=body)
        full = {"senderId": self.chat.sender, "verifyToken": VERIFY_TOKEN, **body, **changes}
        return await self.http.post(self.webhook, json={key: item for key, item in full.items() if item is not None})

    @property
    def requests(self) -> list[LabRequest]:
        return list(self.platform.requests)

    @property
    def bodies(self) -> list[Any]:
        return [request.json() for request in self.platform.requests]


@asynccontextmanager
async def chat_rig(
    *answers: LabReply | dict[str, Any] | list[Any],
    call: CallInfo = CALL,
    sender: str = SENDER,
    channel_path: str | None = None,
    **settings: Any,
) -> AsyncIterator[ChatRig]:
    """A chat whose platform gives these answers, one per request, and then `EVENT_RECEIVED`.

    Args:
        sender: What the chat's conversation is called, as far as it is new.
        channel_path: Of the newer interface's channel at this platform.
    """
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(seconds)

    claimed: list[str] = []
    async with (
        LabServer(answering(answers, RECEIVED)) as platform,
        HttpClient() as http,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        channel = {"channel_url": platform.url + channel_path} if channel_path else {}
        section = ChatlayerBotSection(**{**bot_settings(platform.url), **settings, **channel})
        backend = ChatlayerBackend("reception", section, http, sleep=sleep, new_id=lambda: sender)
        account = Platform("reception", section, http)
        async with served(build_listener(backend.routes)) as address, backend.open_chat(call, claimed.append) as chat:
            yield ChatRig(backend, chat, platform, f"http://{address}{PATH}", client, account, waits, claimed)


def bot_settings(url: str, **more: Any) -> dict[str, Any]:
    """A bot of the lab, or of what stands in its place."""
    return {"url": url, "insecure": True, "bot_id": BOT_ID, "verify_token": VERIFY_TOKEN, **more}


def menu(batch: ActionBatch) -> Menu:
    (found,) = of(Menu, batch)
    assert isinstance(found, Menu)
    return found


# --- whole calls ---------------------------------------------------------------------------------------------------
OTHER_WORDS = ("something else entirely", "the second one")
"""What callers say beside what the bot suggests."""
BEGAN = datetime.datetime(2026, 11, 2, 9, 0, tzinfo=datetime.UTC)


def lab_clock() -> datetime.datetime:
    """The platform's clock in virtual time."""
    return BEGAN + datetime.timedelta(seconds=asyncio.get_running_loop().time())


@asynccontextmanager
async def travel_office(
    folder: Path,
    *,
    lab: Mapping[str, Any] | None = None,
    bot: Mapping[str, Any] | None = None,
    number: Mapping[str, Any] | None = None,
    **office: Any,
) -> AsyncIterator[tuple[Office, LabChatlayer]]:
    """An office whose number is answered by the lab's bot.

    Args:
        lab, bot, number: Further settings of theirs.
    """
    async with LabChatlayer(now=lab_clock, **(lab or {})) as platform:
        settings = {"backend": "chatlayer", **bot_settings(platform.url), "access_token": ACCESS_TOKEN, **(bot or {})}
        speech = {"local": {"engine": "scripted", "echo": True, "texts": [*TOPICS, *OTHER_WORDS]}}
        opening = open_office(folder, bot=platform, bot_settings=settings, number=number or {}, speech=speech, **office)
        async with opening as opened:
            platform.courier.url = f"http://{opened.address}{PATH}"
            yield opened, platform
            await opened.calls_over()
        await asyncio.sleep(0.01)


def said_to(lab: LabChatlayer) -> list[Any]:
    """The bodies of what callers said."""
    return [request.json() for request in lab.requests if "/webhookMessage/" in request.path]
