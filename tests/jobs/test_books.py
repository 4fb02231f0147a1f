"""What a job brings joins the record wherever that is just then: of a call that is up, just over, long ago, or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from gateway.call.registry import Registry
from gateway.events import CallInfo, LinkSent
from gateway.jobs.job import Job
from gateway.reception import Reception
from gateway.records.record import CallRecord
from gateway.records.storage import CallStore, sqlite_url
from tests.fakes.clock import ManualClock
from tests.fakes.jobs import NOON

CONTEXT = {"result": "leg_failed", "by": "gateway", "reason": "no record was stored", "bot": "reception"}


def a_record(call_id: str = "call-1") -> CallRecord:
    return CallRecord(CallInfo(call_id=call_id, line="pbx", number="600"), NOON.isoformat())


def note(text: str, job: str = "a") -> dict[str, Any]:
    return {"at": 60.0, "kind": "note", "data": {"text": text}, "job": job}


@pytest_asyncio.fixture
async def reception(tmp_path: Path) -> AsyncIterator[Reception]:
    store = CallStore(sqlite_url(tmp_path))
    await store.open()
    clock = ManualClock()
    equipment: Any = SimpleNamespace(store=store, registry=Registry(clock, 10), clock=clock, ask_hook=None)
    nothing: Any = None
    yield Reception(nothing, equipment)
    await store.close()


def texts(record: Any) -> list[str]:
    return [kept["data"]["text"] for kept in record["notes"]]


@pytest.mark.asyncio
async def test_of_a_call_that_is_over_in_the_database_and_where_it_is_still_at_hand(reception: Reception) -> None:
    record = a_record()
    reception.recent.append(record)
    await reception.equipment.store.keep(record.to_json())
    for text in ("first", "again"):
        assert await reception.add_notes("call-1", [note(text)], CONTEXT)
    assert (
        texts(await reception.record_of("call-1")) == texts(await reception.equipment.store.get("call-1")) == ["again"]
    )


@pytest.mark.asyncio
async def test_of_a_call_long_ago_in_the_database(reception: Reception) -> None:
    await reception.equipment.store.keep(a_record().to_json())
    assert await reception.add_notes("call-1", [note("x")], CONTEXT)
    assert texts(await reception.record_of("call-1")) == ["x"]


@pytest.mark.asyncio
async def test_of_a_call_that_is_up_in_the_record_that_will_be_stored(reception: Reception) -> None:
    record = a_record()
    reception._running["call-1"] = record
    assert await reception.add_notes("call-1", [note("x")], CONTEXT)
    assert await reception.equipment.store.get("call-1") is None
    assert await reception.equipment.store.keep(record.to_json())
    assert texts(await reception.equipment.store.get("call-1")) == ["x"]


@pytest.mark.asyncio
async def test_of_a_call_that_a_crash_has_left_without_one_in_what_the_job_knows(reception: Reception) -> None:
    context = {**a_record().to_json(), **CONTEXT}
    assert await reception.add_notes("call-1", [note("x")], context)
    kept = await reception.equipment.store.get("call-1")
    assert kept is not None
    assert (kept["result"], kept["bot"], texts(kept)) == ("leg_failed", "reception", ["x"])


@pytest.mark.asyncio
async def test_two_jobs_of_a_call_that_end_together_lose_no_note(reception: Reception) -> None:
    await reception.equipment.store.keep(a_record().to_json())
    await asyncio.gather(*(reception.add_notes("call-1", [note(str(n), f"job-{n}")], CONTEXT) for n in range(20)))
    assert sorted(texts(await reception.record_of("call-1")), key=int) == [str(n) for n in range(20)]


@pytest.mark.parametrize(
    ("kind", "attempts", "is_done", "told"),
    [
        ("link", 1, True, True),
        ("link", 1, False, True),
        ("link", 2, False, False),
        ("link", 3, True, True),
        ("email", 1, True, False),
    ],
)
@pytest.mark.asyncio
async def test_a_call_learns_what_became_of_its_link(
    reception: Reception, kind: Any, attempts: int, is_done: bool, told: bool
) -> None:
    data = {"url": "https://x", "text": None}
    job = Job(key="k", call_id="call-1", bot="b", kind=kind, data=data, created_at=NOON, attempts=attempts)
    posted: list[Any] = []
    reception.told(job, is_done)  # its call is over
    with reception.equipment.registry.register(CallInfo(call_id="call-1")) as place:
        reception.told(job, is_done)  # and before anybody listens
        place.post = posted.append
        reception.told(job, is_done)
    assert posted == ([LinkSent(url="https://x", ok=is_done, text="")] if told else [])
