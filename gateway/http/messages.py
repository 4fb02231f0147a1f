"""Messages that callers have left, for bots to fetch: in memory, for an hour, each at an address nobody can guess."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.routes import HttpReply, HttpRequest, Webhook

PATH = "/messages/"
KEPT = 3600.0  # s
MAX_BYTES = 64 << 20  # of all; beyond it the oldest are gone early
NAME_BYTES = 24  # of randomness


@dataclass(frozen=True, slots=True)
class _Message:
    data: bytes
    until: float


class MessageShelf:
    """Where messages lie.

    Args:
        base: The address under which the shared port is reached, without a slash at the end.
    """

    def __init__(self, clock: Clock, base: Callable[[], str], max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._base = base
        self._max_bytes = max_bytes
        self._lying: dict[str, _Message] = {}
        self._held = 0
        self.routes = (Webhook(path=PATH + "{name}", methods=("GET",), handle=self.hand_out, max_bytes=0),)

    def put(self, wav: bytes) -> str:
        """Lay a WAV file here; returns its address."""
        name = f"{secrets.token_urlsafe(NAME_BYTES)}.wav"
        self._lying[name] = _Message(wav, self._clock.now() + KEPT)
        self._held += len(wav)
        self._tidy()
        return f"{self._base()}{PATH}{name}"

    async def hand_out(self, request: HttpRequest) -> HttpReply:
        """The file itself: who knows its name was told it by the bot's call."""
        self._tidy()
        message = self._lying.get(request.path_params.get("name", ""))
        if message is None:
            return HttpReply(status=404, body=b'{"error": "there is no such message, or no more"}')
        return HttpReply(body=message.data, content_type="audio/wav", headers={"cache-control": "no-store"})

    def _tidy(self) -> None:
        """The oldest come first, and are the first to go."""
        now = self._clock.now()
        for name, message in list(self._lying.items()):
            if message.until > now and self._held <= self._max_bytes:
                return
            self._held -= len(message.data)
            del self._lying[name]
