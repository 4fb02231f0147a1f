"""The application as a whole, in real time: what a call leaves is done after it, or by the next start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from config.bots import BotSection
from config.loading import load
from gateway.actions import Listen, PostCall, Record, Say
from gateway.app import App
from gateway.interfaces import AfterCallJob
from gateway.jobs.job import Job
from gateway.jobs.storage import SqlJobStore, sqlite_url
from gateway.plugins import Plugins, installed
from gateway.records.storage import CallStore
from gateway.records.storage import sqlite_url as records_url
from tests.fakes.backend import ScriptedBackend

WITHIN = 20.0
WISH = PostCall(kind="backend", data={"job": "history"})


class Platform(ScriptedBackend):
    """Asks for its history, and gives it when it is let."""

    Section = BotSection
    made: list[Platform] = []  # noqa: RUF012  # the application makes them; tests look at them

    def __init__(self, name: str, settings: BotSection, http: Any) -> None:
        super().__init__([[Say(text="Hello."), WISH, Listen()]])
        self.asked: list[AfterCallJob] = []
        self.is_asked, self.is_let = asyncio.Event(), asyncio.Event()
        Platform.made.append(self)

    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        self.asked.append(job)
        self.is_asked.set()
        await self.is_let.wait()
        return [Record(kind="note", data={"rows": 3})]


PLUGINS: Plugins = replace(installed(), backends={"platform": Platform})


@asynccontextmanager
async def running(folder: Path, drain_timeout: float = 10.0) -> AsyncIterator[tuple[App, Platform]]:
    file = folder / "talkpath.yaml"
    configuration = {
        "server": {"port": 0},
        "bots": {"reception": {"backend": "platform"}},
        "speech": {"local": {"engine": "scripted"}},
        "records": {"directory": str(folder / "records")},
        "jobs": {"drain_timeout": drain_timeout},
        "numbers": {"*": {"bot": "reception"}},
    }
    file.write_text(json.dumps(configuration))  # JSON is YAML
    app = App(file, load(file, PLUGINS.sections(), env={}), PLUGINS)
    serving = asyncio.create_task(app.run())
    try:
        async with asyncio.timeout(WITHIN):
            await app.started.wait()
            yield app, Platform.made[-1]
            app.stop()
            await serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def call(app: App) -> None:
    """A call as text, hung up as soon as the bot has spoken."""
    url = app.url.replace("http", "ws", 1) + "/api/chat"
    async with connect(url, proxy=None) as caller:
        await caller.send(json.dumps({"type": "start", "to": "600", "from": "+33612345678"}))
        async for message in caller:
            if json.loads(message).get("type") == "say":
                break
        await caller.send(json.dumps({"type": "hangup"}))
        async for _ in caller:
            pass


async def stored(folder: Path, is_so: Callable[[Job], bool]) -> Job:
    """The only job, which is so."""
    store = SqlJobStore(sqlite_url(folder / "records"))
    await store.open()
    (found,) = await store.list(limit=10)
    await store.close()
    assert is_so(found), found
    return found


@pytest.mark.asyncio
async def test_an_errand_is_run_after_the_call_and_its_result_is_in_the_record(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, platform):
        platform.is_let.set()
        await call(app)
        await platform.is_asked.wait()
    job = await stored(tmp_path, lambda job: job.state == "done")
    books = CallStore(records_url(tmp_path / "records"))
    await books.open()
    record = await books.get(job.call_id)
    await books.close()
    assert record is not None
    assert [note["data"] for note in record["notes"] if note.get("job") == job.key] == [{"rows": 3}]
    (asked,) = platform.asked
    assert (asked.key, asked.data, asked.call["bot"]) == (job.key, {"job": "history"}, "reception")
    assert asked.call["caller"] == "+33612345678"
    assert asked.call["result"] is not None


@pytest.mark.asyncio
async def test_what_outlasts_a_stop_is_done_by_the_next_start_under_the_same_key(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout=0.1) as (app, first):
        await call(app)
        await first.is_asked.wait()
    await stored(tmp_path, lambda job: job.state == "due" and job.owner is None)
    async with running(tmp_path) as (_, second):
        second.is_let.set()
        await second.is_asked.wait()
    done = await stored(tmp_path, lambda job: job.state == "done")
    assert {asked.key for asked in (*first.asked, *second.asked)} == {done.key}
    assert done.attempts == 2
