"""The REST endpoints of TalkLift that a customer's backend calls: token, slot feedback, messages.

TalkLift is an application of Django REST framework, so errors are worded as that does (its documentation, November
2026). A token is compared in constant time; five wrong logins a minute from one address are enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qsl

import structlog

from gateway.backends.talklift.desk import Desk
from gateway.backends.talklift.settings import TalkliftBotSection, UserSection
from gateway.backends.talklift.steering import NOT_FOUND, Steered, detail, whole, words_of
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

log = structlog.get_logger()


class Refused(Exception):
    """A request that is answered at once."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def reply(status: int, body: Any, headers: Mapping[str, str] | None = None, unknown: str | None = None) -> HttpReply:
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return HttpReply(status=status, body=content, headers=headers or {}, unknown_call=unknown)


def token_of(user: UserSection, project: int) -> str:
    """A user's token, always the same: as configured, else made of the password."""
    if user.token is not None:
        return user.token.get_secret_value()
    return hmac_hex(user.password.get_secret_value(), f"talklift {project} {user.username}", "sha1")


class Endpoints:
    """Serves one project's endpoints.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, name: str, settings: TalkliftBotSection, desk: Desk, now: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._desk = desk
        self._now = now
        self._tokens = {user.username: token_of(user, settings.project) for user in settings.users}
        self._wrong: dict[str, SlidingWindow] = {}

    @property
    def routes(self) -> Sequence[Webhook]:
        """Each path with and without its slash, below the project's own and at the root of the listener."""
        handlers = {TOKEN_PATH: self.token, UPDATE_PATH: self.update, MESSAGE_PATH: self.message}
        found = []
        for path, handle in handlers.items():
            for spelled in (path, path.rstrip("/")):
                own = Webhook(
                    path=self._settings.base_path + spelled, methods=("POST",), handle=handle, max_bytes=MAX_BODY_BYTES
                )
                found.append(own)
                if self._settings.listen is not None:
                    fixed = Webhook(
                        path=spelled,
                        methods=("POST",),
                        handle=handle,
                        max_bytes=MAX_BODY_BYTES,
                        listen=self._settings.listen,
                    )
                    found.append(fixed)
        return found

    # --- token -----------------------------------------------------------------------------------------------------
    async def token(self, request: HttpRequest) -> HttpReply:
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
        user = self._user(words_of(body["username"]), str(body["password"]))
        if user is None:
            self._count_wrong(request.peer)
            return reply(400, {"non_field_errors": ["Unable to log in with provided credentials."]})
        return reply(200, {"token": self._tokens[user.username]})

    def _user(self, name: str, password: str) -> UserSection | None:
        """Every user is compared, so that the time taken says nothing."""
        found = [
            user
            for user in self._settings.users
            if equal(user.username, name) & equal(user.password.get_secret_value(), password)
        ]
        return found[0] if found else None

    def _count_wrong(self, peer: str) -> None:
        if peer not in self._wrong and len(self._wrong) >= MAX_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(peer, SlidingWindow(WRONG_LOGINS, MINUTE, self._now)).take()
        log.warning("wrong login", bot=self._name, peer=peer)

    # --- the others ------------------------------------------------------------------------------------------------
    async def update(self, request: HttpRequest) -> HttpReply:
        """`POST .../update_from_webhook/`."""
        return self._steer(request, "update", f"talklift {self._settings.project} story")

    async def message(self, request: HttpRequest) -> HttpReply:
        """`POST .../send_message/`."""
        return self._steer(request, "message", f"talklift {self._settings.project} session")

    def _steer(self, request: HttpRequest, what: Literal["update", "message"], kind: str) -> HttpReply:
        try:
            self._authenticate(request)
            body = _object(request)
        except Refused as refused:
            return refused.reply
        name, known, holder = (
            ("id", self._desk.states, "story_state")
            if what == "update"
            else ("session_id", self._desk.sessions, "session_id")
        )
        number = whole(body.get(name))
        if number is None:
            return reply(400, {name: ["A valid integer is required." if name in body else "This field is required."]})
        caller = known.get(number)
        if caller is None:
            found = detail(404, NOT_FOUND)
            return reply(found.status, found.body, unknown=f"{kind} {whole(body.get(holder))}")
        try:
            steered: Steered = caller.update(body) if what == "update" else caller.message(body)
        except RemoteProtocolError as error:
            return reply(429, {"detail": error.hint})
        return reply(steered.status, steered.body)

    def _authenticate(self, request: HttpRequest) -> None:
        """Raises Refused."""
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "token" or not token.strip():
            words = "Authentication credentials were not provided."
        elif any([equal(known, token.strip()) for known in self._tokens.values()]):  # noqa: C419  all are compared
            return
        else:
            words = "Invalid token."
        raise Refused(reply(401, {"detail": words}, {"WWW-Authenticate": "Token"}))


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
