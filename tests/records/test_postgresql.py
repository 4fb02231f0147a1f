"""Call records in a PostgreSQL server: kept, found, added to from several sides, removed."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import Any

import pytest

from gateway.records.storage import CallStore
from tests.fakes.postgres import postgres

START = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)


def record(minute: int, **changes: Any) -> dict[str, Any]:
    started = (START + datetime.timedelta(minutes=minute)).isoformat()
    facts = {"line": "pbx", "number": "600", "result": "completed", "by": "caller", "seconds": 1.5, "turns": 1}
    return {"call_id": f"call-{minute}", "started_at": started, **facts, "notes": [], **changes}


@pytest.mark.asyncio
async def test_records_are_kept_found_added_to_and_removed() -> None:
    with contextlib.ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, postgres())
        one, other = CallStore(url), CallStore(url)
        assert await one.open()
        assert await other.open()
        assert all(await asyncio.gather(*(one.keep(record(n, caller="Zoë \x00 🙂")) for n in range(20))))
        assert [found["call_id"] for found in await other.find(limit=2)] == ["call-19", "call-18"]
        notes = [{"kind": "note", "data": {"n": n}, "job": f"job-{n}"} for n in range(20)]
        adding = (store.add_notes("call-0", [note]) for note in notes for store in (one, other))
        assert all(await asyncio.gather(*adding))
        kept = await one.get("call-0")
        assert kept is not None
        assert sorted(note["data"]["n"] for note in kept["notes"]) == list(range(20))
        assert kept["caller"] == "Zoë \x00 🙂"
        assert await one.add_notes("call-99", [notes[0]], record(99, result="leg_failed"))
        assert await one.get("call-99") == record(99, result="leg_failed", notes=[notes[0]])
        assert await one.expire(START + datetime.timedelta(minutes=19)) == 19
        await one.close()
        await other.close()
        await asyncio.to_thread(stack.close)
