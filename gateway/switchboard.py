"""Webhooks of bots across reloads: routes are settled at the start, the bots behind them are not.

A reload makes a new backend for a bot whose settings have changed; calls that are up keep the one they came in by, and
only that one knows them. So a request is put to the newest first, and where nobody there knows the call, to those
before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.interfaces import Backend
from gateway.routes import HttpReply, HttpRequest, Webhook

MAX_GENERATIONS = 8  # backends of one bot that are asked: more changes than that no call lives to see


class Switchboard:
    """Stands between the served routes and the backends.

    Args:
        backends: By bot, as at the start.
    """

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._backends: dict[str, list[Backend]] = {bot: [backend] for bot, backend in backends.items()}
        self._served = {bot: tuple(backend.routes) for bot, backend in backends.items()}

    @property
    def routes(self) -> Sequence[Webhook]:
        """What is served, for every bot there was at the start."""
        return [self._routed(bot, hook) for bot, hooks in self._served.items() for hook in hooks]

    def change(self, backends: Mapping[str, Backend]) -> list[str]:
        """Ask these first from now on. Returns the bots that would have other routes than are served."""
        for bot, backend in backends.items():
            known = self._backends.setdefault(bot, [])
            if not known or known[0] is not backend:
                known.insert(0, backend)
                del known[MAX_GENERATIONS:]
        return [bot for bot, backend in backends.items() if _shape(backend.routes) != _shape(self._served.get(bot, ()))]

    def _routed(self, bot: str, served: Webhook) -> Webhook:
        async def handle(request: HttpRequest) -> HttpReply:
            return await self._put_through(bot, served, request)

        return replace(served, handle=handle)

    async def _put_through(self, bot: str, served: Webhook, request: HttpRequest) -> HttpReply:
        first: HttpReply | None = None
        for hook in self._hooks(bot, served):
            reply = await hook.handle(request)
            if reply.unknown_call is None:
                return reply
            first = first or reply
        return first or await served.handle(request)

    def _hooks(self, bot: str, served: Webhook) -> list[Webhook]:
        wanted = _shape([served])
        return [hook for backend in self._backends[bot] for hook in backend.routes if _shape([hook]) == wanted]


def _shape(hooks: Sequence[Webhook]) -> list[tuple[str, tuple[str, ...], str | None]]:
    return sorted(((hook.path, hook.methods, hook.listen) for hook in hooks), key=repr)
