"""The labs' HTTP server: what it keeps of a request, and that each fault is the fault that was meant."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gateway.lab.faults import OK, Fault, FaultScript, instead, parse_fault, spoil
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply


async def echo(request: LabRequest) -> LabReply:
    return json_reply({"query": dict(request.query), "body": request.body.decode(), "x": request.headers.get("x-a")})


@pytest.mark.asyncio
async def test_requests_are_kept_whole_and_connections_reused():
    async with LabServer(echo) as server, httpx.AsyncClient() as client:
        for size in (1, 200_000):
            answer = await client.post(
                f"{server.url}/p?a=1&b=", content="x" * size, headers=[("X-A", "1"), ("X-A", "2")]
            )
            assert answer.json() == {"query": {"a": "1", "b": ""}, "body": "x" * size, "x": "1, 2"}
        assert [(request.method, request.path) for request in server.requests] == [("POST", "/p")] * 2


@pytest.mark.asyncio
async def test_a_body_in_chunks():
    async def pieces():
        yield b"one "
        yield b"two"

    async with LabServer(echo) as server, httpx.AsyncClient() as client:
        answer = await client.post(server.url, content=pieces())
    assert answer.json()["body"] == "one two"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reply", [LabReply(drop=True), LabReply(body=b"0123456789", cut=4), LabReply(body=b"0123456789", cut=0)]
)
async def test_broken_connections(reply: LabReply):
    async def broken(request: LabRequest) -> LabReply:
        return reply

    async with LabServer(broken) as server, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(server.url)


@pytest.mark.asyncio
async def test_a_dripping_body_arrives_whole_in_the_end():
    async def dripping(request: LabRequest) -> LabReply:
        return LabReply(body=b"abc", drip=0.001)

    async with LabServer(dripping) as server, httpx.AsyncClient() as client:
        assert (await client.get(server.url)).content == b"abc"


@pytest.mark.asyncio
async def test_nonsense_and_early_ends_harm_nobody():
    async with LabServer(echo) as server:
        port = int(server.url.rpartition(":")[2])
        for sent in (b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert not server.requests


@pytest.mark.asyncio
async def test_stopping_does_not_wait_for_slow_answers():
    async def slow(request: LabRequest) -> LabReply:
        return LabReply(delay=600)

    server = LabServer(slow)
    await server.start()
    async with httpx.AsyncClient(timeout=60) as client:
        asking = asyncio.ensure_future(client.get(server.url))
        async with asyncio.timeout(5):
            await server.received(1)
            await server.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                await asking


def test_a_script_is_used_up_step_by_step():
    script = FaultScript(" ok, 500*2 ,slow:3,drip,, code:404 ")
    steps = [script.next() for _ in range(7)]
    assert steps == [OK, Fault("500"), Fault("500"), Fault("slow", 3.0), Fault("drip", 0.1), Fault("code", 404.0), OK]


@pytest.mark.parametrize("step", ["gremlin", "600", "ok:3", "slow:soon", "1", "500*x"])
def test_what_is_no_fault_is_said(step: str):
    with pytest.raises(ValueError):
        FaultScript(step)


@pytest.mark.parametrize(
    ("step", "status", "body_is"),
    [("500", 500, b"{"), ("garbage", 200, b"<html>"), ("oversized", 200, b"{"), ("deep", 200, b'{"data":[[')],
)
def test_faults_that_replace_the_answer(step: str, status: int, body_is: bytes):
    reply = instead(parse_fault(step))
    assert reply is not None
    assert (reply.status, reply.body.startswith(body_is)) == (status, True)
    assert len(reply.body) > 1 << 20 or step != "oversized"


def test_faults_that_spoil_it():
    reply = LabReply(body=b"0123456789", delay=1.0)
    assert spoil(reply, Fault("slow", 3.0)).delay == 4.0
    assert spoil(reply, Fault("drip", 0.1)).drip == 0.1
    assert spoil(reply, Fault("cut")).cut == 5
    assert spoil(reply, OK) == reply
    assert instead(OK) is None
    assert instead(Fault("drop")) == LabReply(drop=True)
