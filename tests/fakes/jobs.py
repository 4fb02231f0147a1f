"""Stand-ins for what surrounds jobs: a store without a database, books, counters, performers that do as they are told.

`MemoryJobStore` passes the same contract as the real one, and serves in virtual time, which waits for no database.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.actions import Record
from gateway.interfaces import AfterCallJob
from gateway.jobs.desk import JobDesk
from gateway.jobs.job import ENDED, Job, JobsUnavailable, Performer, State
from gateway.jobs.runner import Runner
from gateway.jobs.work import Surroundings, performers
from gateway.kit.http import HttpClient

NOON = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


class WallClock:
    """The loop's time, and a time of day that goes with it, so that virtual time carries it along."""

    def __init__(self) -> None:
        self._start = asyncio.get_running_loop().time()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> datetime.datetime:
        return NOON + datetime.timedelta(seconds=round(self.now() - self._start, 6))


class MemoryJobStore:
    """Implements `gateway.jobs.job.JobStore` in memory. While ``is_away``, nothing can be asked of it."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.is_away = False
        self.changed = asyncio.Event()

    def _ask(self) -> None:
        if self.is_away:
            raise JobsUnavailable("the jobs' database: away")

    def _set(self, key: str, **changes: Any) -> None:
        self.jobs[key] = dataclasses.replace(self.jobs[key], **changes)
        self.changed.set()

    def states(self) -> list[str]:
        return [job.state for job in self.jobs.values()]

    async def until(self, is_so: Callable[[MemoryJobStore], bool], within: float = 3600.0) -> None:
        """Wait until something is so of it."""
        async with asyncio.timeout(within):
            while not is_so(self):
                self.changed.clear()
                await self.changed.wait()

    async def add(self, jobs: Sequence[Job]) -> None:
        self._ask()
        for job in jobs:
            self.jobs.setdefault(job.key, job)
        self.changed.set()

    async def release(self, call_id: str, at: datetime.datetime) -> int:
        self._ask()
        held = [job for job in self.jobs.values() if job.call_id == call_id and job.state == "held"]
        for job in held:
            self.jobs[job.key] = job.released(at)
        self.changed.set()
        return len(held)

    async def claim(
        self, free: Mapping[str, int], now: datetime.datetime, owner: str, until: datetime.datetime
    ) -> Sequence[Job]:
        self._ask()
        taken = []
        for kind, places in free.items():
            due = [job for job in self.jobs.values() if job.kind == kind and _is_claimable(job, now)]
            for job in sorted(due, key=lambda job: job.due_at or now)[: max(places, 0)]:
                self._set(job.key, owner=owner, lease_until=until, attempts=job.attempts + 1)
                taken.append(self.jobs[job.key])
        return taken

    async def finish(self, key: str, state: State, at: datetime.datetime, error: str = "") -> None:
        self._ask()
        if self.jobs[key].state != "dropped":
            emptied: dict[str, Any] = {} if state == "given_up" else {"data": {}, "context": {}}
            self._set(key, state=state, ended_at=at, error=error, owner=None, lease_until=None, **emptied)

    async def again(self, key: str, owner: str, due_at: datetime.datetime, error: str) -> None:
        self._ask()
        if self.jobs[key].owner == owner and self.jobs[key].state == "due":
            self._set(key, due_at=due_at, error=error, owner=None, lease_until=None)

    async def renew(self, owner: str, until: datetime.datetime) -> None:
        self._ask()
        for job in list(self.jobs.values()):
            if job.owner == owner:
                self._set(job.key, lease_until=until)

    async def take_over(self, now: datetime.datetime, is_gone: Callable[[str], bool]) -> int:
        self._ask()
        gone = {job.owner for job in self.jobs.values() if job.owner and _is_lost(job, now, is_gone)}
        for job in list(self.jobs.values()):
            if job.owner in gone:
                self.jobs[job.key] = job.released(now) if job.state == "held" else job
                self._set(job.key, owner=None, lease_until=None)
        return len(gone)

    async def next_due(self, kinds: Collection[str]) -> datetime.datetime | None:
        self._ask()
        waiting = [job for job in self.jobs.values() if job.state == "due" and job.owner is None and job.kind in kinds]
        return min((job.due_at for job in waiting if job.due_at is not None), default=None)

    async def count(self) -> Mapping[str, int]:
        self._ask()
        return Counter(job.kind for job in self.jobs.values() if job.state not in ENDED)

    async def expire(self, done_before: datetime.datetime | None, given_up_before: datetime.datetime | None) -> int:
        self._ask()
        bounds = {"done": done_before, "dropped": done_before, "given_up": given_up_before}
        old = [key for key, job in self.jobs.items() if _ended_before(job, bounds.get(job.state))]
        for key in old:
            del self.jobs[key]
        return len(old)


def _is_claimable(job: Job, now: datetime.datetime) -> bool:
    return job.state == "due" and job.owner is None and job.due_at is not None and job.due_at <= now


def _is_lost(job: Job, now: datetime.datetime, is_gone: Callable[[str], bool]) -> bool:
    return is_gone(job.owner or "") or job.lease_until is None or job.lease_until < now


def _ended_before(job: Job, moment: datetime.datetime | None) -> bool:
    return moment is not None and job.ended_at is not None and job.ended_at < moment


class KeptBooks:
    """Implements `gateway.jobs.job.Books`."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, list[dict[str, Any]]] = {}
        self.is_away = False

    async def record_of(self, call_id: str) -> Mapping[str, Any] | None:
        return self.records.get(call_id)

    async def add_notes(self, call_id: str, notes: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> bool:
        if not self.is_away:
            self.notes.setdefault(call_id, []).extend(dict(note) for note in notes)
        return not self.is_away


class Tally:
    """Implements `gateway.jobs.job.Counters`."""

    def __init__(self) -> None:
        self.stored: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.waiting: Mapping[str, int] = {}

    def job_stored(self, kind: str) -> None:
        self.stored[kind] += 1

    def job_ended(self, kind: str, result: str) -> None:
        self.ended[kind, result] += 1

    def jobs_waiting(self, counts: Mapping[str, int]) -> None:
        self.waiting = dict(counts)


class ScriptedPerformer:
    """Does each job by what comes next in its script: results, an error to raise, or seconds to take. Then: nothing."""

    def __init__(self, *script: Sequence[Record] | BaseException | float) -> None:
        self._script = list(script)
        self.asked: list[AfterCallJob] = []
        self.at: list[float] = []
        self.running = self.most = 0

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        self.asked.append(job)
        self.at.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._next()
        finally:
            self.running -= 1

    async def _next(self) -> Sequence[Record]:
        step = self._script.pop(0) if self._script else ()
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, int | float):
            await asyncio.sleep(step)
            return ()
        return step


