"""Whole calls with local speech in real worker processes: workers are killed, and callers hang up on them.

A caller's word that was under way is heard all the same, answers are spoken, and nothing keeps a place in a worker.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from audio.files import read
from audio.format import PCMU_8K
from audio.frame import Frame
from config.loading import load
from gateway.app import App
from gateway.caller.line import CallerLine
from gateway.caller.twilio import TwilioCaller
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from gateway.plugins import installed
from gateway.speech.local.pool import WorkerPool
from gateway.speech.local.vendor import LocalSpeech
from tests.fakes.processes import HAPPENS_WITHIN, NUMBER, until, written
from tests.fakes.talkr import response

pytestmark = [pytest.mark.workers, pytest.mark.asyncio, pytest.mark.timeout(240)]
WORD = "password"
CALLS = 24
STARTS_WITHIN = 90.0


class CountingBot:
    """Understands a word and counts, so that no answer was ever spoken before."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.server = LabServer(self._answer)

    async def _answer(self, request: LabRequest) -> LabReply:
        body = request.json() if request.body.strip() else {}
        self.heard.append(body["variables"]["userresponse"] if body else "")
        says = {
            "messages": [{"type": "text", "content": f"This is answer number {len(self.heard)}."}],
            "responses": None,
            "has_background_text": 0,
            "speech_recognizer": {"timeout": 30, "hints": [WORD, "telephone number"]},
        }
        return json_reply({**response(**says), "variables": {}, "language": {"name": "English", "slug": "EN"}})


class Office:
    """A gateway of which a test knows the workers."""

    def __init__(self, app: App, bot: CountingBot, speech: LocalSpeech) -> None:
        self._app = app
        self.bot = bot
        self.pools: list[WorkerPool] = [speech.recognizer.pool, speech.synthesizer.pool]

    @property
    def ears(self) -> WorkerPool:
        return self.pools[0]

    @property
    def mouths(self) -> WorkerPool:
        return self.pools[1]

    def call(self) -> CallerLine:
        url = f"{self._app.url}/media/twilio".replace("http", "ws", 1)
        return TwilioCaller(background=True, hear_every=None).connect(url, caller="1", called=NUMBER)

    async def asked(self, count: int) -> str:
        """Wait until the bot was asked so often. Gives what it was told."""
        async with asyncio.timeout(HAPPENS_WITHIN):
            await self.bot.server.received(count)
        return self.bot.heard[count - 1]

    async def has_spoken(self) -> None:
        await until(lambda: self.mouths.jobs == 0)

    async def idle(self) -> None:
        """Wait until no worker has anything to do."""
        await until(lambda: all(pool.jobs == 0 for pool in self.pools))


@asynccontextmanager
async def open_office(folder: Path) -> AsyncIterator[Office]:
    made: list[LocalSpeech] = []

    class Known(LocalSpeech):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    plugins = replace(installed(), speech={**installed().speech, "local": Known})
    bot = CountingBot()
    async with bot.server:
        url = bot.server.url + "/bot/{company}/{bot_id}/{channel}"
        local = {"listen_workers": 1, "speak_workers": 1, "hang_after": 60}  # machines that run tests are busy
        file = written(folder, url, speech={"local": local}, defaults={"language": "en-US"})
        app = App(file, load(file, plugins.sections(), env={}), plugins)
        serving = asyncio.create_task(app.run())
        starting = asyncio.create_task(app.started.wait())
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                await asyncio.wait([serving, starting], return_when=asyncio.FIRST_COMPLETED)
            assert app.started.is_set()
            yield Office(app, bot, made[0])
        finally:
            starting.cancel()
            app.stop()
            await asyncio.wait([serving, starting])
        serving.result()


def word() -> bytes:
    with resources.as_file(resources.files("gateway.demo").joinpath("talkr", f"{WORD}.wav")) as path:
        return read(path, PCMU_8K, max_bytes=1 << 20, max_seconds=10)


async def say(line: CallerLine, data: bytes) -> None:
    await line.say(Frame(data, PCMU_8K))


def kill(pool: WorkerPool) -> list[int]:
    """Kill all that can work."""
    pids = pool.pids
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def more_than(line: CallerLine, seconds: float) -> Callable[[], bool]:
    return lambda: heard(line) > seconds


def heard(line: CallerLine) -> float:
    """Seconds of the bot's speech."""
    return sum(stretch.end - stretch.at for stretch in line.heard())


async def test_a_call_goes_on_when_workers_are_killed(tmp_path: Path) -> None:
    said = word()
    half = len(said) // 2
    async with open_office(tmp_path) as office, office.call() as line:
        await until(more_than(line, 0.5))
        await office.has_spoken()

        await say(line, said[:half])  # the recognizer, in the middle of a word
        dead = kill(office.ears)
        await say(line, said[half:])
        assert await office.asked(2) == WORD
        before = heard(line)
        await until(more_than(line, before + 0.5))

        await office.has_spoken()
        dead += kill(office.mouths)  # the synthesizer, just before it has something to say
        await say(line, said)
        assert await office.asked(3) == WORD
        before = heard(line)
        await until(more_than(line, before + 0.5))

        await office.has_spoken()
        dead += [*kill(office.ears), *kill(office.mouths)]  # both, while nothing is said
        await until(lambda: all(pool.pids for pool in office.pools))
        await say(line, said)
        assert await office.asked(4) == WORD
        before = heard(line)
        await until(more_than(line, before + 0.5))
        assert line.hung_up is None
        await line.hang_up()
        await office.idle()
        alive = [pid for pool in office.pools for pid in pool.pids]
        assert len(alive) == 2
        assert len(set(alive) & set(dead)) == 0


async def test_callers_who_hang_up_at_any_moment_leave_no_place_in_a_worker_taken(tmp_path: Path) -> None:
    said = word()

    async def call(office: Office, number: int) -> None:
        async with office.call() as line:
            await say(line, said[: len(said) * number // CALLS])
            if number % 2:
                await until(more_than(line, number / CALLS))

    async with open_office(tmp_path) as office:
        before = [pool.pids for pool in office.pools]
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLS):
                callers.create_task(call(office, number))
            await until(lambda: office.ears.jobs >= 1)
        await office.idle()
        assert [pool.pids for pool in office.pools] == before
        async with office.call() as line:  # and the workers still work
            await until(more_than(line, 0.5))
            await say(line, said)
            assert await office.asked(len(office.bot.heard) + 1) == WORD
