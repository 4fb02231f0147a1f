"""Haptik to call: the messaging API, the webhooks it sends, agents who take over, transcripts, FAQ files.

Built from Haptik's documentation: users are registered and write by POST, the bot answers on the customer's webhook,
signed, and sent again when it is not answered with 200 within five seconds. Faults of requests come from one script, of
webhooks from another; with one request also in the header ``X-Lab-Fault``.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.lab import haptik_bot, haptik_side
from gateway.lab.base import SendingLab, lab_parser, run_lab
from gateway.lab.faults import Fault, FaultScript, instead, parted
from gateway.lab.haptik_side import Account, User, Written, refusal, wrong_headers
from gateway.lab.server import LabReply, LabRequest, json_reply

USER = "/v1.0/user/"
MESSAGE = "/v1.0/log_message_from_user/"
SYNC = "/v1.0/log_message_from_user/sync/"
BOT = {"id": 4415, "name": "gogo", "profile_image": "https://assets.example.com/gogo.jpg", "is_automated": True}
ANSWER_WITHIN = 5.0  # s a webhook has
SENT_AGAIN_AFTER = (60.0, 120.0, 300.0, 600.0, 900.0, 1620.0)  # six times in an hour, then the webhook is disabled


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to deliver a webhook; ``status`` None: no answer in time."""

    event: str
    body: bytes
    at: float
    status: int | None


