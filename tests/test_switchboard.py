"""Webhooks of bots across reloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.routes import HttpReply, HttpRequest, Webhook
from gateway.switchboard import MAX_GENERATIONS, Switchboard

pytestmark = pytest.mark.asyncio
PATH = "/in/acme"


@dataclass
class Bot:
    """A backend as its webhooks see it: it knows the calls it has."""

    name: str
    calls: set[str] = field(default_factory=set)
    paths: tuple[str, ...] = (PATH,)

    @property
    def routes(self) -> Sequence[Webhook]:
        return [Webhook(path=path, methods=("POST",), handle=self.handle) for path in self.paths]

    async def handle(self, request: HttpRequest) -> HttpReply:
        key = request.body.decode()
        return HttpReply(body=self.name.encode(), unknown_call=None if key in self.calls else key)


def some(**bots: Bot) -> dict[str, Any]:
    """Bots by name, of which only the routes are looked at."""
    return dict(bots)


async def asked(board: Switchboard, call: str, path: str = PATH) -> tuple[str, str | None]:
    hook = next(hook for hook in board.routes if hook.path == path)
    reply = await hook.handle(HttpRequest(method="POST", path=path, url="", headers={}, query={}, body=call.encode()))
    return reply.body.decode(), reply.unknown_call


async def test_the_bot_that_has_the_call_answers_whenever_it_was_made():
    old, new = Bot("old", {"first"}), Bot("new", {"second"})
    board = Switchboard(some(sales=old))
    assert await asked(board, "first") == ("old", None)
    assert board.change(some(sales=new)) == []
    assert await asked(board, "first") == ("old", None)
    assert await asked(board, "second") == ("new", None)


async def test_of_a_call_nobody_knows_the_newest_says_so():
    board = Switchboard(some(sales=Bot("old")))
    board.change(some(sales=Bot("new")))
    assert await asked(board, "x") == ("new", "x")


async def test_a_bot_that_has_not_changed_or_is_gone_goes_on():
    kept, gone = Bot("kept", {"a"}), Bot("gone", {"b"}, ("/in/gone",))
    board = Switchboard(some(sales=kept, other=gone))
    for _ in range(3):
        assert board.change(some(sales=kept)) == []
    assert await asked(board, "a") == ("kept", None)
    assert await asked(board, "b", "/in/gone") == ("gone", None)


async def test_webhooks_that_are_new_or_have_moved_need_a_restart():
    old = Bot("old", {"a"})
    board = Switchboard(some(sales=old))
    moved = some(sales=Bot("moved", {"b"}, ("/in/elsewhere",)), more=Bot("more"), calm=Bot("calm", paths=()))
    assert board.change(moved) == ["sales", "more"]
    assert [hook.path for hook in board.routes] == [PATH]
    assert await asked(board, "a") == ("old", None)


async def test_what_lies_too_many_changes_back_is_not_asked_any_more():
    board = Switchboard(some(sales=Bot("first", {"a"})))
    for number in range(1, MAX_GENERATIONS):
        board.change(some(sales=Bot(f"{number}")))
    assert await asked(board, "a") == ("first", None)
    board.change(some(sales=Bot("last")))
    assert await asked(board, "a") == ("last", "a")
