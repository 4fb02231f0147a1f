"""A customer's backend as TalkLift knows it: takes webhooks, logs in, updates slots, sends messages.

Built from TalkLift's developer reference. It calls REST endpoints that are where TalkLift has them, so that the gateway
is TalkLift to it. Faults of its answers to webhooks come from one script, of its own requests from another: those may
come twice, in the wrong order or with a wrong token. `--semantics sample` copies the reference's sample, in which an
update does not say that the slot is done. The other way round, `LabTalkliftAccount` is a real account to write to.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from gateway.lab.base import Lab, SendingLab, lab_parser, run_lab
from gateway.lab.faults import Fault, FaultScript, instead, parted
from gateway.lab.server import LabReply, LabRequest, json_reply
from gateway.lab.talklift_backend import Reaction, react

TOKEN = "/api-token-auth/"
UPDATE = "/api/v1/session-slot-states/update_from_webhook/"
MESSAGE = "/api/v1/sessions/send_message/"
ANSWER_WITHIN = 10.0  # s for the gateway to answer
DEEP = b"[" * 20_000 + b"]" * 20_000
Semantics = Literal["flags", "sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One of the backend's own requests, and the status it got; None: no answer."""

    path: str
    body: Any
    at: float
    status: int | None


class LabTalklift(SendingLab):
    """The backend. Use it as an asynchronous context manager.

    Args:
        gateway: Where TalkLift's endpoints are, without a slash; may be set later.
        user, password: Who it logs in as.
        basic: ``user:password`` its own endpoint asks for; empty: nobody is asked.
        think: Seconds it takes to check something.
        early: Call the endpoints before the webhook is answered.
    """

    def __init__(
        self,
        *,
        gateway: str = "",
        user: str = "name@example.com",
        password: str = "xxx",
        basic: str = "",
        semantics: Semantics = "flags",
        think: float = 0.3,
        early: bool = False,
        faults: str = "",
        request_faults: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        of_answers, of_requests = parted(faults)
        super().__init__(within=ANSWER_WITHIN, faults=of_answers, host=host, port=port)
        self.request_faults = FaultScript(request_faults)
        self.request_faults.add(of_requests)
        self.gateway = gateway
        self.sent: list[Sent] = []
        self._login = {"username": user, "password": password}
        self._basic = basic
        self._semantics = semantics
        self._think = think
        self._early = early
        self._token = ""
        self._held: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        """The endpoint a project's webhook names."""
        return self.server.url + "/webhook"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The webhooks that came, in order."""
        return [request.json() for request in self.server.requests]

    def announcement(self) -> str:
        return (
            f"TalkLift lab at {self.url}\n"
            f"  it answers to {self.gateway or 'nobody'}; membership number 209192092, one-time password 4711"
        )

    def _refusal(self, status: int, message: str) -> LabReply:
        return json_reply({"detail": message}, status)

    # --- webhooks --------------------------------------------------------------------------------------------------
    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        reply, event = self._taken(request)
        if event is not None:
            work = self._react(event)
            if self._early:
                await work
            else:
                self._start(work)
        return reply

    def _taken(self, request: LabRequest) -> tuple[LabReply, dict[str, Any] | None]:
        if request.method != "POST" or request.path != "/webhook":
            return json_reply({"detail": "Not found."}, 404), None
        expected = "Basic " + base64.b64encode(self._basic.encode()).decode() if self._basic else None
        if request.headers.get("authorization") != expected:
            return json_reply({"detail": "who are you?"}, 401), None
        try:
            event = request.json()
            assert isinstance(event["event_name"], str)
            assert len(event["payload"]) == 1
        except (ValueError, KeyError, TypeError, AssertionError):
            return json_reply({"detail": "no event"}, 400), None
        return json_reply({"received": True}), event

    async def _react(self, event: dict[str, Any]) -> None:
        await asyncio.sleep(0.0 if self._early else self._think)
        reaction, entry = react(event), event["payload"][0]
        if reaction.says or reaction.buttons:
            await self.post(MESSAGE, self.message(entry, reaction))
        if reaction.is_done is not None:
            await self.post(UPDATE, self.update(entry, reaction))

    def message(self, entry: Mapping[str, Any], reaction: Reaction) -> dict[str, Any]:
        """A message as in the reference's sample."""
        about = {"session_id": entry["session"], "channel": "MESSENGER", "sender": "BOT"}
        ids = {"org_id": entry["org"], "project_id": entry["project"]}
        buttons = {"buttons": list(reaction.buttons)} if reaction.buttons else {}
        return {**about, "text": " ".join(reaction.says), **ids, **buttons}

    def update(self, entry: Mapping[str, Any], reaction: Reaction) -> dict[str, Any]:
        """The slot's state, as in the reference's sample; with `flags`, done when it is."""
        states = entry["slot_state"]["slot_states"]
        state = next(state for state in states if state["waiting_response"])
        is_done = bool(reaction.is_done) and self._semantics == "flags"
        if self._semantics == "sample" and not reaction.is_done:
            return {**state, "data": None, "project": entry["project"], "org": entry["org"]}
        done = {**state, "data": reaction.data, "is_done": is_done, "waiting_response": not is_done}
        return {**done, "project": entry["project"], "org": entry["org"]}

    # --- its own requests ------------------------------------------------------------------------------------------
    async def log_in(self) -> str:
        """A token; the field is called username and holds the e-mail address."""
        answer = await self._client.post(self.gateway + TOKEN, json=self._login)
        self._token = answer.json().get("token", "") if answer.status_code == 200 else ""
        return self._token

    async def post(self, path: str, body: Any) -> None:
        """One request, as the script of their faults has it."""
        if not self.gateway:
            return
        fault = self.request_faults.next()
        if fault.name == "reorder":
            self._held.append((path, body))
            return
        await self._post(path, body, fault)
        if fault.name == "duplicate":
            await self._post(path, body, Fault("ok"))
        while self._held:
            await self._post(*self._held.pop(0), Fault("ok"))

    async def _post(self, path: str, body: Any, fault: Fault) -> None:
        if not self._token:
            with suppress(httpx.HTTPError):
                await self.log_in()
        token = "0" * 40 if fault.name == "wrong-token" else self._token
        headers = {"authorization": f"Token {token}", "content-type": "application/json"}
        spoiled = instead(fault) if fault.name in ("garbage", "oversized") else None
        at, status = asyncio.get_running_loop().time(), None
        with suppress(httpx.HTTPError):
            if spoiled is not None or fault.name == "deep":
                content = DEEP if spoiled is None else spoiled.body
                answer = await self._client.post(self.gateway + path, content=content, headers=headers)
            else:
                answer = await self._client.post(self.gateway + path, json=body, headers=headers)
            status = answer.status_code
        self.sent.append(Sent(path=path, body=body, at=at, status=status))
        if fault.name == "wrong-token":
            await self._post(path, body, Fault("ok"))


class LabTalkliftAccount(Lab):
    """A real account of TalkLift's to write to: tokens, sessions, slots.

    Args:
        sessions: Ids of the sessions there are.
    """

    def __init__(
        self,
        *,
        user: str = "name@example.com",
        password: str = "xxx",
        token: str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b",
        org: int = 22121,
        project: int = 2022,
        sessions: tuple[int, ...] = (29289,),
        faults: str = "",
    ) -> None:
        super().__init__(faults=faults)
        self._login = {"username": user, "password": password}
        self.token = token
        self._org = org
        self._project = project
        self._sessions = sessions
        self.messages: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []

    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        try:
            body = request.json()
        except ValueError:
            return json_reply({"detail": "JSON parse error"}, 400)
        if request.path == TOKEN:
            if body != self._login:
                return json_reply({"non_field_errors": ["Unable to log in with provided credentials."]}, 400)
            return json_reply({"token": self.token})
        if request.headers.get("authorization") != f"Token {self.token}":
            return json_reply({"detail": "Invalid token."}, 401)
        if request.path == MESSAGE:
            return self._message(body)
        if request.path == UPDATE:
            self.updates.append(body)
            return json_reply({key: body[key] for key in body if key not in ("org", "project")})
        return json_reply({"detail": "Not found."}, 404)

    def _message(self, body: dict[str, Any]) -> LabReply:
        if (body.get("org_id"), body.get("project_id")) != (self._org, self._project):
            return json_reply({"detail": "You do not have permission to perform this action."}, 403)
        if body.get("session_id") not in self._sessions:
            return json_reply({"detail": "Not found."}, 404)
        self.messages.append(body)
        return json_reply({"status": "ok"})


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab talklift`."""
    parser = lab_parser("talklift", "A customer's backend for TalkLift.", port=9101)
    parser.add_argument("--gateway", default="", metavar="URL", help="where TalkLift's endpoints are")
    parser.add_argument("--user", default="name@example.com")
    parser.add_argument("--password", default="xxx")
    parser.add_argument("--basic", default="", metavar="USER:PASSWORD", help="asked for by its own endpoint")
    parser.add_argument("--semantics", choices=["flags", "sample"], default="flags")
    parser.add_argument("--think", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--early", action="store_true", help="update a slot before its webhook is answered")
    parser.add_argument("--request-faults", default="", help="such as ok,wrong-token,deep")
    return run_lab(parser, argv, lambda given: LabTalklift(**vars(given)))
