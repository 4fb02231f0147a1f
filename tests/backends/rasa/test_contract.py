"""The contract of every chat backend, kept by the channels: whole answers, streamed ones, and callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from gateway.backends.rasa.client import RasaBackend
from gateway.backends.rasa.settings import RasaBotSection
from gateway.caller_events import CallStarted, UserText
from gateway.errors import RemoteProtocolError, VendorUnavailable
from gateway.events import CallInfo
from gateway.http.webhooks import webhook_route
from gateway.kit.http import HttpClient
from gateway.kit.outbox import MAX_BATCHES
from gateway.lab.rasa import LabRasa
from gateway.routes import HttpReply, HttpRequest
from tests.contracts.test_backends import CHECKS, Check, OpenRig, Rig, every
from tests.fakes.shared_port import served

pytestmark = pytest.mark.asyncio

TOKEN = "0123456789abcdef"
BY_CALLBACK = {"channel": "callback", "callback_token": TOKEN}


def backend_of(url: str, http: HttpClient, waits: list[float] | None = None, **settings: Any) -> RasaBackend:
    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)
        await asyncio.sleep(0)

    return RasaBackend("my bot", RasaBotSection.model_validate({"url": url, **settings}), http, sleep=sleep)


@asynccontextmanager
async def plain() -> AsyncIterator[Rig]:
    async with LabRasa() as lab, HttpClient() as http:
        yield Rig(backend_of(lab.url, http), lab.server.stop)


@asynccontextmanager
async def streamed() -> AsyncIterator[Rig]:
    async with LabRasa() as lab, HttpClient() as http:
        yield Rig(backend_of(lab.url, http, stream=True), lab.server.stop)


@asynccontextmanager
async def by_callback() -> AsyncIterator[Rig]:
    """With the token in the path of a bot whose name has a blank in it."""
    async with LabRasa(slow=0.0) as lab, HttpClient() as http:
        backend = backend_of(lab.url, http, **BY_CALLBACK)
        port = Starlette(routes=[webhook_route(route, None, lambda *_: None) for route in backend.routes])
        async with served(port) as address:
            lab.callback_url = f"http://{address}/in/rasa/my%20bot/{TOKEN}"
            yield Rig(backend, lab.server.stop)


def as_webhook(body: bytes, **proof: Any) -> HttpRequest:
    fields = {"headers": {}, "query": {}, **proof}
    return HttpRequest(method="POST", path="/in/rasa/my%20bot", url="", body=body, **fields)


@pytest.mark.parametrize("open_rig", [plain, streamed, by_callback])
@every(CHECKS)
async def test_contract(check: Check, open_rig: OpenRig) -> None:
    await check(open_rig)


@pytest.mark.parametrize(
    ("proof", "status"),
    [
        ({"query": {"token": TOKEN}}, 404),
        ({"path_params": {"token": TOKEN}}, 404),
        ({"headers": {"authorization": f"Bearer {TOKEN}"}}, 404),
        ({"query": {"token": TOKEN + "x"}}, 401),
        ({}, 401),
    ],
)
async def test_a_webhook_needs_its_token_and_a_call(proof: dict[str, Any], status: int) -> None:
    async with HttpClient() as http:
        backend = backend_of("http://127.0.0.1:1", http, **BY_CALLBACK)
        assert [route.path for route in backend.routes] == ["/in/rasa/my bot", "/in/rasa/my bot/{token}"]
        reply = await backend.routes[0].handle(as_webhook(b'{"recipient_id":"c1"}', **proof))
        assert (reply.status, reply.unknown_call) == (status, "c1" if status == 404 else None)
        refused = await backend.routes[0].handle(as_webhook(b'{"text":"a"}', query={"token": TOKEN}))
        assert refused == HttpReply(status=400, body=b'{"error":"there is no recipient_id"}')


async def test_more_than_a_call_can_take_is_refused() -> None:
    async with HttpClient() as http:
        backend = backend_of("http://127.0.0.1:1", http, **BY_CALLBACK)
        claimed: list[str] = []
        async with backend.open_chat(CallInfo(call_id="c1"), claimed.append):
            said = as_webhook(b'{"recipient_id":"c1","text":"a"}', query={"token": TOKEN})
            for _ in range(MAX_BATCHES):
                assert (await backend.routes[0].handle(said)).status == 200
            with pytest.raises(RemoteProtocolError, match="more replies"):
                await backend.routes[0].handle(said)
        assert claimed == ["c1"]


async def test_what_the_bot_cannot_have_seen_is_sent_again_once() -> None:
    waits: list[float] = []
    async with LabRasa(faults="503,ok,429:3,ok,500,ok") as lab, HttpClient() as http:
        backend = backend_of(lab.url, http, waits)
        async with backend.open_chat(CallInfo(call_id="c1"), lambda key: None) as chat:
            await chat.send(CallStarted())
            await chat.send(UserText(turn=1, text="hello"))
            assert (waits, len(lab.requests)) == ([1.0, 3.0], 4)
            with pytest.raises(VendorUnavailable, match="status 500"):
                await chat.send(UserText(turn=2, text="hello"))
            await lab.server.stop()
            with pytest.raises(VendorUnavailable, match="no answer"):
                await chat.send(UserText(turn=3, text="hello"))
    assert waits == [1.0, 3.0, 1.0]
    assert len(lab.requests) == 5


@pytest.mark.parametrize(("settings", "problems"), [({}, []), ({"token": "t"}, ["url"]), ({"bearer": "t"}, ["url"])])
async def test_a_token_in_the_open_is_a_problem(settings: dict[str, str], problems: list[str]) -> None:
    async with HttpClient() as http:
        assert [problem.field for problem in await backend_of("http://rasa", http, **settings).check()] == problems
        assert await backend_of("https://rasa", http, **settings).check() == []


async def test_capabilities_follow_the_settings() -> None:
    async with HttpClient() as http:
        plain = backend_of("http://rasa", http).capabilities
        told = backend_of(
            "http://rasa", http, every_silence=True, transfer_failed_message="/x", **BY_CALLBACK
        ).capabilities
    assert (plain.pushes, plain.wants_no_input, plain.transfer_feedback) == (False, False, False)
    assert (told.pushes, told.wants_no_input, told.transfer_feedback) == (True, True, True)
