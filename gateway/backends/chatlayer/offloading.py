"""The door for a bot that gives its user to a person: by telephone, somebody the caller is put through to.

Source: the vendor's public page "Offloading Webhook" (November 2026). It shows no proof of origin in what is posted, so
the verify token is asked for, in the body or in the address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from gateway.backends.chatlayer.protocol import Delivery, parse_delivery
from gateway.backends.chatlayer.webhook import health, said
from gateway.errors import RemoteProtocolError
from gateway.kit.signature import equal
from gateway.routes import HttpReply, HttpRequest

TOKEN_PARAMETER = "verifyToken"

log = structlog.get_logger()


class Offloadable(Protocol):
    """A call whose caller can be given to a person."""

    def offload(self) -> bool:
        """Put the caller through; False when that cannot be begun."""
        ...


class Desk:
    """One bot's offloading webhook: the people behind it are the number it transfers to.

    Args:
        find: The call of a conversation's id.
    """

    def __init__(self, name: str, verify_token: str, find: Callable[[str], Offloadable | None]) -> None:
        self._name = name
        self._verify_token = verify_token
        self._find = find

    async def handle(self, request: HttpRequest) -> HttpReply:
        if request.method == "GET":
            return health(request, self._verify_token)
        try:
            told = parse_delivery(request.body)
        except RemoteProtocolError as error:
            return said(400, {"error": error.hint})
        if not equal(self._verify_token, told.token or request.query.get(TOKEN_PARAMETER, "")):
            log.warning("offloading with a wrong verify token", bot=self._name)
            return said(401, {"error": "wrong verify token"})
        if told.event == "offload":
            return self._offloaded(told)
        return said(200, {"status": "ok"})  # `messages`, for people who read along

    def _offloaded(self, told: Delivery) -> HttpReply:
        """A transfer is begun, or not; how it ends comes too late for this answer."""
        chat = next((chat for name in told.ids if (chat := self._find(name)) is not None), None)
        is_begun = chat is not None and chat.offload()
        known = told.ids[-1] if chat is None and told.ids else None
        return said(200, {"offloadSuccess": is_begun, "pauseBot": is_begun}, unknown_call=known)
