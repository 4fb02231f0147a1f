"""Webhooks over a real socket: what a sender may do to them, and what is counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.actions import ActionBatch, Say
from gateway.errors import RemoteProtocolError
from gateway.http.guard import Guard
from gateway.http.metrics import Metrics
from gateway.http.port import build, build_listener
from gateway.http.replies import BODY_WITHIN
from gateway.http.webhooks import MAX_AT_ONCE
from gateway.kit.jsonbody import parse_json
from gateway.kit.outbox import Outbox
from gateway.routes import HttpReply, HttpRequest, Webhook
from tests.fakes.control import FakeControl
from tests.fakes.shared_port import served
from tests.fakes.virtual_loop import elapsed, virtual_time

Handle = Callable[[HttpRequest], Awaitable[HttpReply]]
HOOK = "/in/acme/{route}"
MANY = httpx.Limits(max_connections=None)


async def read(request: HttpRequest) -> HttpReply:
    return HttpReply(body=json.dumps(parse_json(request.body)).encode())


def hook(handle: Handle = read, **more: Any) -> Webhook:
    return Webhook(path=HOOK, methods=("POST",), handle=handle, max_bytes=1000, **more)


@asynccontextmanager
async def asking(hooks: Sequence[Webhook], metrics: Metrics | None = None) -> AsyncIterator[httpx.AsyncClient]:
    observe = (metrics or Metrics()).webhook_served
    app = build(FakeControl(), hooks, guard=Guard(token="t"), observe=observe)
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=100, limits=MANY, trust_env=False) as client,
    ):
        yield client


@asynccontextmanager
async def raw(client: httpx.AsyncClient) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a sender may do what no library lets him do."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def head(*headers: str) -> bytes:
    return "\r\n".join(["POST /in/acme/7 HTTP/1.1", "Host: gateway", *headers, "", ""]).encode()


# --- bodies --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_what_is_too_long_is_refused_and_hung_up_on():
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"1" * 100

    async with asking([hook()]) as client:
        announced = await client.post("/in/acme/7", content=b"1" * 1001)
        assert (announced.status_code, announced.headers["connection"]) == (413, "close")
        assert (await client.post("/in/acme/7", content=chunks())).status_code == 413
        assert (await client.post("/in/acme/7", content=b'"' + b"1" * 998 + b'"')).status_code == 200


@virtual_time
async def test_a_body_without_a_length_is_no_body():
    async with asking([hook()]) as client, raw(client) as (reader, writer):
        writer.write(head())
        assert b" 400 " in await reader.readline()


@virtual_time
async def test_a_body_that_drips_is_cut():
    async with asking([hook()]) as client, raw(client) as (reader, writer):
        writer.write(head("Content-Length: 900", "Content-Type: application/json"))
        answering = asyncio.create_task(reader.readline())
        while not answering.done():
            writer.write(b"1")
            await asyncio.wait([answering], timeout=1)
        assert b" 408 " in await answering
        assert elapsed() == pytest.approx(BODY_WITHIN, abs=2)


@virtual_time
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[" * 400 + b"]" * 400, "deeper than 64"),
        (b'"\xff"', "UTF-8"),
        (b"[NaN]", "number"),
        (b"{", "no JSON"),
    ],
)
async def test_bodies_that_are_no_json_we_take_are_bad_requests(body, says):
    async with asking([hook()]) as client:
        answer = await client.post("/in/acme/7", content=body)
        assert answer.status_code == 400
        assert says in answer.json()["error"]


@virtual_time
async def test_a_plug_in_refuses_with_what_the_sender_may_know():
    async def refuse(_: HttpRequest) -> HttpReply:
        raise RemoteProtocolError("a secret matter", hint="too many messages")

    async with asking([hook(refuse)]) as client:
        answer = await client.post("/in/acme/7")
        assert (answer.status_code, answer.json()) == (400, {"error": "too many messages"})


# --- crowds --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_so_many_are_served_at_once_and_the_next_is_told_to_come_again():
    inside, leave = asyncio.Semaphore(0), asyncio.Event()

    async def linger(_: HttpRequest) -> HttpReply:
        inside.release()
        await leave.wait()
        return HttpReply(status=204)

    other = Webhook(path="/in/other", methods=("POST",), handle=read)
    async with asking([hook(linger), other]) as client:
        asks = [asyncio.create_task(client.post("/in/acme/7")) for _ in range(MAX_AT_ONCE)]
        for _ in asks:
            await inside.acquire()
        refused = await client.post("/in/acme/8")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await client.post("/in/other", content=b"1")).status_code == 200
        leave.set()
        assert {(await ask).status_code for ask in asks} == {204}
        assert (await client.post("/in/acme/7")).status_code == 204


@virtual_time
async def test_the_answer_waits_for_nobody_to_take_what_it_brought():
    outbox = Outbox()

    async def push(_: HttpRequest) -> HttpReply:
        outbox.put(ActionBatch(actions=(Say(text="Hello"),)))
        return HttpReply(status=202)

    async with asking([hook(push)]) as client:
        assert [(await client.post("/in/acme/7")).status_code for _ in range(3)] == [202] * 3
        assert elapsed() < 0.1
    outbox.close()
    assert len([batch async for batch in outbox]) == 3


# --- what is counted -----------------------------------------------------------------------------------------------
@virtual_time
async def test_each_route_counts_its_requests_by_status_and_their_time():
    async def slow(_: HttpRequest) -> HttpReply:
        await asyncio.sleep(3)
        return HttpReply(status=204)

    async def broken(_: HttpRequest) -> HttpReply:
        raise ZeroDivisionError

    metrics = Metrics()
    hooks = [
        hook(),
        Webhook(path="/in/slow", methods=("POST",), handle=slow),
        Webhook(path="/in/broken", methods=("POST",), handle=broken),
    ]
    async with asking(hooks, metrics) as client:
        for path in ("/in/acme/7", "/in/acme/8", "/in/slow"):
            await client.post(path, content=b"1")
        await client.post("/in/acme/7", content=b"{")
        with pytest.raises(httpx.HTTPStatusError):
            (await client.post("/in/broken")).raise_for_status()
    counted = {
        (sample.labels["path"], sample.labels["status"]): sample.value
        for sample in metrics.webhooks.collect()[0].samples
        if sample.name.endswith("_total")
    }
    assert counted == {(HOOK, "200"): 2, (HOOK, "400"): 1, ("/in/slow", "204"): 1, ("/in/broken", "500"): 1}
    value = metrics.registry.get_sample_value
    assert value("talkpath_webhook_seconds_sum", {"path": "/in/slow"}) == pytest.approx(3, abs=0.1)
    assert value("talkpath_webhook_seconds_count", {"path": HOOK}) == 3


# --- listeners of their own ----------------------------------------------------------------------------------------
@virtual_time
async def test_a_listener_serves_its_webhooks_and_nothing_else():
    seen = []

    async def note(request: HttpRequest) -> HttpReply:
        seen.append((request.url, request.path_params))
        return HttpReply(status=204)

    own = [hook(note, listen="127.0.0.1:0"), Webhook(path="/api/v1/talk/", methods=("POST",), handle=read)]
    async with served(build_listener(own)) as address, httpx.AsyncClient(trust_env=False) as client:
        base = f"http://{address}"
        assert (await client.post(f"{base}/in/acme/7")).status_code == 204
        assert (await client.post(f"{base}/api/v1/talk/", content=b"[]")).json() == []
        assert (await client.get(f"{base}/in/acme/7")).status_code == 405
        assert (await client.post(f"{base}/api/v1/talk", content=b"[]")).status_code == 404
        for path in ("/", "/api", "/health/live", "/metrics", "/in/acme/7/8"):
            answer = await client.get(base + path)
            assert (answer.status_code, answer.json()) == (404, {"error": "there is nothing here"})
    assert seen == [(f"{base}/in/acme/7", {"route": "7"})]


@virtual_time
async def test_on_the_shared_port_the_gateways_own_paths_stay_its_own():
    there = Webhook(path="/api/calls", methods=("POST",), handle=read, listen="127.0.0.1:0")
    async with asking([there, hook(listen="127.0.0.1:0")]) as client:
        assert (await client.post("/api/calls", content=b"1")).status_code == 401
        assert (await client.post("/in/acme/7", content=b"1")).status_code == 200
