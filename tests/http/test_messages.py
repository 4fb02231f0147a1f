"""Where callers' messages lie for bots to fetch: for an hour, as long as there is room, and for nobody who guesses."""

from __future__ import annotations

import re

import pytest

from gateway.http.messages import KEPT, MessageShelf
from gateway.routes import HttpReply, HttpRequest
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.asyncio

BASE = "https://voice.example.com/talkpath"


def shelf(clock: ManualClock, max_bytes: int = 1000) -> MessageShelf:
    return MessageShelf(clock, lambda: BASE, max_bytes)


async def fetch(from_shelf: MessageShelf, url: str) -> HttpReply:
    (route,) = from_shelf.routes
    path = url.removeprefix(BASE)
    name = path.removeprefix(route.path.removesuffix("{name}"))
    request = HttpRequest(method="GET", path=path, url=url, headers={}, query={}, path_params={"name": name})
    return await route.handle(request)


async def test_a_message_is_fetched_at_its_address_as_often_as_one_likes() -> None:
    lying = shelf(ManualClock())
    one, other = lying.put(b"RIFF one"), lying.put(b"RIFF other")
    for _ in range(2):
        reply = await fetch(lying, one)
        assert (reply.status, reply.body, reply.content_type) == (200, b"RIFF one", "audio/wav")
    assert (await fetch(lying, other)).body == b"RIFF other"


async def test_addresses_are_long_random_and_never_the_same() -> None:
    lying = shelf(ManualClock())
    urls = {lying.put(b"same") for _ in range(50)}
    assert len(urls) == 50
    assert all(re.fullmatch(re.escape(BASE) + r"/messages/[A-Za-z0-9_-]{32}\.wav", url) for url in urls)
    for name in ("", "x.wav", "../messages", "%00"):
        assert (await fetch(lying, f"{BASE}/messages/{name}")).status == 404


async def test_after_an_hour_it_is_gone() -> None:
    clock = ManualClock()
    lying = shelf(clock)
    url = lying.put(b"RIFF")
    clock.advance(KEPT - 1)
    later = lying.put(b"later")
    assert (await fetch(lying, url)).status == 200
    clock.advance(1)
    assert (await fetch(lying, url)).status == 404
    assert (await fetch(lying, later)).status == 200


async def test_when_there_is_no_room_the_oldest_goes() -> None:
    lying = shelf(ManualClock(), max_bytes=1000)
    urls = [lying.put(bytes(400)) for _ in range(3)]
    assert [(await fetch(lying, url)).status for url in urls] == [404, 200, 200]
    assert (await fetch(lying, lying.put(bytes(1000)))).status == 200
    assert [(await fetch(lying, url)).status for url in urls] == [404, 404, 404]
