"""Records in a database: found again, newest first; a database that refuses costs records, never a start or a call."""

from __future__ import annotations

import asyncio
import datetime
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.errors import ConfigError
from gateway.records.storage import OPEN_AGAIN, CallStore, calls, sqlite_url
from tests.fakes.clock import ManualClock
from tests.fakes.trouble import folder_in_a_file, no_file_over

START = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)


def record(minute: int = 0, **changes: Any) -> dict[str, Any]:
    """The record of a call that started so many minutes after the first."""
    return {
        "call_id": f"call-{minute}",
        "started_at": (START + datetime.timedelta(minutes=minute)).isoformat(),
        "line": "pbx",
        "number": "+33123456789",
        "result": "completed",
        "by": "caller",
        "seconds": 12.5,
        "turns": 3,
        "caller": "+33612345678",
        **changes,
    }


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[CallStore]:
    found = CallStore(sqlite_url(tmp_path / "records"))
    assert await found.open()
    yield found
    await found.close()


def ids(records: Any) -> list[str]:
    return [found["call_id"] for found in records]


@pytest.mark.asyncio
async def test_a_record_comes_back_as_it_was(store: CallStore) -> None:
    kept = record(custom={"name": "Zoë 🙂", "odd": "\x00\u2028"}, exchange=[{"bot": "x" * 100_000}])
    assert await store.keep(kept)
    assert await store.get("call-0") == kept
    assert await store.get("call-1") is None


@pytest.mark.asyncio
async def test_records_are_found_newest_first_by_number_and_moment(store: CallStore) -> None:
    for number in (2, 0, 1):
        await store.keep(record(number, number="+331" if number == 1 else "+332"))
    assert ids(await store.find(limit=10)) == ["call-2", "call-1", "call-0"]
    assert ids(await store.find(limit=2)) == ["call-2", "call-1"]
    assert ids(await store.find(limit=10, number="+331")) == ["call-1"]
    assert ids(await store.find(limit=10, number="' OR 1=1 --")) == []
    before = START + datetime.timedelta(minutes=1)
    assert ids(await store.find(limit=10, before=before)) == ["call-0"]


@pytest.mark.asyncio
async def test_moments_are_compared_across_zones(store: CallStore) -> None:
    paris = datetime.timezone(datetime.timedelta(hours=1))
    await store.keep(record(0, started_at=START.astimezone(paris).isoformat()))
    later = (START + datetime.timedelta(minutes=1)).astimezone(paris)
    assert ids(await store.find(limit=10, before=later)) == ["call-0"]
    assert ids(await store.find(limit=10, before=START.astimezone(paris))) == []
    assert ids(await store.find(limit=10, before=later.astimezone(datetime.UTC).replace(tzinfo=None))) == ["call-0"]


@pytest.mark.asyncio
async def test_two_hundred_calls_that_end_at_once_are_all_kept(store: CallStore) -> None:
    kept = await asyncio.gather(*(store.keep(record(number)) for number in range(200)))
    assert all(kept)
    assert len(await store.find(limit=500)) == 200


@pytest.mark.asyncio
async def test_records_that_wait_are_stored_in_one_transaction(store: CallStore) -> None:
    commits: list[object] = []
    note = commits.append
    event.listen(Engine, "commit", note)
    try:
        assert all(await asyncio.gather(*(store.keep(record(minute)) for minute in range(200))))
    finally:
        event.remove(Engine, "commit", note)
    assert len(await store.find(limit=1000)) == 200
    assert 1 <= len(commits) <= 3


@pytest.mark.asyncio
async def test_a_record_that_is_refused_costs_none_that_waits_with_it(store: CallStore) -> None:
    with structlog.testing.capture_logs() as logs:
        kept = await asyncio.gather(*(store.keep(record(minute)) for minute in (0, 1, 2, 1, 3)))
    assert sorted(kept) == [False, True, True, True, True]
    assert sorted(ids(await store.find(limit=10))) == ["call-0", "call-1", "call-2", "call-3"]
    assert [entry["event"] for entry in logs] == ["call record lost"]


