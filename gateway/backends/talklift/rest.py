"""The REST endpoints of TalkLift that a customer's backend calls: token, slot feedback, messages.

TalkLift is an application of Django REST framework, so errors are worded as that does (its documentation, November
2026). A token is compared in constant time; five wrong logins a minute from one address are enough. Projects that are
behind one address are told apart by the token and by the number that is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl

import structlog

from gateway.backends.talklift.desk import Caller, Desk
from gateway.backends.talklift.doors import Address, Doors
from gateway.backends.talklift.settings import TalkliftBotSection, UserSection
from gateway.backends.talklift.steering import NOT_FOUND, Steered, whole, words_of
from gateway.errors import RemoteProtocolError
from gateway.kit.budget import SlidingWindow
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.kit.signature import equal, hmac_hex
from gateway.routes import HttpReply, HttpRequest, Webhook

TOKEN_PATH = "/api-token-auth/"
UPDATE_PATH = "/api/v1/session-slot-states/update_from_webhook/"
MESSAGE_PATH = "/api/v1/sessions/send_message/"
MAX_BODY_BYTES = 256 << 10
WRONG_LOGINS = 5  # in a minute and from one address
MINUTE = 60.0
MAX_ADDRESSES = 10_000
SESSION_KEYS = ("session", "session_id", "project_id")
What = Literal["update", "message"]

log = structlog.get_logger()


class Refused(Exception):
    """A request that is answered at once."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def reply(status: int, body: Any, headers: Mapping[str, str] | None = None, unknown: str | None = None) -> HttpReply:
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return HttpReply(status=status, body=content, headers=headers or {}, unknown_call=unknown)


def token_of(user: UserSection) -> str:
    """A user's token, always the same, in every project he is in: as configured, else made of the password."""
    if user.token is not None:
        return user.token.get_secret_value()
    return hmac_hex(user.password.get_secret_value(), f"talklift {user.username}", "sha1")


