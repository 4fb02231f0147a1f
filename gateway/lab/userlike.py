"""A customer's bot server for Userlike's Chatbot API, to be called: a webhook, and a client of the API URL.

``POST /webhook`` is answered by the chosen bot (`userlike_bots`), ``POST /webhook/NAME`` by the one of that name, if
the header ``API-SECURITY-TOKEN`` is right. What a bot finds out later goes to the API URL. Faults of answers, and of
what is sent, come from two scripts, or with one request in the header ``X-Lab-Fault``.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.lab.base import SendingLab, lab_parser, run_lab
from gateway.lab.faults import Fault, FaultScript
from gateway.lab.server import LabReply, LabRequest, json_reply
from gateway.lab.userlike_bots import BOTS, CONFUSED, Json

HEADER = "api-security-token"
TOKEN_HEADER = "SECURITY-TOKEN"
ANSWER_WITHIN = 15.0  # s for the gateway to answer the API URL
KEPT_POSTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request to the API URL and its answer; ``at``: the loop's time when it was sent."""

    at: float
    body: Any
    status: int
    answer: bytes


class LabUserlike(SendingLab):
    """The server with its bots. Use it as an asynchronous context manager.

    Args:
        bot: Answers ``/webhook``.
        token: What ``API-SECURITY-TOKEN`` must be; empty: anything.
        api_url: Where results go; empty: bots that find something out later keep it for themselves.
        api_token: Sent as ``SECURITY-TOKEN``.
        slow: Seconds a bot needs to find something out.
        faults: Of the webhook's answers, see `gateway.lab.faults`; push_faults: of what is sent to the API URL.
    """

    def __init__(
        self,
        *,
        bot: str = "shop",
        token: str = "",
        api_url: str = "",
        api_token: str = "",
        slow: float = 2.0,
        faults: str = "",
        push_faults: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(within=ANSWER_WITHIN, faults=faults, host=host, port=port)
        self.bot = bot
        self.token = token
        self.api_url = api_url
        self.api_token = api_token
        self.push_faults = FaultScript(push_faults)
        self.posts: deque[Post] = deque(maxlen=KEPT_POSTS)
        self._slow = slow
        self._held: list[Any] = []
        self._posted = asyncio.Event()

    @property
    def url(self) -> str:
        """The webhook."""
        return self.server.url + "/webhook"

    def announcement(self) -> str:
        return "\n".join(
            [f"Userlike lab at {self.url}, answered by {self.bot}", *(f"  {self.url}/{name}" for name in BOTS)]
        )

    async def posted(self, count: int) -> None:
        """Wait until so many requests to the API URL were answered; the caller bounds the wait."""
        while len(self.posts) < count:
            self._posted.clear()
            await self._posted.wait()

    # --- the webhook -------------------------------------------------------------------------------------------------
    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        first, _, named = request.path.strip("/").partition("/")
        bot = BOTS.get(named or self.bot)
        if first != "webhook" or bot is None:
            return json_reply({"error": "Not found"}, 404)
        if request.method != "POST":
            return json_reply({"error": "Method not allowed"}, 405)
        if self.token and request.headers.get(HEADER) != self.token:
            return json_reply({"error": "Unauthorized"}, 401)
        if fault.name == "expired":
            return json_reply(CONFUSED.value, CONFUSED.status)
        try:
            said = bot(request.json())
        except (LookupError, TypeError, AttributeError, ValueError):
            return LabReply(status=500, body=b"Internal Server Error")  # as the samples' framework does
        if said.later and self.api_url:
            self._start(self._send_later(list(said.later)))
        return LabReply() if said.value is None else json_reply(said.value, said.status)

    # --- the API URL -------------------------------------------------------------------------------------------------
    async def _send_later(self, events: Sequence[Json]) -> None:
        await asyncio.sleep(self._slow)
        fault = self.push_faults.next()
        match fault.name:
            case "duplicate":
                await self.post(events)
                await self.post(events)
            case "reorder":
                self._held.append(events)
                return
            case "wrong-token":
                await self.post(events, token="wrong")
            case "garbage":
                await self.post(content=b"<html>")
            case "deep":
                await self.post(content=b'{"info":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
            case "oversized":
                await self.post(content=json.dumps([*events, {"padding": "x" * (1 << 20)}]).encode())
            case "drop":
                return
            case "slow":
                await asyncio.sleep(fault.value or 0)
                await self.post(events)
            case _:
                await self.post(events)
        while self._held:
            await self.post(self._held.pop(0))

    async def post(self, value: Any = None, *, content: bytes | None = None, token: str | None = None) -> Post:
        """Send events to the API URL. A gateway that is not there is a status of 0."""
        at = asyncio.get_running_loop().time()
        body = json.dumps(value).encode() if content is None else content
        headers = {TOKEN_HEADER: self.api_token if token is None else token, "content-type": "application/json"}
        try:
            answer = await self._client.post(self.api_url, content=body, headers=headers)
            post = Post(at=at, body=value, status=answer.status_code, answer=answer.content)
        except httpx.HTTPError:
            post = Post(at=at, body=value, status=0, answer=b"")
        self.posts.append(post)
        self._posted.set()
        return post


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab userlike`."""
    parser = lab_parser("userlike", "A bot written for Userlike, to call.", port=9101)
    parser.add_argument("--bot", choices=list(BOTS), default="shop")
    parser.add_argument("--token", default="", help="what API-SECURITY-TOKEN must be; default: anything")
    parser.add_argument("--api-url", default="", metavar="URL", help="the bot's API URL at the gateway")
    parser.add_argument("--api-token", default="", help="sent as SECURITY-TOKEN")
    parser.add_argument("--slow", type=float, default=2.0, metavar="SECONDS", help="time to find something out")
    parser.add_argument("--push-faults", default="", help="of what goes to the API URL, such as duplicate,wrong-token")
    return run_lab(parser, argv, lambda given: LabUserlike(**vars(given)))
