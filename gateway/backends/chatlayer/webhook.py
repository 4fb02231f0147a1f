"""The door for the bot's messages: who sent it, whose it is, and what the platform is answered, at once.

The platform delivers again, three times, after any failing answer; so what nobody waits for is answered as taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from gateway.backends.chatlayer.protocol import EVENT_RECEIVED, Delivery, parse_delivery
from gateway.errors import ConfigError, RemoteProtocolError
from gateway.kit.signature import equal
from gateway.routes import HttpReply, HttpRequest

MAX_BYTES = 256 * 1024
CHALLENGE = "challenge.verifyToken"  # the platform's health check of such an address ("Offloading Webhook")
RECEIVED = HttpReply(status=200, body=EVENT_RECEIVED.encode(), content_type="text/plain; charset=utf-8")

log = structlog.get_logger()


class Receiver(Protocol):
    """A call that takes messages."""

    def receive(self, delivery: Delivery) -> bool:
        """Take a message; False when there is no room for it now."""
        ...


def path_of(name: str) -> str:
    """The path of a bot's webhook. Raises ConfigError for a name that cannot stand in one."""
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", name):
        raise ConfigError(f"the name {name!r} stands in the webhook's address: letters, digits, - . _ ~", field="bots")
    return f"/in/chatlayer/{name}"


class Inlet:
    """One bot's webhook.

    Args:
        find: The call of a conversation's id.
    """

    def __init__(self, name: str, verify_token: str, find: Callable[[str], Receiver | None]) -> None:
        self._name = name
        self._verify_token = verify_token
        self._find = find

    async def handle(self, request: HttpRequest) -> HttpReply:
        if request.method == "GET":
            return health(request, self._verify_token)
        try:
            delivery = parse_delivery(request.body)
        except RemoteProtocolError as error:
            return said(400, {"error": error.hint})
        if not equal(self._verify_token, delivery.token):
            log.warning("message with a wrong verify token", bot=self._name)
            return said(401, {"error": "wrong verify token"})
        if delivery.message is None:
            return said(400, {"error": "there is no message"})
        return self._taken(delivery)

    def _taken(self, delivery: Delivery) -> HttpReply:
        chat = next((chat for name in delivery.ids if (chat := self._find(name)) is not None), None)
        if chat is None:
            known = delivery.ids[-1] if delivery.ids else None
            return said(200, {"status": "ignored"}, unknown_call=known)
        if not chat.receive(delivery):
            return said(503, {"error": "too many messages"})
        return RECEIVED


def health(request: HttpRequest, verify_token: str) -> HttpReply:
    """The platform asks whether this is the right address."""
    is_right = equal(verify_token, request.query.get(CHALLENGE, ""))
    return said(200, {"status": "ok"}) if is_right else said(401, {"error": "wrong verify token"})


def said(status: int, body: dict[str, Any], *, unknown_call: str | None = None) -> HttpReply:
    """An answer in JSON."""
    written = json.dumps(body).encode()
    kind = "application/json; charset=utf-8"
    return HttpReply(status=status, body=written, content_type=kind, unknown_call=unknown_call)