class Endpoints:
    """Serves one project's endpoints.

    Args:
        now: Monotonic seconds.
        doors: Who else is behind the same addresses.
    """

    def __init__(
        self,
        name: str,
        settings: TalkliftBotSection,
        desk: Desk,
        now: Callable[[], float],
        doors: Doors[Endpoints] | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._desk = desk
        self._now = now
        self._doors: Doors[Endpoints] = Doors() if doors is None else doors
        self._tokens = {user.username: token_of(user) for user in settings.users}
        self._wrong: dict[str, SlidingWindow] = {}
        for address in self._addresses:
            self._doors.join(address, self)

    @property
    def _addresses(self) -> list[Address]:
        """Below a path of the project's own, and at the root of the listener."""
        own, listen = ("", self._settings.base_path), self._settings.listen
        return [own] if listen is None else [own, (listen.strip(), "")]

    @property
    def routes(self) -> Sequence[Webhook]:
        """Each path with and without its slash, at each address."""
        handlers = {TOKEN_PATH: self._log_in, UPDATE_PATH: self._update, MESSAGE_PATH: self._message}
        return [
            Webhook(
                path=address[1] + spelled,
                methods=("POST",),
                handle=partial(handle, address),
                max_bytes=MAX_BODY_BYTES,
                listen=address[0] or None,
            )
            for path, handle in handlers.items()
            for spelled in (path, path.rstrip("/"))
            for address in self._addresses
        ]

    # --- token -----------------------------------------------------------------------------------------------------
    async def _log_in(self, address: Address, request: HttpRequest) -> HttpReply:
        """`POST /api-token-auth/`: the field is called username and holds the e-mail address."""
        try:
            body = _object(request, is_form_taken=True)
        except Refused as refused:
            return refused.reply
        missing = {name: ["This field is required."] for name in ("username", "password") if name not in body}
        if missing:
            return reply(400, missing)
        wrong = self._wrong.get(request.peer)
        if wrong is not None and wrong.free_in() > 0:
            return reply(429, {"detail": "Request was throttled."}, {"Retry-After": str(int(wrong.free_in()) + 1)})
        name, password = words_of(body["username"]), str(body["password"])
        tokens = [token for each in self._doors.behind(address) for token in each.tokens_of(name, password)]
        if not tokens:
            self._count_wrong(request.peer)
            return reply(400, {"non_field_errors": ["Unable to log in with provided credentials."]})
        return reply(200, {"token": tokens[0]})

    def tokens_of(self, name: str, password: str) -> list[str]:
        """The token of who logs in; every user is compared, so that the time taken says nothing."""
        return [
            self._tokens[user.username]
            for user in self._settings.users
            if equal(user.username, name) & equal(user.password.get_secret_value(), password)
        ]

    def _count_wrong(self, peer: str) -> None:
        if peer not in self._wrong and len(self._wrong) >= MAX_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(peer, SlidingWindow(WRONG_LOGINS, MINUTE, self._now)).take()
        log.warning("wrong login", bot=self._name, peer=peer)

    # --- the others ------------------------------------------------------------------------------------------------
    async def _update(self, address: Address, request: HttpRequest) -> HttpReply:
        """`POST .../update_from_webhook/`."""
        return self._steer(address, request, "update")

    async def _message(self, address: Address, request: HttpRequest) -> HttpReply:
        """`POST .../send_message/`."""
        return self._steer(address, request, "message")

    def _steer(self, address: Address, request: HttpRequest, what: What) -> HttpReply:
        try:
            allowed = self._authenticated(address, request)
            body = _object(request)
        except Refused as refused:
            return refused.reply
        name = "id" if what == "update" else "session_id"
        number = whole(body.get(name))
        if number is None:
            return reply(400, {name: ["A valid integer is required." if name in body else "This field is required."]})
        caller = next((found for each in allowed if (found := each.caller(what, number)) is not None), None)
        if caller is None:
            return reply(404, {"detail": NOT_FOUND}, unknown=self._claimed(what, body))
        try:
            steered: Steered = caller.update(body) if what == "update" else caller.message(body)
        except RemoteProtocolError as error:
            return reply(429, {"detail": error.hint})
        return reply(steered.status, steered.body)

    def caller(self, what: What, number: int) -> Caller | None:
        """Who has this slot state, or this session."""
        return (self._desk.states if what == "update" else self._desk.sessions).get(number)

    def _claimed(self, what: What, body: Mapping[str, Any]) -> str:
        """What the call that is meant has claimed, wherever it is."""
        kind, key, about = ("story", "story_state", "project") if what == "update" else SESSION_KEYS
        project = whole(body.get(about))
        return f"talklift {self._settings.project if project is None else project} {kind} {whole(body.get(key))}"

    def _authenticated(self, address: Address, request: HttpRequest) -> list[Endpoints]:
        """The projects a token is good for. Raises Refused."""
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "token" or not token.strip():
            words = "Authentication credentials were not provided."
        elif allowed := [each for each in self._doors.behind(address) if each.is_token(token.strip())]:
            return allowed
        else:
            words = "Invalid token."
        raise Refused(reply(401, {"detail": words}, {"WWW-Authenticate": "Token"}))

    def is_token(self, token: str) -> bool:
        """Whether it is one of this project's users'; all are compared."""
        return any([equal(known, token) for known in self._tokens.values()])  # noqa: C419


def _object(request: HttpRequest, *, is_form_taken: bool = False) -> dict[str, Any]:
    """The body. Raises Refused."""
    if is_form_taken and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        value = parse_json(request.body)
    except JsonRefused as refused:
        raise Refused(reply(400, {"detail": f"JSON parse error - {refused.reason}"})) from None
    if not isinstance(value, dict):
        words = f"Invalid data. Expected a dictionary, but got {type(value).__name__}."
        raise Refused(reply(400, {"non_field_errors": [words]}))
    return value