# --- in an office --------------------------------------------------------------------------------------------------
@dataclass
class OfficeJobs:
    """What an office (`tests.fakes.office`) does after its calls, for the loop with virtual time."""

    store: MemoryJobStore
    tally: Tally

    async def done(self, within: float = 3600.0) -> None:
        """Wait until nothing is left to do, given up or not."""
        await self.store.until(lambda store: all(state in ENDED for state in store.states()), within)


class OfficeBooks:
    """The books of an office, as jobs see them: `gateway.reception.Reception`, but for its missing database."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    async def record_of(self, call_id: str) -> Mapping[str, Any] | None:
        return next((record for record in self._records if record["call_id"] == call_id), None)

    async def add_notes(self, call_id: str, notes: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> bool:
        record = await self.record_of(call_id)
        if record is not None:
            record["notes"] += [dict(note) for note in notes]
        return True


@asynccontextmanager
async def jobs_at(office: Any, **others: Performer) -> AsyncIterator[OfficeJobs]:
    """Have an office do, and note in its records, what is due after the calls that come from now on.

    Args:
        others: Who does a kind instead of the real performer.
    """
    reception, store, tally, clock = office.reception, MemoryJobStore(), Tally(), WallClock()
    async with HttpClient() as http:
        around = Surroundings(
            http=http,
            books=OfficeBooks(office.records),
            settings=lambda: reception.house.settings,
            backends=lambda: reception.house.backends,
            told=reception.told,
        )
        runner = Runner(
            store,
            around.books,
            {**performers(around, clock), **others},
            rules=lambda: around.settings().jobs,
            clock=clock,
            owner="office",
            is_gone=lambda owner: False,
            counters=tally,
            told=around.told,
        )
        desk = JobDesk(store, clock, "office", tally, runner.wake)
        reception.equipment = dataclasses.replace(reception.equipment, jobs=desk)
        tasks = [asyncio.create_task(runner.run()), asyncio.create_task(desk.run())]
        try:
            yield OfficeJobs(store, tally)
            await office.calls_over()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
