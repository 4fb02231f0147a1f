"""An office whose bot is the lab's Haptik, and a call's chat with one over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.actions import Action, Menu
from gateway.backends.haptik.backend import HaptikBackend
from gateway.backends.haptik.chat import HaptikChat
from gateway.backends.haptik.settings import HaptikBotSection
from gateway.caller_events import CallStarted
from gateway.events import CallInfo
from gateway.kit.http import HttpClient
from gateway.lab.haptik import LabHaptik
from gateway.lab.haptik_side import User
from gateway.lab.server import LabReply, LabRequest, LabServer
from gateway.routes import HttpReply, HttpRequest
from tests.fakes.chatting import Chatting, answering, of
from tests.fakes.office import CALLER, CLOSING, NUMBER, Office, open_office

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/haptik/vectors.json").read_text())
CALL = CallInfo(
    call_id="call-1", caller=CALLER, called=NUMBER, number=NUMBER, line="pbx", language="en-GB", custom={"pxut": "t.1"}
)
AUTH_ID = "c" + "0" * 32
USER_NAME = "ab112468917fgghdebc"
SECRET = "lab-secret"


def bot_settings(at: str, **more: Any) -> dict[str, Any]:
    """What an operator would write for a bot at this URL."""
    access: dict[str, Any] = {
        "token": "lab-token",
        "client_id": "lab-client",
        "webhook_secret": SECRET,
        "business_id": 343,
    }
    return {"backend": "haptik", "url": at, **access, **more}


# --- whole calls ---------------------------------------------------------------------------------------------------
@asynccontextmanager
async def haptik_office(
    folder: Path,
    *,
    lab: Mapping[str, Any] | None = None,
    bot: Mapping[str, Any] | None = None,
    number: Mapping[str, Any] | None = None,
    **office_parts: Any,
) -> AsyncIterator[tuple[Office, LabHaptik]]:
    """An office and the platform behind it, each at the other's address."""
    async with LabHaptik(**(lab or {})) as platform:
        settings = bot_settings(platform.url, **(bot or {}))
        async with open_office(folder, bot=platform, bot_settings=settings, number=number, **office_parts) as office:
            platform.webhook = f"http://{office.address}/in/haptik/reception"
            yield office, platform
        await asyncio.sleep(CLOSING)


def only_user(lab: LabHaptik) -> User:
    (user,) = lab.account.users.values()
    return user


def said_by_caller(lab: LabHaptik) -> list[str]:
    """The messages that reached the platform."""
    found = [request for request in lab.requests if request.path == "/v1.0/log_message_from_user/"]
    return [request.json()["message_body"] for request in found]


# --- one chat ------------------------------------------------------------------------------------------------------
@dataclass(kw_only=True)
class HaptikCall(Chatting):
    """One call: what was sent to the platform, what came of it, and what was waited for in between."""

    backend: HaptikBackend
    chat: HaptikChat
    server: LabServer
    waits: list[float]

    async def start(self) -> None:
        await self.chat.send(CallStarted())

    async def hook(self, event: Mapping[str, Any] | bytes, **headers: str) -> HttpReply:
        """Post an event to the webhook, signed; ``headers`` replace the signature."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return await post(self.backend, body, headers or None)

    def requests(self, path: str) -> list[LabRequest]:
        return [request for request in self.server.requests if request.path == path]


async def post(backend: HaptikBackend, body: bytes, headers: Mapping[str, str] | None = None) -> HttpReply:
    (route,) = backend.routes
    signed = {"x-hub-signature": f"sha1={sign(body)}"} if headers is None else dict(headers)
    return await route.handle(HttpRequest(method="POST", path=route.path, url="", headers=signed, query={}, body=body))


def sign(body: bytes, secret: str = SECRET, algorithm: Any = hashlib.sha1) -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


async def post_over_http(office: Office, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Post to the office's webhook over a real socket, signed unless headers are given."""
    signed = {"x-hub-signature": f"sha1={sign(body)}"} if headers is None else dict(headers)
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{office.address}/in/haptik/reception"
        return await client.post(url, content=body, headers={"content-type": "application/json", **signed})


def vector(name: str, **user: str) -> dict[str, Any]:
    """A webhook of the vectors, for the call's user."""
    event = VECTORS["webhook"][name]
    return {**event, "user": {**event["user"], "auth_id": AUTH_ID, **user}}


def message(body: Any, message_id: int = 1, *, agent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A message event with this body."""
    sample = vector("message", user_name=USER_NAME)
    return {**sample, "agent": agent or sample["agent"], "message": {"id": message_id, "body": body}}


@asynccontextmanager
async def haptik_call(
    *answers: Mapping[str, Any] | LabReply, call: CallInfo = CALL, **settings: Any
) -> AsyncIterator[HaptikCall]:
    """A call to a platform that gives these answers, one per request, and then only what a message gets."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async with LabServer(answering(answers, VECTORS["message_api"]["response"])) as server, HttpClient() as http:
        section = HaptikBotSection(**bot_settings(server.url, **{"order_within": 0.0, **settings}))
        backend = HaptikBackend("reception", section, http, sleep=sleep, new_id=lambda: AUTH_ID)
        async with backend.open_chat(call, lambda key: None) as chat:
            yield HaptikCall(backend=backend, chat=chat, server=server, waits=waits)


def labels(actions: tuple[Action, ...]) -> list[str]:
    return [option.label for menu in of(Menu, actions) for option in menu.options]