@pytest.mark.asyncio
async def test_a_call_whose_waiting_is_cancelled_takes_nobody_along(store: CallStore) -> None:
    keeping = [asyncio.create_task(store.keep(record(minute))) for minute in range(6)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in keeping[::2]:
        task.cancel()
    done = await asyncio.wait_for(asyncio.gather(*keeping, return_exceptions=True), 10)
    assert [isinstance(found, asyncio.CancelledError) for found in done] == [True, False] * 3
    assert done[1::2] == [True] * 3
    assert {"call-1", "call-3", "call-5"} <= set(ids(await store.find(limit=20)))


@pytest.mark.asyncio
async def test_old_records_are_removed(store: CallStore) -> None:
    for number in range(3):
        await store.keep(record(number))
    assert await store.expire(START + datetime.timedelta(minutes=2)) == 2
    assert ids(await store.find(limit=10)) == ["call-2"]


@pytest.mark.asyncio
async def test_a_call_is_kept_once(store: CallStore) -> None:
    assert await store.keep(record())
    with structlog.testing.capture_logs() as logs:
        assert not await store.keep(record())
    assert [entry["event"] for entry in logs] == ["call record lost"]


@pytest.mark.asyncio
async def test_what_is_logged_of_a_lost_record_is_not_personal(store: CallStore) -> None:
    await store.keep(record())
    with structlog.testing.capture_logs() as logs:
        await store.keep(record())
    assert "+336" not in str(logs)
    assert "INSERT" not in str(logs)


@pytest.mark.asyncio
async def test_what_comes_after_the_call_joins_its_notes_and_replaces_what_the_same_job_left(store: CallStore) -> None:
    await store.keep(record(notes=[{"kind": "note", "data": {"text": "in the call"}}]))
    await store.keep(record(1))
    for text in ("first", "again"):
        assert await store.add_notes("call-0", [{"kind": "note", "data": {"text": text}, "job": "a"}])
    assert await store.add_notes("call-0", [{"kind": "note", "data": {"text": "other"}, "job": "b"}])
    kept = await store.get("call-0")
    assert kept is not None
    assert [note["data"]["text"] for note in kept["notes"]] == ["in the call", "again", "other"]
    assert await store.get("call-1") == record(1)


@pytest.mark.asyncio
async def test_notes_of_a_call_without_a_record_make_one_where_there_is_a_beginning(store: CallStore) -> None:
    note = {"kind": "note", "data": {}, "job": "a"}
    assert await store.add_notes("call-0", [note])
    assert await store.get("call-0") is None
    assert await store.add_notes("call-0", [note], record(result="leg_failed"))
    assert await store.get("call-0") == record(result="leg_failed", notes=[note])


@pytest.mark.asyncio
async def test_notes_are_not_stored_where_the_database_is_away(tmp_path: Path) -> None:
    store = CallStore(sqlite_url(folder_in_a_file(tmp_path)))
    assert not await store.add_notes("call-0", [{"kind": "note", "data": {}}], record())


@pytest.mark.asyncio
async def test_the_files_are_private(tmp_path: Path, store: CallStore) -> None:
    await store.keep(record())
    assert (tmp_path / "records").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "records").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path.name


@pytest.mark.asyncio
async def test_a_store_opens_what_it_left(tmp_path: Path) -> None:
    for number in (1, 2):
        store = CallStore(sqlite_url(tmp_path))
        assert await store.open()
        await store.keep(record(number))
        await store.close()
    store = CallStore(sqlite_url(tmp_path))
    await store.open()
    assert len(await store.find(limit=10)) == 2
    await store.close()


