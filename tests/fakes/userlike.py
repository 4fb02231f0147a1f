"""Bots for Userlike's API in tests: one with answers written down beforehand, and callers in text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from gateway.actions import Action, ActionBatch, Menu, Record, Say
from gateway.backends.userlike.chat import UserlikeChat
from gateway.backends.userlike.client import UserlikeBackend
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.caller_events import CallerEvent, CallStarted, UserChoice, UserText
from gateway.events import CallInfo, DigitPressed, Transcript
from gateway.interfaces import HangupReason, HttpReply, HttpRequest, LegCapabilities, TransferOutcome, TransferTarget
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from tests.fakes.leg import FakeLeg
from tests.fakes.office import CALLER, NUMBER, Office, open_office

A = TypeVar("A")
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


def of(kind: type[A], actions: ActionBatch | Sequence[Action]) -> list[A]:
    """The actions of one type."""
    found = actions.actions if isinstance(actions, ActionBatch) else actions
    return [action for action in found if isinstance(action, kind)]


def spoken(batch: ActionBatch) -> list[str]:
    return [say.text for say in of(Say, batch)]


def warnings(batch: ActionBatch) -> list[str]:
    return [str(item.data["bot_warning"]) for item in of(Record, batch) if "bot_warning" in item.data]


# --- whole calls -----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Party(FakeLeg):
    """Somebody who reads and types on a line that can transfer; each text takes as long as it does to read it.

    Attributes:
        outcomes: Of the transfers, one after the other; none left: the caller is put through.
        transfers: Where he was sent.
    """

    outcomes: list[TransferOutcome] = field(default_factory=list)
    transfers: list[TransferTarget] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: int = 0

    @property
    def texts(self) -> list[str]:
        """Everything that was begun to be said."""
        return [utterance.plain or utterance.text for _, utterance, _ in self.spoken]

    async def speak(self, utterance: Any, mark_id: str) -> None:
        await FakeLeg.speak(self, utterance, mark_id)
        self._news.set()

    async def hears(self, text: str, within: float = 120.0) -> float:
        """Wait until a text that begins so is said, after what was waited for before. Returns when, in loop time."""
        try:
            async with asyncio.timeout(within):
                while (place := self._find(text)) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise AssertionError(f"{text!r} was not said, but {self.texts}") from error
        self._seen = place + 1
        return self.spoken[place][0]

    async def read(self) -> None:
        """Read what has been said so far to its end."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._until - loop.time()) + 0.05)

    async def says(self, text: str) -> None:
        await self.read()
        self.push(Transcript(text=text, final=True, ends_turn=True))

    async def press(self, keys: str) -> None:
        await self.read()
        for key in keys:
            self.push(DigitPressed(digit=key))

    async def over(self, within: float = 300.0) -> None:
        await self.until(lambda: self.hangup is not None or self._gone, within)

    async def until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        """Wait for something that shows when this line is spoken to, sent on or hung up."""
        async with asyncio.timeout(within):
            while not condition():
                self._news.clear()
                await self._news.wait()

    @property
    def _gone(self) -> bool:
        return bool(self.transfers) and self._closed

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        self.transfers.append(target)
        await asyncio.sleep(self.transfer_takes)
        outcome = self.outcomes.pop(0) if self.outcomes else TransferOutcome(ok=True)
        if outcome.ok:
            self.close(by="gateway")
        self._news.set()
        return outcome

    async def hang_up(self, reason: HangupReason) -> None:
        await FakeLeg.hang_up(self, reason)
        self._news.set()

    def _find(self, text: str) -> int | None:
        found = enumerate(self.texts[self._seen :], self._seen)
        return next((place for place, said in found if said.startswith(text)), None)


TEXT = LegCapabilities(
    has_marks=True, has_clear=True, can_transfer=True, can_send_digits=True, hears_text=True, speaks_text=True
)


@asynccontextmanager
async def rings(
    office: Office, *outcomes: TransferOutcome, caller: str = CALLER, call_id: str = "call-1", **info: Any
) -> AsyncIterator[Party]:
    """A call to the office; hung up at the end, if it is still up."""
    party = Party(
        info=CallInfo(call_id=call_id, leg_id=call_id, caller=caller, called=NUMBER, **info),
        capabilities=TEXT,
        outcomes=list(outcomes),
    )
    talking = asyncio.create_task(office.offer("pbx", party))
    try:
        yield party
        party.close()
        async with asyncio.timeout(60):
            await asyncio.wait([talking])
    finally:
        talking.cancel()
        await asyncio.wait([talking])


BUSY = TransferOutcome(ok=False, cause="busy", sip_code=486)


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
