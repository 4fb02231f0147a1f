"""A TalkLift project with the documentation's own modules: one call over real sockets, and an office that runs it."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from gateway.actions import Action, Menu
from gateway.backends.talklift.chat import TalkliftChat
from gateway.backends.talklift.client import TalkliftBackend
from gateway.backends.talklift.settings import TalkliftBotSection
from gateway.caller_events import CallStarted, UserChoice
from gateway.events import CallInfo
from gateway.http.webhooks import webhook_route
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabServer
from gateway.lab.talklift import LabTalklift
from tests.fakes.chatting import PATIENCE, Chatting, answering, spoken
from tests.fakes.office import CALLER, CLOSING, NUMBER, Office, open_office
from tests.fakes.shared_port import served

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/talklift/vectors.json").read_text())
TOKEN: str = VECTORS["token_response"]["token"]
SLOT: dict[str, Any] = VECTORS["slot_webhook"]["payload"][0]["slot"]
NAME_LABEL: str = VECTORS["slot_webhook"]["payload"][0]["slot_state"]["slot_states"][0]["slot_label"]
CALL = CallInfo(call_id="call-1", caller=CALLER, called=NUMBER, number=NUMBER, line="pbx", language="en-GB")
NAIROBI = datetime.timezone(datetime.timedelta(hours=3))

RENEWAL: dict[str, Any] = {
    "story": 14301,
    "name": "Policy renewal",
    "slots": [{"id": 57981, "label": "Please enter your policy number", "order": 0}],
}
CLAIM: dict[str, Any] = {
    "story": 1220,
    "name": "Make a claim",
    "slots": [
        {"id": 5444, "label": NAME_LABEL, "order": 1},
        {"id": 3441, "label": "Email Address", "order": 2},
        SLOT,
    ],
}
MAIN_MENU: dict[str, Any] = {"story": 7, "name": "main-menu", "responses": ["This is the main menu."]}


def project(url: str, *modules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What an operator would write: by default a claim, and a user who may call the endpoints."""
    webhook = {"url": url, **more.pop("webhook", {})}
    return {
        "backend": "talklift",
        "org": 900,
        "project": 1,
        "webhook": webhook,
        "users": [{**VECTORS["token_request"], "token": TOKEN}],
        "modules": list(modules or (CLAIM,)),
        "start": (modules or (CLAIM,))[0]["name"],
        "timezone": "Africa/Nairobi",
        "confirm": "never",
        **more,
    }


def slots(*found: Mapping[str, Any], **module: Any) -> dict[str, Any]:
    """A module of these slots, in this order."""
    listed = [{"id": place, "order": place, **slot} for place, slot in enumerate(found, 1)]
    return {"story": 1, "name": "Test", "slots": listed, **module}


# --- one call ------------------------------------------------------------------------------------------------------
@dataclass(kw_only=True)
class TalkliftCall(Chatting):
    """One call: what was sent to the customer's backend, and what came of it."""

    backend: TalkliftBackend
    chat: TalkliftChat
    server: LabServer
    rest: httpx.AsyncClient
    waits: list[float]

    async def start(self) -> tuple[Action, ...]:
        await self.chat.send(CallStarted())
        return await self.next()

    async def answer(self, text: str, **fields: Any) -> list[str]:
        """Say something; what is said in return."""
        await self.say(text, **fields)
        return spoken(await self.next())

    async def choose(self, menu: Menu, place: int) -> tuple[Action, ...]:
        self.turn += 1
        option = menu.options[place - 1]
        await self.chat.send(
            UserChoice(turn=self.turn, menu_id=menu.menu_id, option_id=option.id, label=option.label, source="digits")
        )
        return await self.next()

    async def event(self, place: int = 0) -> dict[str, Any]:
        """A webhook that came, when it has come."""
        async with asyncio.timeout(PATIENCE):
            await self.server.received(place + 1)
        found: dict[str, Any] = self.server.requests[place].json()
        return found

    async def post(self, path: str, body: Any, token: str = TOKEN) -> httpx.Response:
        return await self.rest.post(f"/talklift/1{path}", json=body, headers={"Authorization": f"Token {token}"})

    async def update(self, **state: Any) -> httpx.Response:
        return await self.post("/api/v1/session-slot-states/update_from_webhook/", state)

    async def message(self, **body: Any) -> httpx.Response:
        return await self.post("/api/v1/sessions/send_message/", body)


@asynccontextmanager
async def talklift_call(
    *modules: Mapping[str, Any],
    answers: Iterable[LabReply] = (),
    ids: Iterable[int] | None = None,
    at: Callable[[], datetime.datetime] | None = None,
    call: CallInfo = CALL,
    **settings: Any,
) -> AsyncIterator[TalkliftCall]:
    """A call to a project whose backend answers webhooks so, then always with 200.

    Args:
        ids: The numbers of sessions and states, in their order.
        at: The time of day.
    """
    numbers, waits = iter(ids or itertools.count(101)), []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    clock = at or (lambda: datetime.datetime(2026, 11, 21, 12, 0, 0, 1, tzinfo=datetime.UTC))
    async with LabServer(answering(answers, {})) as server, HttpClient() as http:
        section = TalkliftBotSection(**project(server.url + "/hook", *modules, **settings))
        backend = TalkliftBackend("desk", section, http, sleep=sleep, clock=clock, ids=lambda kind: next(numbers))
        own = [route for route in backend.routes if route.listen is None]
        app = Starlette(routes=[webhook_route(route, None, lambda *_: None) for route in own])
        async with (
            served(app) as address,
            httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as rest,
            backend.open_chat(call, lambda key: None) as chat,
        ):
            yield TalkliftCall(backend=backend, chat=chat, server=server, rest=rest, waits=waits)


# --- whole calls ---------------------------------------------------------------------------------------------------
@asynccontextmanager
async def talklift_office(
    folder: Path,
    *modules: Mapping[str, Any],
    lab: Mapping[str, Any] | None = None,
    bot: Mapping[str, Any] | None = None,
    number: Mapping[str, Any] | None = None,
    **parts: Any,
) -> AsyncIterator[tuple[Office, LabTalklift]]:
    """An office that is TalkLift to the lab's customer backend."""
    async with LabTalklift(**(lab or {})) as customer:
        settings = project(customer.url, *modules, **(bot or {}))
        async with open_office(folder, bot=customer, bot_settings=settings, number=number, **parts) as office:
            customer.gateway = f"http://{office.address}/talklift/1"
            yield office, customer
        await asyncio.sleep(CLOSING)
