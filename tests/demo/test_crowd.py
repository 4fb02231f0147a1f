"""A crowd on the telephone: every demonstration's bot behind one gateway, two hundred calls as text at the same time.

Real processes: the gateway, and each platform's lab. Nobody may wait for an apology, and every call is in the books.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.demo.bundle import demonstrations, opened

CALLS = 200
RING_IN = 8.0
"""Seconds over which callers ring in. None of them hangs up before all are there."""
READY_WITHIN = 60.0
ANSWER_WITHIN = 30.0
RECORDED_WITHIN = 20.0
QUIET = 0.5  # s after which a bot has said what it had to say


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(*arguments: str, log: Path, environment: dict[str, str]) -> AsyncIterator[None]:
    """A `talkpath` process, ended as an operator would end it."""
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, env={**os.environ, **environment}, stdout=sink, stderr=sink
        )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


@dataclass
class Caller:
    """One call as text: types each phrase when the bot has said something and is quiet."""

    connection: ClientConnection
    heard: list[str] = field(default_factory=list)
    is_over: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self.connection:
                value = json.loads(message)
                if value["type"] == "say":
                    self.heard.append(value["text"])
                    await self.send(type="mark", mark=value["mark"])
                    self._news.set()
        self.is_over = True
        self._news.set()

    async def send(self, **message: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.connection.send(json.dumps(message))

    async def answered(self) -> None:
        """Wait until something is said, and then until nothing more is."""
        async with asyncio.timeout(ANSWER_WITHIN):
            await self._news.wait()
        while self._news.is_set() and not self.is_over:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET):
                    await self._news.wait()


async def one_call(
    url: str, number: str, caller: str, phrases: Sequence[str], after: float, everybody: asyncio.Barrier
) -> list[str]:
    """What the bot said."""
    await asyncio.sleep(after)
    async with connect(url, compression=None, proxy=None) as connection:
        it = Caller(connection)
        await it.send(type="start", to=number, **{"from": caller})
        reading = asyncio.create_task(it.read())
        try:
            await it.answered()
            for phrase in phrases:
                if it.is_over:
                    break
                count = len(it.heard)
                await it.send(type="text", text=phrase)
                await it.answered()
                assert len(it.heard) > count or it.is_over, f"{phrase!r} was not answered; heard {it.heard}"
            async with asyncio.timeout(RING_IN + ANSWER_WITHIN * len(phrases)):
                await everybody.wait()
        finally:
            await it.send(type="hangup")
            reading.cancel()
            await asyncio.wait([reading])
        return it.heard


def merged(
    vendors: Sequence[str], urls: dict[str, dict[str, str]], folder: Path, port: int
) -> tuple[Any, dict[str, str]]:
    """One configuration for all of them: each vendor's bot on a number of its own."""
    every: dict[str, Any] = {
        "server": {"host": "127.0.0.1", "port": port, "max_calls": CALLS + 50},
        "lines": {"cloud": {"transport": "twilio", "path": "/media/twilio", "auth": "none"}},
        "bots": {},
        "numbers": {},
        "records": {"directory": str(folder / "records")},
    }
    environment: dict[str, str] = {}
    for place, vendor in enumerate(vendors):
        with opened(vendor) as (_, shown, configuration):
            one = yaml.safe_load(configuration.read_text(encoding="utf-8"))
            environment |= shown.variables(**urls[vendor])
            settings = one["numbers"].get(shown.number) or one["numbers"]["*"]
            conduct = {**one.get("defaults", {}), **settings}
            assert not every["bots"].keys() & one["bots"].keys(), "two demonstrations call their bots alike"
            every["bots"] |= one["bots"]
            every["numbers"][str(600 + place)] = conduct
    return every, environment


@pytest.mark.asyncio
@pytest.mark.crowd
@pytest.mark.timeout(240)
async def test_two_hundred_calls_at_once_over_all_vendors_lose_no_turn(tmp_path: Path) -> None:
    vendors, port = demonstrations(), free_port()
    gateway = f"http://127.0.0.1:{port}"
    ports = {vendor: free_port() for vendor in vendors}
    urls = {vendor: {"lab": f"http://127.0.0.1:{ports[vendor]}", "gateway": gateway} for vendor in vendors}
    configuration, environment = merged(vendors, urls, tmp_path, port)
    file = tmp_path / "talkpath.yaml"
    file.write_text(yaml.safe_dump(configuration))
    async with AsyncExitStack() as stack:
        for vendor in vendors:
            with opened(vendor) as (_, shown, _):
                arguments = shown.lab_arguments(**urls[vendor])
            lab = running(
                *("lab", vendor, *arguments, "--port", str(ports[vendor])),
                log=tmp_path / f"{vendor}.log",
                environment={},
            )
            await stack.enter_async_context(lab)
        log = tmp_path / "gateway.log"
        await stack.enter_async_context(running("serve", "-c", str(file), log=log, environment=environment))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway, trust_env=False))
        await ready(client, log)
        for vendor in vendors:
            await listening(ports[vendor])
        everybody = asyncio.Barrier(CALLS)
        calls = []
        for index in range(CALLS):
            place = index % len(vendors)
            with opened(vendors[place]) as (_, shown, _):
                phrases = [phrase.text for phrase in shown.phrases.values()]
            url = f"ws://127.0.0.1:{port}/api/chat"
            after = index * RING_IN / CALLS
            calls.append(one_call(url, str(600 + place), f"+4477009{index:05}", phrases, after, everybody))
        heard = await asyncio.gather(*calls)
        records = await booked(client)
    for words in heard:
        assert words
    failed = [(record["to"], note) for record in records for note in record["notes"] if note["kind"] == "failed_turn"]
    assert failed == []
    assert {record["result"] for record in records} <= {"completed", "abandoned"}


async def booked(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The records of all calls, once they are there."""
    async with asyncio.timeout(RECORDED_WITHIN):
        while True:
            records: list[dict[str, Any]] = (await client.get("/api/records", params={"limit": CALLS + 50})).json()
            if len(records) >= CALLS:
                return [(await client.get(f"/api/records/{record['call_id']}")).json() for record in records]
            await asyncio.sleep(0.2)


async def listening(port: int) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.2)


async def ready(client: httpx.AsyncClient, log: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_WITHIN):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get("/health/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.2)
    pytest.fail(f"the gateway did not start:\n{await asyncio.to_thread(log.read_text)}")
