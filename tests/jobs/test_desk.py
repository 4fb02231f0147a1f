"""The desk stores what a call asks for while it is up, refuses what is none, and lets it be done when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from gateway.actions import PostCall
from gateway.call.commands import KeepRecord
from gateway.events import TimeElapsed
from gateway.jobs.desk import MAX_OF_CALL, MAX_WAITING, TRY_AGAIN, CallJobs, JobDesk
from gateway.jobs.job import MAX_DATA_BYTES
from tests.fakes.jobs import NOON, MemoryJobStore, Tally, WallClock
from tests.fakes.virtual_loop import virtual_time

ME = "host/1/me"


class Desk:
    def __init__(self) -> None:
        self.store, self.tally = MemoryJobStore(), Tally()
        self.woken = 0
        self.desk = JobDesk(self.store, WallClock(), ME, self.tally, self._wake)
        self.notes: list[tuple[str, Mapping[str, Any]]] = []

    def _wake(self) -> None:
        self.woken += 1

    def call(self, call_id: str = "call-1") -> CallJobs:
        context = {"call_id": call_id, "bot": "reception", "caller": "+336"}
        return self.desk.open_call(context, lambda kind, data: self.notes.append((kind, data)))


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    desk = Desk()
    running = asyncio.create_task(desk.desk.run())
    await asyncio.sleep(0)
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.wait([running])


def ask(call: CallJobs, *asked: PostCall) -> None:
    """As a step of the call hands them over."""
    commands = [KeepRecord(kind=f"post_call_{action.kind}", data=dict(action.data)) for action in asked]
    call.observe(1.0, TimeElapsed(), commands)


def note(call: CallJobs, kind: str, **data: Any) -> None:
    call.observe(1.0, TimeElapsed(), [KeepRecord(kind=kind, data=data)])


@virtual_time
async def test_a_job_is_stored_while_the_call_is_up_and_due_when_it_is_over() -> None:
    async with open_desk() as desk:
        call = desk.call()
        ask(call, PostCall(kind="webhook", data={"url": "https://x", "delay": 7}))
        await call.stored()
        (job,) = desk.store.jobs.values()
        assert (job.state, job.kind, job.data, job.delay) == ("held", "webhook", {"url": "https://x"}, 7.0)
        assert (job.bot, job.context["caller"], job.owner) == ("reception", "+336", ME)
        assert job.key.startswith("call-1-")
        call.over()
        await desk.store.until(lambda store: store.states() == ["due"])
        (job,) = desk.store.jobs.values()
        assert job.due_at is not None
        assert (job.due_at - NOON).total_seconds() == pytest.approx(7.0, abs=0.01)
    assert desk.tally.stored == {"webhook": 1}
    assert desk.woken >= 1


@virtual_time
async def test_a_link_by_hook_is_due_at_once_other_notes_are_no_jobs() -> None:
    async with open_desk() as desk:
        call = desk.call()
        note(call, "link", url="https://x", text="t", policy="hook", hook="sms")
        note(call, "link", url="https://y", text="t", policy="speak")
        note(call, "link", url="https://z")
        note(call, "webhook", url="https://x")
        note(call, "post_call_nothing", url="https://x")
        await call.stored()
        (job,) = desk.store.jobs.values()
        assert (job.kind, job.state, job.owner, job.data["url"]) == ("link", "due", None, "https://x")


@virtual_time
async def test_keys_differ_also_within_a_call() -> None:
    async with open_desk() as desk:
        call = desk.call()
        ask(call, *[PostCall(kind="webhook", data={})] * 5)
        await call.stored()
    assert len(desk.store.jobs) == 5


@pytest.mark.parametrize(
    "data", [{"x": "y" * MAX_DATA_BYTES}, {"x": float("nan")}, {"x": object()}, {"delay": -1}, {"delay": "soon"}]
)
@virtual_time
async def test_what_can_be_no_job_is_refused_noted_and_counted(data: dict[str, Any]) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_desk() as desk:
            call = desk.call()
            ask(call, PostCall(kind="email", data=data))
            await call.stored()
    assert desk.store.jobs == {}
    assert [kind for kind, _ in desk.notes] == ["job_refused"]
    assert desk.tally.ended == {("email", "refused"): 1}
    assert [entry["event"] for entry in logs] == ["job not taken"]


@virtual_time
async def test_a_bot_that_asks_for_too_many_gets_so_many_and_no_endless_notes() -> None:
    with structlog.testing.capture_logs():
        async with open_desk() as desk:
            call = desk.call()
            ask(call, *[PostCall(kind="webhook", data={})] * (MAX_OF_CALL + 1000))
            await call.stored()
    assert len(desk.store.jobs) == MAX_OF_CALL
    assert len(desk.notes) == MAX_OF_CALL


@virtual_time
async def test_a_store_that_is_away_is_asked_until_it_is_back_and_the_order_stays() -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_desk() as desk:
            desk.store.is_away = True
            call = desk.call()
            ask(call, PostCall(kind="webhook", data={}))
            call.over()
            await asyncio.sleep(10 * TRY_AGAIN)
            desk.store.is_away = False
            await desk.store.until(lambda store: store.states() == ["due"], within=2 * TRY_AGAIN)
    assert [entry["event"] for entry in logs].count("jobs wait for their store") == 1


@virtual_time
async def test_the_end_of_a_call_waits_for_the_store_for_a_bounded_time() -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_desk() as desk:
            desk.store.is_away = True
            call = desk.call()
            ask(call, PostCall(kind="webhook", data={}))
            async with asyncio.timeout(60):
                await call.stored()
    assert "jobs of a call not stored yet" in {entry["event"] for entry in logs}


@virtual_time
async def test_a_call_without_jobs_asks_the_store_for_nothing() -> None:
    async with open_desk() as desk:
        desk.store.is_away = True
        call = desk.call()
        note(call, "note", text="x")
        async with asyncio.timeout(0.001):
            await call.stored()
        call.over()


@virtual_time
async def test_more_than_can_wait_is_lost_with_a_word() -> None:
    with structlog.testing.capture_logs() as logs:
        desk = Desk()
        calls = [desk.call(f"call-{n}") for n in range(MAX_WAITING // MAX_OF_CALL + 1)]
        for call in calls:
            ask(call, *[PostCall(kind="webhook", data={})] * MAX_OF_CALL)
    assert desk.tally.ended == {("webhook", "lost"): MAX_OF_CALL}
    assert {kind for kind, _ in desk.notes} == {"job_lost"}
    assert len([entry for entry in logs if entry["event"] == "job not taken"]) == MAX_OF_CALL
    await desk.desk.flush()
    assert len(desk.store.jobs) == MAX_WAITING
