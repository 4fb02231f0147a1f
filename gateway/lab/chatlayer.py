"""A Chatlayer platform to call: the Legacy API as its page describes it, with a bot, its webhook, and fault scripts.

What a channel sends is answered ``EVENT_RECEIVED``; the bot's messages go to the channel's webhook, one request each.
The newer interface's channel, ``POST /v1/channels/lab``, is there as the vendor's example code uses it. Faults of the
answers come from a script, or with one request in the header ``X-Lab-Fault`` or the query's ``fault``; those of what
goes to the webhook from a script of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import unquote

from gateway.lab import chatlayer_bot as desk
from gateway.lab.base import Lab, lab_parser, run_lab
from gateway.lab.chatlayer_delivery import RETRY_AFTER, Courier
from gateway.lab.faults import Fault, FaultScript
from gateway.lab.server import LabReply, LabRequest, json_reply

MIN_ID = 32
MAX_USERS = 10_000
BOT_ID = "11"
VERIFY_TOKEN = "8wMsLZkdDPT64nqh"
ACCESS_TOKEN = "lab-access-token"
CHANNEL = "/v1/channels/lab"
Shape = Literal["senderId", "recipient"]
RECEIVED = LabReply(body=b"EVENT_RECEIVED", headers={"content-type": "text/plain; charset=utf-8"})
JSON = {"content-type": "application/json; charset=utf-8"}


def wall() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass
class User:
    """One user's conversation, whatever calls it is held in."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    session: dict[str, dict[str, Any]] = field(default_factory=dict)
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class LabChatlayer(Lab):
    """The platform with one bot. Use it as an asynchronous context manager.

    Args:
        webhook: The channel's address, to which the bot's messages go; may be set later.
        shape: How a delivery names its user.
        counts: Deliveries have a ``messageCounter``.
        is_eager: The bot's messages are delivered before the request that caused them is answered.
        script: Messages by what the user says, the payload of a click, or a dialog state, instead of the bot's own.
        faults, webhook_faults: Fault scripts, see `gateway.lab.faults`.
    """

    def __init__(
        self,
        *,
        bot_id: str = BOT_ID,
        verify_token: str = VERIFY_TOKEN,
        access_token: str = ACCESS_TOKEN,
        webhook: str = "",
        shape: Shape = "senderId",
        counts: bool = True,
        is_eager: bool = False,
        script: Mapping[str, desk.Answer] | None = None,
        faults: str = "",
        webhook_faults: str = "",
        retry_after: float = RETRY_AFTER,
        now: Callable[[], datetime.datetime] = wall,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(faults=faults, host=host, port=port)
        self.bot_id = bot_id
        self._verify_token = verify_token
        self._access_token = access_token
        self._shape = shape
        self._counts = counts
        self._is_eager = is_eager
        self.script = dict(script or {})
        self.courier = Courier(url=webhook, faults=FaultScript(webhook_faults), retry_after=retry_after)
        self._now = now
        self._ids = itertools.count(1)
        self.users: dict[str, User] = {}

    async def __aenter__(self) -> Self:
        await self.courier.open()
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self.courier.close()

    def announcement(self) -> str:
        return (
            f"Chatlayer lab at {self.url}, bot {self.bot_id}\n"
            f"  verify token {VERIFY_TOKEN}, access token {ACCESS_TOKEN}\n"
            f"  its messages go to {self.courier.url or 'nowhere: give --webhook URL'}\n"
            f"  it understands: {', '.join(desk.TOPICS)}"
        )

    async def push(self, user_id: str, *messages: desk.Message | desk.Delayed) -> None:
        """Let the bot say something unasked; returns when it is delivered."""
        await self._send_all(user_id, messages)

    # --- the API ---------------------------------------------------------------------------------------------------
    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        if fault.name == "expired":
            self.users.clear()
        if request.path == CHANNEL:
            return await self._channel(request)
        place = [unquote(part) for part in request.path.strip("/").split("/")]
        if place[0] not in ("api", "v1"):
            return refusal(404, "every path begins with /api")
        match place[1:]:
            case ["webhookMessage", bot]:
                return await self._user_message(request, bot)
            case ["webview"]:
                return self._guarded(request) or await self._webview(request)
            case ["bots", bot, "history", user_id]:
                return self._guarded(request, bot) or self._history(request, user_id)
            case ["bots", bot, "extract", version]:
                return self._guarded(request, bot) or _extract(request, version)
            case ["bots", bot, "nlp", "extract"]:
                is_known = request.headers.get("authorization") == f"Bearer {self._access_token}"
                is_there = bot == self.bot_id
                return (
                    _extract(request, request.query.get("version", "")) if is_known and is_there else refusal(401, "?")
                )
            case ["chatMessage", bot]:
                return self._guarded(request, bot) or self._all_messages(request)
            case ["sessionData", bot, user_id, namespace]:
                known = self.users.get(user_id, User()).session
                return self._guarded(request, bot) or ok(known.get(namespace, {}))
            case _:
                return refusal(404, "unknown path")

    def _guarded(self, request: LabRequest, bot: str | None = None) -> LabReply | None:
        if request.query.get("access_token") != self._access_token:
            return refusal(401, "access_token is wrong or missing")
        return refusal(404, "bot not found") if bot not in (None, self.bot_id) else None

    async def _user_message(self, request: LabRequest, bot: str) -> LabReply:
        if bot != self.bot_id:
            return refusal(404, "bot not found")
        body = _object(request)
        if body is None:
            return refusal(400, "not a JSON object")
        if body.get("verifyToken") != self._verify_token:
            return refusal(401, "verifyToken is wrong or missing")
        sender, said, locale = body.get("sender"), body.get("text"), body.get("locale")
        user_id = sender.get("id") if isinstance(sender, dict) else None
        if not _is_id(user_id) or not isinstance(said, str):
            return refusal(400, f"text and a sender.id of at least {MIN_ID} characters are required")
        if locale is not None and not (isinstance(locale, str) and len(locale) == 2 and locale.islower()):
            return refusal(400, "locale has two lower-case letters")
        return await self._said(str(user_id), said)

    async def _channel(self, request: LabRequest) -> LabReply:
        """The newer interface: texts, clicks, and a start without a word."""
        if request.headers.get("authorization") != f"Bearer {self._access_token}":
            return refusal(401, "the bearer token is wrong or missing")
        body = _object(request) or {}
        user, message = body.get("user"), body.get("message")
        user_id = user.get("id") if isinstance(user, dict) else body.get("conversationId")
        if not _is_id(user_id) or not isinstance(message, dict):
            return refusal(400, "message and user.id or conversationId are required")
        if isinstance(body.get("sessionData"), dict):
            self._user(str(user_id)).session.setdefault("v1", {}).update(body["sessionData"])
        match message:
            case {"textMessage": {"text": str(said)}}:
                return await self._said(str(user_id), said)
            case {"introMessage": _}:
                await self._respond(str(user_id), desk.WELCOME)
            case {"postbackMessage": {"nextDialogstateId": state}}:
                self._keep(str(user_id), "user", {"text": str(message["postbackMessage"].get("title", ""))})
                await self._respond(str(user_id), self._at_state(str(state)))
            case _:
                return refusal(400, "unknown message")
        return RECEIVED

    async def _webview(self, request: LabRequest) -> LabReply:
        body = _object(request) or {}
        user_id, action, messages = body.get("senderId"), body.get("action"), body.get("messages") or []
        state = action.get("nextDialogstate") if isinstance(action, dict) else None
        if body.get("botId") != self.bot_id or not _is_id(user_id):
            return refusal(400, "botId and senderId are required")
        if not state and not messages:
            return refusal(400, "at least one message or action.nextDialogstate is required")
        session = body.get("session")
        if isinstance(session, dict):
            known = self._user(str(user_id)).session.setdefault(str(session.get("namespace")), {})
            known.update(session.get("data") or {})
        said = [message for item in messages for message in _shown(item)]
        await self._respond(str(user_id), [*said, *(self._at_state(str(state)) if state else ())])
        return LabReply(headers=JSON)

    def _history(self, request: LabRequest, user_id: str) -> LabReply:
        rows = self.users[user_id].rows if user_id in self.users else []
        offset, limit = (request.query.get(name, "") for name in ("offset", "limit"))
        start = int(offset) if offset.isdigit() else 0
        end = start + int(limit) if limit.isdigit() else None
        return ok({"rows": rows[start:end], "count": len(rows)})

    def _all_messages(self, request: LabRequest) -> LabReply:
        since = request.query.get("from", "")
        rows = [{**row, "senderId": user_id} for user_id, user in self.users.items() for row in user.rows]
        return ok([row for row in rows if row["createdAt"] >= since])

    # --- the bot ---------------------------------------------------------------------------------------------------
    async def _said(self, user_id: str, said: str) -> LabReply:
        self._keep(user_id, "user", {"text": said})
        await self._respond(user_id, self.script[said] if said in self.script else desk.answer(said))
        return RECEIVED

    def _at_state(self, state: str) -> desk.Answer:
        return self.script[state] if state in self.script else desk.at_state(state)

    async def _respond(self, user_id: str, answer: desk.Answer) -> None:
        """Deliver the bot's messages: by themselves, or before the request is answered."""
        self._user(user_id)
        if self._is_eager:
            await self._send_all(user_id, answer)
            return
        self._start(self._send_all(user_id, answer))

    async def _send_all(self, user_id: str, answer: desk.Answer) -> None:
        user = self._user(user_id)
        messages = sum(not isinstance(item, desk.Delayed) for item in answer)
        async with user.turn:
            for item in answer:
                if isinstance(item, desk.Delayed):
                    await asyncio.sleep(item.seconds)
                    continue
                messages -= 1
                self._keep(user_id, "bot", item)
                await self.courier.deliver(self._envelope(user_id, item, next(user.counter)), is_last=not messages)

    def _envelope(self, user_id: str, message: desk.Message, counter: int) -> dict[str, Any]:
        whose = {"senderId": user_id} if self._shape == "senderId" else {"recipient": {"id": user_id}}
        counted = {"messageCounter": counter} if self._counts else {}
        return {**whose, "message": message, **counted, "verifyToken": self._verify_token}

    def _user(self, user_id: str) -> User:
        while user_id not in self.users and len(self.users) >= MAX_USERS:
            self.users.pop(next(iter(self.users)))
        return self.users.setdefault(user_id, User())

    def _keep(self, user_id: str, actor: str, message: desk.Message) -> None:
        said = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row = {"isIntro": False, "message": message, "id": f"{next(self._ids):024x}", "actor": actor, "createdAt": said}
        self._user(user_id).rows.append(row)


def ok(value: Any) -> LabReply:
    reply = json_reply(value)
    return LabReply(body=reply.body, headers=JSON)


def refusal(status: int, message: str) -> LabReply:
    return json_reply({"error": message}, status)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= MIN_ID


def _object(request: LabRequest) -> dict[str, Any] | None:
    try:
        value = request.json()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _shown(item: Any) -> list[desk.Message]:
    """A message of an asynchronous action, as the channel gets it."""
    match item:
        case {"type": "text", "config": {"textMessages": list(texts)}}:
            return [desk.text(str(each.get("text", ""))) for each in texts]
        case {"type": "carousel", "config": {"elements": list(elements)}}:
            shown = [
                {
                    "title": each.get("title", ""),
                    "subtitle": each.get("subTitle", ""),
                    "image_url": each.get("imageUrl", ""),
                    "default_action": {"type": "web_url", "url": each.get("webUrl", "")},
                    "buttons": each.get("buttons", []),
                }
                for each in elements
            ]
            return [desk.carousel("generic", *shown)]
        case _:
            return []


def _extract(request: LabRequest, version: str) -> LabReply:
    body = _object(request) or {}
    language, expression = body.get("language"), body.get("expression")
    if version not in ("DRAFT", "LIVE"):
        return refusal(400, "version is DRAFT or LIVE")
    if not isinstance(language, str) or len(language) != 2 or not isinstance(expression, str):
        return refusal(400, "language and expression are required")
    return ok({"data": {"extract": desk.extract(expression)}})


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab chatlayer`."""
    parser = lab_parser("chatlayer", "A Chatlayer platform with one bot.", port=9102)
    parser.add_argument("--webhook", default="", metavar="URL", help="where the bot's messages go")
    parser.add_argument("--bot-id", default=BOT_ID)
    parser.add_argument("--shape", choices=["senderId", "recipient"], default="senderId")
    parser.add_argument("--no-counter", action="store_true", help="deliveries without messageCounter")
    parser.add_argument("--eager", action="store_true", help="deliver before the request is answered")
    parser.add_argument("--retry-after", type=float, default=RETRY_AFTER, metavar="SECONDS")
    parser.add_argument("--webhook-faults", default="", help="such as ok,duplicate,reorder,wrong-token")
    return run_lab(parser, argv, _lab)


def _lab(given: argparse.Namespace) -> LabChatlayer:
    return LabChatlayer(
        bot_id=given.bot_id,
        webhook=given.webhook,
        shape=given.shape,
        counts=not given.no_counter,
        is_eager=given.eager,
        faults=given.faults,
        webhook_faults=given.webhook_faults,
        retry_after=given.retry_after,
        host=given.host,
        port=given.port,
    )