# --- databases that refuse -----------------------------------------------------------------------------------------
async def assert_costs_records_only(store: CallStore) -> None:
    """Whatever is asked of it, it answers, keeps nothing and raises nothing."""
    with structlog.testing.capture_logs() as logs:
        opened = await store.open()
        assert not await store.keep(record())
        assert await store.get("call-0") is None
        assert await store.find(limit=10) == []
        assert await store.expire(START) == 0
        await store.close()
    assert not opened
    assert {"call records cannot be kept", "call record lost"} <= {entry["event"] for entry in logs}


@pytest.mark.asyncio
async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    await assert_costs_records_only(CallStore(sqlite_url(folder_in_a_file(tmp_path))))


@pytest.mark.asyncio
async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "calls.sqlite").write_bytes(b"not a database" * 1000)
    await assert_costs_records_only(CallStore(sqlite_url(tmp_path)))


@pytest.mark.asyncio
async def test_a_server_that_is_not_there() -> None:
    pytest.importorskip("asyncpg")
    await assert_costs_records_only(CallStore("postgresql+asyncpg://user:secret@127.0.0.1:1/talkpath"))


@pytest.mark.asyncio
async def test_a_database_that_is_damaged_later_loses_records_and_raises_nothing(
    tmp_path: Path, store: CallStore
) -> None:
    await store.keep(record())
    await store.close()
    (tmp_path / "records" / "calls.sqlite").write_bytes(b"damaged" * 4096)
    assert not await store.keep(record(1))
    assert await store.find(limit=10) == []


@pytest.mark.asyncio
async def test_a_disk_that_fills_up_loses_records_until_there_is_room_again(tmp_path: Path, store: CallStore) -> None:
    size = (tmp_path / "records" / "calls.sqlite").stat().st_size
    with no_file_over(size), structlog.testing.capture_logs() as logs:
        assert not await store.keep(record(0, exchange="x" * 100_000))
    assert [entry["event"] for entry in logs] == ["call record lost"]
    assert await store.keep(record(1))
    assert ids(await store.find(limit=10)) == ["call-1"]


@pytest.mark.asyncio
async def test_a_database_that_has_become_read_only_can_still_be_read(tmp_path: Path, store: CallStore) -> None:
    await store.keep(record())
    path = tmp_path / "records" / "calls.sqlite"
    frozen = CallStore(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")
    assert await frozen.open()
    assert not await frozen.keep(record(1))
    assert ids(await frozen.find(limit=10)) == ["call-0"]
    await frozen.close()


@pytest.mark.asyncio
async def test_a_database_somebody_else_holds_is_waited_for_not_for_ever(tmp_path: Path) -> None:
    store = CallStore(f"{sqlite_url(tmp_path)}?timeout=0.05")
    await store.open()
    other = sqlite3.connect(tmp_path / "calls.sqlite")
    other.execute("BEGIN EXCLUSIVE")
    assert not await store.keep(record())
    other.rollback()
    other.close()
    assert await store.keep(record())
    await store.close()


@pytest.mark.asyncio
async def test_a_database_that_was_away_is_tried_again(tmp_path: Path) -> None:
    clock = ManualClock()
    blocked = folder_in_a_file(tmp_path)
    store = CallStore(sqlite_url(blocked), clock)
    assert not await store.open()
    blocked.parent.unlink()
    assert not await store.keep(record())
    clock.advance(OPEN_AGAIN + 1)
    assert await store.keep(record(1))
    assert ids(await store.find(limit=10)) == ["call-1"]
    await store.close()


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite+nodriver:///x", "mysql+nothere://user:geheim@host/db"])
def test_an_address_that_cannot_be_one_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        CallStore(url)
    assert "geheim" not in str(refused.value)


# --- portability ---------------------------------------------------------------------------------------------------
def test_the_table_can_be_made_in_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped there
    made = str(CreateTable(calls).compile(dialect=dialect))
    assert "TIMESTAMP WITH TIME ZONE" in made
    assert all(str(CreateIndex(index).compile(dialect=dialect)) for index in calls.indexes)
