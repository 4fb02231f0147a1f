"""Bots for Userlike's API in tests: one with answers written down beforehand, and callers in text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.actions import ActionBatch, Menu, Record
from gateway.backends.userlike.chat import UserlikeChat
from gateway.backends.userlike.client import UserlikeBackend
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.caller_events import CallerEvent, CallStarted, UserChoice, UserText
from gateway.events import CallInfo
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from gateway.routes import HttpReply, HttpRequest
from tests.fakes.chatting import of
from tests.fakes.office import CALLER, NUMBER, Office, open_office

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/userlike/vectors.json").read_text())
HEADERS: dict[str, str] = VECTORS["server_sample_header"]
KEY, TOKEN, OPT_OUT = "k3y-of-the-bot", "t0ken-of-the-api", "t0ken-of-the-texts"
API = {"bot_key": KEY, "security_token": TOKEN, "opt_out_token": OPT_OUT}
CALL = CallInfo(call_id="call-1", caller=CALLER, called=NUMBER, number=NUMBER, line="pbx", language="en-GB")
HEX = "a56785fb6fb84edd890905913b0c0821"
CID = f"chatbot::258:{HEX}"
BotAnswer = Any
"""A value that is sent as JSON, or a whole reply."""


def event(name: str, payload: Mapping[str, Any] | None = None, *, cid: str = "C", **info: Any) -> dict[str, Any]:
    """An event a bot triggers; the cid ``C`` stands for the session's own."""
    return {"info": {"cid": cid, **info}, "packet": {"name": name, "payload": dict(payload or {})}}


def says(body: str, **more: Any) -> dict[str, Any]:
    return event("message", {"body": body}, **more)


def choice(*labels: str, name: str = "bubbles", **payload: Any) -> dict[str, Any]:
    options = [{"id": f"id-{label}", "label": label} for label in labels]
    return event(name, {"body": "Body.", "fallback": "Which one?", "options": options, **payload})


def with_cid(value: Any, cid: str) -> Any:
    """The value with the session's cid for ``C``."""
    if isinstance(value, dict):
        return {key: cid if key == "cid" and item == "C" else with_cid(item, cid) for key, item in value.items()}
    return [with_cid(item, cid) for item in value] if isinstance(value, list) else value


class ScriptedBot:
    """The customer's server: one answer per request, in order; a request too many gets a 599."""

    def __init__(self, *answers: BotAnswer) -> None:
        self.left = list(answers)
        self.server = LabServer(self._handle)

    async def _handle(self, request: LabRequest) -> LabReply:
        answer = self.left.pop(0) if self.left else LabReply(status=599)
        return answer if isinstance(answer, LabReply) else json_reply(with_cid(answer, request.json()["info"]["cid"]))

    async def __aenter__(self) -> ScriptedBot:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    @property
    def url(self) -> str:
        return self.server.url + "/webhook"

    @property
    def requests(self) -> list[LabRequest]:
        return list(self.server.requests)

    @property
    def bodies(self) -> list[Any]:
        return [request.json() for request in self.server.requests]

    @property
    def packets(self) -> list[Any]:
        return [body["packet"] for body in self.bodies]


EMPTY = LabReply()
"""A bot that has nothing to say."""


# --- the adapter alone -----------------------------------------------------------------------------------------------
@dataclass
class UserlikeCall:
    """One call's chat: what the bot was told, and what came of its answers."""

    backend: UserlikeBackend
    chat: UserlikeChat
    bot: ScriptedBot
    claimed: list[str]
    waits: list[float]
    batches: AsyncIterator[ActionBatch] = field(init=False)
    turn: int = 0

    def __post_init__(self) -> None:
        self.batches = self.chat.actions()

    async def start(self) -> ActionBatch:
        return await self.send(CallStarted())

    async def say(self, text: str) -> ActionBatch:
        self.turn += 1
        return await self.send(UserText(turn=self.turn, text=text))

    async def choose(self, menu: Menu, option_id: str) -> ActionBatch:
        self.turn += 1
        label = next(option.label for option in menu.options if option.id == option_id)
        return await self.send(UserChoice(turn=self.turn, menu_id=menu.menu_id, option_id=option_id, label=label))

    async def send(self, happened: CallerEvent) -> ActionBatch:
        await self.chat.send(happened)
        return await anext(self.batches)

    async def api(
        self, value: Any, *, token: str | None = TOKEN, path: str = f"/userlike/v1/{KEY}/", body: bytes | None = None
    ) -> HttpReply:
        """A request to the API URL, as the port hands it over."""
        hook = next(route for route in self.backend.routes if route.path == path)
        headers = {} if token is None else {"security-token": token}
        content = json.dumps(with_cid(value, self.chat.session.cid)).encode() if body is None else body
        request = HttpRequest(method="POST", path=path, url=path, headers=headers, query={}, body=content)
        return await hook.handle(request)


@asynccontextmanager
async def userlike_call(
    *answers: BotAnswer, call: CallInfo = CALL, inspect: Any = None, now: Any = None, **settings: Any
) -> AsyncIterator[UserlikeCall]:
    """A call to a bot that gives these answers."""
    waits: list[float] = []
    claimed: list[str] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with ScriptedBot(*answers) as bot, HttpClient() as http:
        given = {"webhook_url": bot.url, "webhook_headers": HEADERS, "bot_number": 258, **API, **settings}
        more = {} if now is None else {"now": now}
        backend = UserlikeBackend(
            "reception",
            UserlikeBotSection(**given),
            http,
            new_id=iter((HEX, *(f"{place:032x}" for place in range(100)))).__next__,
            sleep=sleep,
            **more,
        )
        if inspect is not None:
            backend.look_with(inspect)
        async with backend.open_chat(call, claimed.append) as chat:
            yield UserlikeCall(backend, chat, bot, claimed, waits)


def warnings(batch: ActionBatch) -> list[str]:
    return [str(item.data["bot_warning"]) for item in of(Record, batch) if "bot_warning" in item.data]


# --- whole calls -----------------------------------------------------------------------------------------------------
@asynccontextmanager
async def userlike_office(
    folder: Path, bot: Any, *, number: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Office]:
    """A gateway with a bot behind it; where it is a lab's, it knows its API URL."""
    chosen = {
        "backend": "userlike",
        "webhook_url": bot.url,
        "webhook_headers": HEADERS,
        "group": "front",
        "groups": {"front": "100", "support": "200"},
        **API,
        **settings,
    }
    conduct = {"transfer": {"allow": ["*"]}, **(number or {})}
    async with open_office(folder, bot=bot, bot_settings=chosen, number=conduct) as office:
        if hasattr(bot, "api_url"):
            bot.api_url, bot.api_token = api_url(office), TOKEN
        yield office


def api_url(office: Office, key: str = KEY) -> str:
    return f"http://{office.address}/userlike/v1/{key}/"


def slow(value: Any, seconds: float) -> LabReply:
    """An answer that takes its time; it cannot name the session."""
    return replace(json_reply(value), delay=seconds)
