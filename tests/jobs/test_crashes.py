"""A process that does jobs is killed at random moments: none is lost, and what is done twice carries the same key.

It dies fifty times, which takes 15 s of processor time. ``TALKPATH_KILLS=5`` is for the impatient, ``TALKPATH_SEED``
repeats the moments of a run as far as the machine does.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.mailbox import Mailbox, mailbox
from tests.jobs.nursery import CALLS_AT_ONCE, JOURNAL

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("TALKPATH_KILLS", "50"))
SEED = int(os.environ.get("TALKPATH_SEED", random.SystemRandom().randrange(1 << 32)))
LONGEST_YOUTH = 0.5  # s
ALL_DONE_WITHIN = 90.0 + 2 * KILLS  # s
KINDS = ("webhook", "addon", "email", "backend")


class Sink:
    """The operator's services: slow at times, so that kills fall between request and answer, and failing at times."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.taken: dict[str, list[str]] = defaultdict(list)
        self.server = LabServer(self._answer)

    async def _answer(self, request: LabRequest) -> LabReply:
        if self._chance.random() < 0.2:
            return LabReply(status=503)
        body = request.json()
        name = body["id"] if request.path == "/webhook" else body["data"]["id"]
        self.taken[name].append(request.headers["idempotency-key"])
        return LabReply(delay=self._chance.choice((0.0, 0.02, 0.1)))


class Nursery:
    """Makes lives of the process under test, and ends them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def live(self, name: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n".encode())
        return int(await self._line())

    async def gone(self) -> int:
        """Wait until the life has ended. Returns its exit code; negative: the signal that ended it."""
        word, _, code = (await self._line()).partition(" ")
        assert word == "gone"
        return int(code)

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(ALL_DONE_WITHIN):
            return (await self._process.stdout.readline()).decode().strip()


@asynccontextmanager
async def nursery(folder: Path, sink: Sink, box: Mailbox) -> AsyncIterator[Nursery]:
    arguments = [sys.executable, "-m", "tests.jobs.nursery", str(folder), sink.server.url, str(box.port)]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, **pipes)
    try:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(120 + 4 * KILLS)
@pytest.mark.asyncio
async def test_killed_at_random_moments_nothing_is_lost_and_what_is_done_twice_has_the_same_key(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    sink = Sink(chance)
    async with sink.server, mailbox(tmp_path) as box, nursery(tmp_path, sink, box) as lives:
        for number in range(KILLS):
            pid = await lives.live(f"life{number}")
            await _some_moment(chance, sink)
            os.kill(pid, signal.SIGKILL)
            assert await lives.gone() == -signal.SIGKILL
        await lives.live("last")
        assert await lives.gone() == 0, "the last life did not come to its end"
    _check(tmp_path, sink, box)


async def _some_moment(chance: random.Random, sink: Sink) -> None:
    """Any moment of a life: at times early in it, mostly while something is being done."""
    if chance.random() < 0.7:
        await asyncio.wait_for(sink.server.received(len(sink.server.requests) + chance.randint(1, 6)), 30)
        await asyncio.sleep(chance.choice((0.0, 0.0, chance.uniform(0.0, 0.1))))
    else:
        await asyncio.sleep(chance.uniform(0.0, LONGEST_YOUTH))


def _check(folder: Path, sink: Sink, box: Mailbox) -> None:
    journal = (folder / JOURNAL).read_text().split()
    taken = {**sink.taken}
    for mail in box.mails:
        taken.setdefault(str(mail["Subject"]), []).append(str(mail["Message-ID"]))
    rows = _rows(folder / "jobs.sqlite", "SELECT key, call_id, kind, state FROM jobs")
    keys = {f"{call_id}-{kind}": key for key, call_id, kind, _ in rows}
    notes = _notes(folder)

    assert len(journal) == len(set(journal)) >= 4, f"seed {SEED}: hardly anything happened"
    assert {state for *_, state in rows} == {"done"}, f"seed {SEED}"
    assert set(journal) <= keys.keys(), f"seed {SEED}: stored, and lost"
    assert len(keys) - len(journal) <= len(KINDS) * CALLS_AT_ONCE * KILLS
    for name, key in keys.items():
        if name.endswith("backend"):
            assert notes.get(name) == 1, f"seed {SEED}: {name} is noted {notes.get(name)} times"
        else:
            wanted = f"<{key}@example.com>" if name.endswith("email") else key
            assert set(taken.get(name, ())) == {wanted}, f"seed {SEED}: {name} was told as {taken.get(name)}"
    done = [name for name in keys if not name.endswith("backend")]
    assert taken.keys() == set(done), f"seed {SEED}: something was done that nobody has stored"
    repeated = sum(len(told) for told in taken.values()) - len(taken)
    print(f"seed {SEED}: {KILLS} kills, {len(rows)} jobs, {repeated} done again")


def _notes(folder: Path) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for (name,) in _rows(
        folder / "calls.sqlite",
        "SELECT json_extract(note.value, '$.data.id') FROM calls, json_each(calls.record, '$.notes') AS note",
    ):
        counts[name] += 1
    return counts


def _rows(file: Path, question: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()
