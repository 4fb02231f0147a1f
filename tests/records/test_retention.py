"""The retention: files and records that are too old go together, hour by hour."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.records.retention import EVERY, expire_once, keep_expiring
from gateway.records.storage import CallStore, sqlite_url
from tests.fakes.clock import ManualClock
from tests.fakes.virtual_loop import virtual_time
from tests.records.test_storage import ids, record

DAY = 86_400.0


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[CallStore]:
    found = CallStore(sqlite_url(tmp_path))
    await found.open()
    yield found
    await found.close()


class CountingStore:
    """Keeps nothing: a database has a thread of its own, for which virtual time does not wait."""

    def __init__(self) -> None:
        self.rounds = 0

    async def expire(self, before: datetime.datetime) -> int:
        self.rounds += 1
        return 0


def aged(folder: Path, clock: ManualClock, *, days: float, day: str = "2026-01-01") -> Path:
    """A journal that has not been written to for so many days."""
    path = folder / day / "call.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"x")
    then = clock.wall().timestamp() - days * DAY
    os.utime(path, (then, then))
    return path


@pytest.mark.asyncio
async def test_a_round_removes_files_and_records_that_are_too_old(tmp_path: Path, store: CallStore) -> None:
    clock = ManualClock()
    path = aged(tmp_path, clock, days=3)
    await store.keep(record(1, started_at="2001-01-01T00:00:00+00:00"))
    await store.keep(record(2, started_at=clock.wall().isoformat()))
    assert await expire_once(store, tmp_path, 2, clock) == (1, 1)
    assert not path.exists()
    assert ids(await store.find(limit=10)) == ["call-2"]


@pytest.mark.asyncio
async def test_zero_days_keep_everything(tmp_path: Path, store: CallStore) -> None:
    clock = ManualClock()
    path = aged(tmp_path, clock, days=3000)
    await store.keep(record(1, started_at="2001-01-01T00:00:00+00:00"))
    assert await expire_once(store, tmp_path, 0, clock) == (0, 0)
    assert path.exists()
    assert len(await store.find(limit=10)) == 1


@virtual_time
async def test_there_is_a_round_at_the_start_and_one_every_hour(tmp_path: Path) -> None:
    clock = ManualClock()
    store = CountingStore()
    first = aged(tmp_path, clock, days=3, day="2026-01-01")
    task = asyncio.create_task(keep_expiring(store, tmp_path, 2, clock))
    await asyncio.sleep(EVERY / 2)
    assert not first.exists()
    second = aged(tmp_path, clock, days=3, day="2026-01-02")
    await asyncio.sleep(EVERY / 2 - 60)
    assert second.exists()
    await asyncio.sleep(120)
    assert not second.exists()
    assert store.rounds == 2
    task.cancel()
    await asyncio.wait([task])
