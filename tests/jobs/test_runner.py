"""What is due is done: once where all goes well, again where it does not, a few at a time, drained at shutdown."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from config.jobs import JobsSection
from gateway.actions import Record
from gateway.errors import VendorRejected, VendorUnavailable
from gateway.jobs.job import Job, JobRefused
from gateway.jobs.runner import LOOK_EVERY, Runner
from gateway.kit.http import VendorBusy
from tests.fakes.jobs import NOON, KeptBooks, MemoryJobStore, ScriptedPerformer, Tally, WallClock
from tests.fakes.virtual_loop import virtual_time

ME = "host/1/me"
AWAY = VendorUnavailable("away", vendor="crm")
RULES = {"retry": {"first": 5, "longest": 60, "give_up_after": 600}, "at_once": 2}


class Works:
    """A runner, and all that is around it."""

    def __init__(self, rules: Mapping[str, Any], **performers: ScriptedPerformer) -> None:
        self.store = MemoryJobStore()
        self.books = KeptBooks()
        self.tally = Tally()
        self.clock = WallClock()
        self.told: list[tuple[str, bool]] = []
        self.rules = JobsSection.model_validate({**RULES, **rules})
        self.runner = Runner(
            self.store,
            self.books,
            performers,
            rules=lambda: self.rules,
            clock=self.clock,
            owner=ME,
            is_gone=lambda owner: False,
            counters=self.tally,
            told=lambda job, is_done: self.told.append((job.key, is_done)),
        )

    async def due(self, *keys: str, **changes: Any) -> None:
        given: dict[str, Any] = {"call_id": "call-1", "bot": "reception", "kind": "webhook", "data": {"n": 1}}
        for key in keys:
            job = Job(key=key, created_at=NOON, **{**given, **changes})
            await self.store.add([job.released(self.clock.wall())])
        self.runner.wake()


@asynccontextmanager
async def working(rules: Mapping[str, Any] | None = None, **performers: ScriptedPerformer) -> AsyncIterator[Works]:
    works = Works(rules or {}, **performers)
    running = asyncio.create_task(works.runner.run())
    await asyncio.sleep(0)
    try:
        yield works
    finally:
        running.cancel()
        await asyncio.wait([running])


def ended(works: Works, state: str, count: int = 1) -> Any:
    return works.store.until(lambda store: store.states().count(state) >= count)


@virtual_time
async def test_what_is_due_is_done_once_with_its_key_and_its_call() -> None:
    crm = ScriptedPerformer()
    async with working(webhook=crm) as works:
        works.books.records["call-1"] = {"caller": "+336", "exchange": ["hello"]}
        await works.due("a", context={"caller": "", "line": "pbx"})
        await ended(works, "done")
    (asked,) = crm.asked
    assert (asked.key, asked.kind, asked.data) == ("a", "webhook", {"n": 1})
    assert asked.call == {"caller": "+336", "exchange": ["hello"], "line": "pbx", "bot": "reception"}
    assert works.tally.ended == {("webhook", "done"): 1}
    assert works.told == [("a", True)]


@virtual_time
async def test_a_job_with_a_delay_is_done_to_the_second() -> None:
    crm = ScriptedPerformer()
    async with working(webhook=crm) as works:
        begun = works.clock.now()
        await works.due("a", delay=47.0)
        await ended(works, "done")
    assert crm.at[0] - begun == pytest.approx(47.0, abs=0.01)


@virtual_time
async def test_what_fails_is_tried_again_with_growing_pauses_and_the_same_key() -> None:
    crm = ScriptedPerformer(AWAY, AWAY, AWAY)
    with structlog.testing.capture_logs() as logs:
        async with working(webhook=crm) as works:
            await works.due("a")
            await ended(works, "done")
    pauses = [later - earlier for earlier, later in zip(crm.at, crm.at[1:], strict=False)]
    for pause, least in zip(pauses, (5, 10, 20), strict=True):
        assert least <= pause <= least * 1.2 + 0.1
    assert {asked.key for asked in crm.asked} == {"a"}
    assert works.tally.ended == {("webhook", "failed"): 3, ("webhook", "done"): 1}
    assert works.told == [("a", False)] * 3 + [("a", True)]
    assert [entry["attempts"] for entry in logs if entry["event"] == "job failed"] == [1, 2, 3]


@virtual_time
async def test_who_asks_to_be_left_alone_is() -> None:
    crm = ScriptedPerformer(VendorBusy("too many", vendor="crm", retry_after=45.0))
    async with working(webhook=crm) as works:
        await works.due("a")
        await ended(works, "done")
    assert 45 <= crm.at[1] - crm.at[0] <= 45 * 1.2 + 0.1


@virtual_time
async def test_what_keeps_failing_is_given_up_when_its_time_is_over_and_noted() -> None:
    crm = ScriptedPerformer(*[AWAY] * 100)
    with structlog.testing.capture_logs() as logs:
        async with working(webhook=crm) as works:
            await works.due("a", context={"started_at": NOON.isoformat()})
            await ended(works, "given_up")
    assert crm.at[-1] - crm.at[0] == pytest.approx(600, abs=0.1)
    (note,) = works.books.notes["call-1"]
    assert (note["kind"], note["job"], note["at"]) == ("job_given_up", "a", pytest.approx(600, abs=0.1))
    assert note["data"] == {"kind": "webhook", "attempts": len(crm.at), "reason": "crm: away"}
    assert works.tally.ended["webhook", "given_up"] == 1
    (entry,) = [entry for entry in logs if entry["event"] == "job given up"]
    assert (entry["key"], entry["kind"], entry["log_level"]) == ("a", "webhook", "error")


@pytest.mark.parametrize(
    "error", [VendorRejected("status 400", vendor="crm"), JobRefused("its url is none"), KeyError("nothing here")]
)
@virtual_time
async def test_what_was_refused_is_given_up_at_once_a_bug_is_not(error: Exception) -> None:
    crm = ScriptedPerformer(error)
    with structlog.testing.capture_logs():
        async with working(webhook=crm) as works:
            await works.due("a")
            await ended(works, "done" if isinstance(error, KeyError) else "given_up")
    assert len(crm.at) == (2 if isinstance(error, KeyError) else 1)


@virtual_time
async def test_a_kind_nobody_does_is_given_up() -> None:
    with structlog.testing.capture_logs():
        async with working() as works:
            await works.due("a")
            await ended(works, "given_up")
    assert "nothing here does jobs of kind webhook" in works.store.jobs["a"].error


@virtual_time
async def test_a_job_that_hangs_is_cut_off_and_tried_again() -> None:
    crm = ScriptedPerformer(1e6)
    async with working(webhook=crm) as works:
        await works.due("a")
        await ended(works, "done")
    assert crm.at[1] - crm.at[0] >= 300 + 5


@virtual_time
async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    crm = ScriptedPerformer(asyncio.CancelledError())
    async with working(webhook=crm) as works:
        await works.due("a")
        await ended(works, "done")
    assert len(crm.at) == 2


@virtual_time
async def test_a_few_of_a_kind_at_once_and_no_kind_waits_for_another() -> None:
    slow, quick = ScriptedPerformer(*[30.0] * 6), ScriptedPerformer()
    async with working(webhook=slow, email=quick) as works:
        await works.due(*"abcdef")
        await works.due("mail", kind="email")
        await works.store.until(lambda store: store.jobs["mail"].state == "done")
        assert slow.running == 2
        await ended(works, "done", 7)
    assert slow.most == 2
    assert slow.at[-1] - slow.at[0] == pytest.approx(60, abs=1)


@virtual_time
async def test_what_a_job_brings_joins_the_record() -> None:
    history = ScriptedPerformer([Record(kind="note", data={"text": "x", "odd": float("nan")})])
    async with working(backend=history) as works:
        await works.due("a", kind="backend", context={"started_at": (NOON - datetime.timedelta(minutes=1)).isoformat()})
        await ended(works, "done")
    assert works.books.notes["call-1"] == [
        {"at": 60.0, "kind": "note", "data": {"text": "x", "odd": None}, "job": "a"},
    ]


@virtual_time
async def test_what_cannot_be_written_into_the_record_is_fetched_again() -> None:
    results = [Record(kind="note", data={"text": "x"})]
    history = ScriptedPerformer(results, results)
    async with working(backend=history) as works:
        works.books.is_away = True
        await works.due("a", kind="backend")
        await works.store.until(lambda store: store.jobs["a"].error != "")
        works.books.is_away = False
        await ended(works, "done")
    assert len(history.asked) == 2
    assert [note["data"]["text"] for note in works.books.notes["call-1"]] == ["x"]


@virtual_time
async def test_what_others_store_is_found_without_being_told() -> None:
    crm = ScriptedPerformer()
    async with working(webhook=crm) as works:
        await asyncio.sleep(1)
        begun = works.clock.now()
        job = Job(key="a", call_id="c", bot="b", kind="webhook", data={}, created_at=NOON)
        await works.store.add([job.released(works.clock.wall())])
        await ended(works, "done")
        assert works.clock.now() - begun <= LOOK_EVERY


@virtual_time
async def test_a_store_that_was_away_costs_time_only() -> None:
    crm = ScriptedPerformer(2.0)
    with structlog.testing.capture_logs() as logs:
        async with working(webhook=crm) as works:
            await works.due("a", "b")
            await asyncio.sleep(1)
            works.store.is_away = True
            await asyncio.sleep(60)
            works.store.is_away = False
            await ended(works, "done", 2)
    assert sorted(asked.key for asked in crm.asked) == ["a", "b"]
    events = [entry["event"] for entry in logs]
    assert "a job's end not stored yet" in events
    assert (events.count("jobs not looked for"), events.count("jobs looked for again")) == (1, 1)


@virtual_time
async def test_the_lease_of_what_takes_long_is_renewed() -> None:
    crm = ScriptedPerformer(200.0)
    async with working(webhook=crm) as works:
        await works.due("a")
        await asyncio.sleep(150)
        lease = works.store.jobs["a"].lease_until
        assert lease is not None
        assert lease > works.clock.wall()
        assert works.tally.waiting == {"webhook": 1}


@virtual_time
async def test_draining_finishes_what_was_begun_and_begins_nothing_new() -> None:
    crm = ScriptedPerformer(3.0, 3.0)
    async with working(webhook=crm) as works:
        await works.due(*"abcd")
        await asyncio.sleep(1)
        await works.runner.drain(10)
        assert sorted(works.store.states()) == ["done", "done", "due", "due"]


@virtual_time
async def test_what_outlasts_the_drain_is_free_for_the_next_start() -> None:
    crm = ScriptedPerformer(1000.0)
    async with working(webhook=crm) as works:
        await works.due("a")
        await asyncio.sleep(1)
        await works.runner.drain(10)
    job = works.store.jobs["a"]
    assert (job.state, job.owner) == ("due", None)
    assert await works.store.claim({"webhook": 1}, works.clock.wall(), "host/2/next", works.clock.wall())


@virtual_time
async def test_a_runner_that_is_cancelled_leaves_its_jobs_free() -> None:
    crm = ScriptedPerformer(1000.0)
    async with working(webhook=crm) as works:
        await works.due("a")
        await asyncio.sleep(1)
        assert works.store.jobs["a"].owner == ME
    assert works.store.jobs["a"].owner is None


@virtual_time
async def test_rules_of_a_reload_are_in_force_for_the_next_job() -> None:
    crm = ScriptedPerformer(AWAY)
    with structlog.testing.capture_logs():
        async with working(webhook=crm) as works:
            works.rules = JobsSection.model_validate({"retry": {"give_up_after": 0}})
            await works.due("a")
            await ended(works, "given_up")
    assert len(crm.at) == 1