class LabHaptik(SendingLab):
    """The server with its account. Use it as an asynchronous context manager.

    Args:
        webhook: The customer's endpoint; may be set later.
        secret: Signs webhooks.
        think: Seconds the bot takes to answer.
        agent: Name of the agent; empty: nobody is there.
        agent_after: Seconds from the end of the countdown until the agent takes the chat.
        faults, webhook_faults: Scripts, see `gateway.lab.faults`.
    """

    def __init__(
        self,
        *,
        token: str = "lab-token",
        client_id: str = "lab-client",
        secret: str = "lab-secret",
        webhook: str = "",
        think: float = 0.3,
        agent: str = "Prateek",
        agent_after: float = 2.0,
        faults: str = "",
        webhook_faults: str = "",
        clock: Callable[[], datetime.datetime] = now,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        of_answers, of_webhooks = parted(faults)
        super().__init__(within=ANSWER_WITHIN, faults=of_answers, host=host, port=port)
        self.webhook_faults = FaultScript(webhook_faults)
        self.webhook_faults.add(of_webhooks)
        self.account = Account(token=token, client_id=client_id)
        self.webhook = webhook
        self.secret = secret
        self.deliveries: list[Delivery] = []
        self.is_disabled = False
        self._think = think
        self._agent = agent
        self._agent_after = agent_after
        self._clock = clock
        self._ids = itertools.count(1982371)
        self._held: list[bytes] = []

    def announcement(self) -> str:
        account = self.account
        return (
            f"Haptik lab at {self.url}\n"
            f"  token {account.token}, client-id {account.client_id}, business {account.business_id}\n"
            f"  webhooks go to {self.webhook or 'nobody'}, signed with {self.secret}"
        )

    def _refusal(self, status: int, message: str) -> LabReply:
        return refusal(message, status)

    def expire(self) -> None:
        """Forget every user."""
        self.account.users.clear()

    # --- requests --------------------------------------------------------------------------------------------------
    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        path = request.path
        if fault.name == "expired":
            self.expire()
        if path == USER and request.method in ("POST", "PUT"):
            return self._register(request)
        if path in (MESSAGE, SYNC) and request.method == "POST":
            return self._message(request, is_sync=path == SYNC)
        if path == haptik_side.AGENT and request.method == "POST":
            return haptik_side.send_chat_to_agent(self.account, request, self._move)
        if path == haptik_side.FEEDBACK and request.method == "POST":
            return haptik_side.log_feedback(self.account, request)
        if path == haptik_side.HISTORY:
            return haptik_side.get_chat_history(self.account, request)
        if path == haptik_side.FAQ and request.method == "POST":
            return haptik_side.faq_create(self.account, request)
        if path.startswith(haptik_side.FAQ_STATUS) and request.method == "GET":
            return haptik_side.faq_status(self.account, request)
        return refusal("not found", 404)

    def _body(self, request: LabRequest) -> dict[str, Any] | LabReply:
        if wrong_headers(self.account, request) is not None:
            return refusal("invalid authorization details", 401)
        try:
            body = request.json()
        except ValueError:
            return refusal("not JSON", 400)
        return body if isinstance(body, dict) else refusal("not a JSON object", 400)

    def _register(self, request: LabRequest) -> LabReply:
        body = self._body(request)
        if isinstance(body, LabReply):
            return body
        auth_id, custom = body.get("auth_id"), body.get("custom_data", {})
        if not isinstance(auth_id, str) or not auth_id.isalnum():
            return refusal("auth_id must be alphanumeric", 400)
        if not isinstance(custom, dict) or any(isinstance(value, dict | list) for value in custom.values()):
            return refusal("custom_data must be flat", 400)
        users = self.account.users
        if auth_id not in users:
            users[auth_id] = User(auth_id=auth_id, name=secrets.token_hex(10))
        users[auth_id].profile.update(body)
        shown = {name: body.get(name) for name in ("auth_id", "mobile_no", "email", "name")}
        return json_reply(shown)

    def _message(self, request: LabRequest, *, is_sync: bool) -> LabReply:
        body = self._body(request)
        if isinstance(body, LabReply):
            return body
        holder = body.get("user")
        user = self.account.users.get(holder.get("auth_id", "")) if isinstance(holder, dict) else None
        if user is None:
            return refusal("user is not registered", 403)
        said = body.get("message_body")
        if not isinstance(said, str) or body.get("business_id") != self.account.business_id:
            return refusal("message_body and business_id are required", 400)
        user.has_spoken = True
        message_id = self._write(user, "user", said)
        answer = haptik_bot.agent_answer(said) if user.agent else haptik_bot.answer(said)
        if is_sync:
            shown = [{"id": self._write(user, "bot", one["text"]), "body": one} for one in answer.messages]
            stamp = {"version": "1.0", "timestamp": self._stamp(), "agent": BOT}
            return json_reply({**stamp, "message": shown})
        if not user.team or user.agent:
            self._start(self._say(user, answer))
        shown_at = {"created_at": self._stamp(), "message_type": 0}
        return json_reply({"message_id": message_id, "message_body": said, **shown_at})

    def _write(self, user: User, sender: str, words: str) -> int:
        message_id = next(self._ids)
        stamp = self._clock().strftime("%m/%d/%y %I:%M:%S %p UTC")
        user.written.append(Written(sender=sender, text=words, message_id=message_id, timestamp=stamp))
        return message_id

    def _stamp(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%S.000Z")

    # --- what the platform says ------------------------------------------------------------------------------------
    async def _say(self, user: User, answer: haptik_bot.Answer) -> None:
        await asyncio.sleep(self._think)
        for body in answer.messages:
            await self.send_message(user, body)
        if answer.is_over:
            await self.complete(user)

    def _who(self, user: User) -> dict[str, Any]:
        if not user.agent:
            return BOT
        return {"id": 235, "name": user.agent, "is_automated": False, "email": "agent@example.com"}

    async def send_message(self, user: User, body: Any) -> None:
        """A message of the bot's, or of the agent's who has taken the chat."""
        agent = self._who(user)
        words = str(body.get("text", "")) if isinstance(body, dict) else str(body)
        message_id = self._write(user, agent["name"] if user.agent else "bot", words)
        await self._send(user, "message", agent, message={"id": message_id, "body": body})

    def _move(self, user: User, team: str, countdown: float) -> None:
        user.team = team
        self._start(self._serve(user, countdown))

    async def _serve(self, user: User, countdown: float) -> None:
        """The queue, then the agent, where there is one."""
        await asyncio.sleep(countdown)
        await self.send_message(user, haptik_bot.text("You are number one in the queue."))
        if not self._agent:
            return
        await asyncio.sleep(self._agent_after)
        user.agent = self._agent
        words = f"{user.agent} has entered the Conversation"
        payload = {"agent_name": user.agent, "team_name": user.team}
        body = {"text": words, "type": "SYSTEM", "data": {"event_name": "chat_pinned", "payload": payload}}
        await self._send(user, "chat_pinned", self._who(user), message={"id": next(self._ids), "body": body})
        await self.send_message(user, haptik_bot.text("How can I help you?"))

    async def complete(self, user: User) -> None:
        """End the conversation."""
        agent, by = self._who(user), "agent" if user.agent else "bot"
        data = {
            "conversation_no": user.conversation_no,
            "completion_type": by,
            "closing_categories": {"reason": "done", "subReason": "", "comment": ""},
        }
        user.agent = user.team = ""
        user.conversation_no += 1
        await self._send(user, "webhook_conversation_complete", agent, data=data)

    async def _send(self, user: User, event: str, agent: dict[str, Any], **rest: Any) -> None:
        about = {"auth_id": user.auth_id, "device_platform": "13", "user_name": user.name}
        head = {"version": "1.0", "timestamp": self._stamp(), "user": about}
        value = {**head, "business_id": self.account.business_id, "event_name": event, "agent": agent, **rest}
        await self.deliver(event, json.dumps(value).encode())

    # --- webhooks --------------------------------------------------------------------------------------------------
    async def deliver(self, event: str, body: bytes) -> None:
        """Send a webhook, as the script of their faults has it."""
        fault = self.webhook_faults.next()
        if fault.name == "reorder":
            self._held.append(body)
            self._start(self._release_late(body))
            return
        await self._attempt_all(event, body, fault)
        if fault.name == "duplicate":
            await self._attempt_all(event, body, Fault("ok"))
        while self._held:
            await self._attempt_all(event, self._held.pop(0), Fault("ok"))

    async def _release_late(self, body: bytes) -> None:
        """What was to come after the next webhook does not wait for ever."""
        await asyncio.sleep(1.0)
        if body in self._held:
            self._held.remove(body)
            await self._attempt_all("message", body, Fault("ok"))

    async def _attempt_all(self, event: str, body: bytes, fault: Fault) -> None:
        spoiled = instead(fault) if fault.name in ("garbage", "oversized", "deep") else None
        if fault.name == "slow":
            await asyncio.sleep(fault.value or 0)
        sent = body if spoiled is None else spoiled.body
        if await self._attempt(event, sent, fault):
            return
        if fault.name == "wrong-token":
            sent = body  # the next attempt is signed as it should be
        self._start(self._insist(event, sent))

    async def _insist(self, event: str, body: bytes) -> None:
        for delay in SENT_AGAIN_AFTER:
            await asyncio.sleep(delay)
            if await self._attempt(event, body, Fault("ok")):
                return
        self.is_disabled = True

    async def _attempt(self, event: str, body: bytes, fault: Fault) -> bool:
        """Whether a webhook was answered with 200."""
        if not self.webhook or self.is_disabled:
            return True
        signature = hmac.new(self.secret.encode(), body, hashlib.sha1).hexdigest()
        if fault.name == "wrong-token":
            signature = "0" * 40
        headers = {"content-type": "application/json", "x-hub-signature": f"sha1={signature}"}
        at, status = asyncio.get_running_loop().time(), None
        with suppress(httpx.HTTPError):
            status = (await self._client.post(self.webhook, content=body, headers=headers)).status_code
        self.deliveries.append(Delivery(event=event, body=body, at=at, status=status))
        return status == 200


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab haptik`."""
    about = "A Haptik bot to call, and its agents."
    parser = lab_parser("haptik", about, port=9101, faults="ok,500*2,duplicate")
    parser.add_argument("--webhook", default="", metavar="URL", help="where the gateway takes webhooks")
    parser.add_argument("--token", default="lab-token")
    parser.add_argument("--client-id", default="lab-client")
    parser.add_argument("--secret", default="lab-secret", help="signs webhooks")
    parser.add_argument("--agent", default="Prateek", metavar="NAME", help="empty: nobody takes chats")
    parser.add_argument("--agent-after", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--think", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--webhook-faults", default="", help="such as ok,wrong-token,deep")
    return run_lab(parser, argv, lambda given: LabHaptik(**vars(given)))
