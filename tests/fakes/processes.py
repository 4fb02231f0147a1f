"""`talkpath serve` as a process of its own, with what it logs, and people who call it; all in real time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from gateway.caller.twilio import TwilioCaller
from gateway.records.journal import JournalUnreadable, Step, read
from tests.fakes.callers import Phone

STARTS_WITHIN = ENDS_WITHIN = HAPPENS_WITHIN = 60.0
"""Seconds, for machines that are busy; nothing here takes longer than one."""
GLANCE = 0.02
NUMBER, CALLER = "+441632960000", "+33612345678"


def written(folder: Path, bot: str, **changes: Any) -> Path:
    """A configuration with one line, one number and a scripted voice.

    Args:
        bot: Where the bot is.
        changes: Sections instead of those that are here.
    """
    file = folder / "talkpath.yaml"
    configuration = {
        "server": {"port": 0},
        "lines": {"cloud": {"transport": "twilio", "path": "/media/twilio", "auth": "none"}},
        "bots": {"reception": {"backend": "talkr", "url": bot, "company": "acme", "bot_id": 42}},
        "speech": {"local": {"engine": "scripted", "echo": True}},
        "records": {"directory": str(folder / "records")},
        "defaults": {"language": "en-GB"},
        "numbers": {NUMBER: {"bot": "reception"}},
        **changes,
    }
    file.write_text(json.dumps(configuration))  # JSON is YAML
    return file


async def command(*arguments: str, within: float = ENDS_WITHIN) -> tuple[int, str, str]:
    """Run a `talkpath` command to its end. Gives its exit code, and what it printed and complained of."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(within):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


class Serving:
    """A gateway that runs elsewhere."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Condition()
        self.log: list[dict[str, Any]] = []
        self.url = ""
        self.client = httpx.AsyncClient(trust_env=False, timeout=HAPPENS_WITHIN)

    async def read_log(self) -> None:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            async with self._news:
                self.log.append(json.loads(line))
                self._news.notify_all()

    async def logs(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until something has been logged so often. Gives the last of it."""
        async with asyncio.timeout(HAPPENS_WITHIN), self._news:
            await self._news.wait_for(lambda: len(self.logged(event)) >= times)
        return self.logged(event)[-1]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]

    async def get(self, path: str) -> Any:
        return (await self.client.get(self.url + path)).json()

    async def status(self, path: str) -> int:
        return (await self.client.get(self.url + path)).status_code

    async def reload(self) -> Any:
        return (await self.client.post(f"{self.url}/api/reload")).json()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait until the process has ended. Gives its exit code."""
        async with asyncio.timeout(ENDS_WITHIN):
            return await self._process.wait()

    @asynccontextmanager
    async def called(self, number: str = NUMBER) -> AsyncIterator[Phone]:
        """A call to it."""
        client = TwilioCaller(background=False)
        async with client.connect(
            f"{self.url}/media/twilio".replace("http", "ws", 1), caller=CALLER, called=number
        ) as up:
            yield Phone(SimpleNamespace(texts=set()), up)  # type: ignore[arg-type]  # only texts to name what is heard


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[Serving]:
    """Start a gateway; whatever is left of it at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "-c", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    gateway = Serving(process)
    reading = asyncio.create_task(gateway.read_log())
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            gateway.url = (await gateway.logs("serving"))["url"]
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await gateway.client.aclose()
        await asyncio.wait([reading])


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something on the disk or in another process, which tells nobody."""
    async with asyncio.timeout(HAPPENS_WITHIN):
        while not holds():  # noqa: ASYNC110  there is no event: it happens elsewhere
            await asyncio.sleep(GLANCE)


def journals(folder: Path) -> list[Path]:
    return sorted((folder / "records").glob("*/*.jsonl"))


def steps_of(folder: Path) -> list[Step]:
    """What is on the disk of the only call there was; nothing as long as there is none."""
    found = journals(folder)
    try:
        return read(found[0])[1] if found else []
    except JournalUnreadable:
        return []
