"""Where jobs are kept: SQLAlchemy, an SQLite file beside the call records by default, else the records' database.

A row is written before its job runs, and says who works on it until when: where several gateways share a database, what
a process leaves behind is taken over by another one, and after a restart by the same one. SQLite allows one gateway.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.clock import Clock
from gateway.jobs.job import MAX_ERROR, Job, JobsUnavailable, State
from gateway.records.database import TROUBLE, Database, reason_of, utc

metadata = MetaData()
_moment = DateTime(timezone=True)
jobs = Table(
    "jobs",
    metadata,
    Column("key", String, primary_key=True),
    Column("call_id", String, nullable=False),
    Column("bot", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("data", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("delay", Float, nullable=False),
    Column("due_at", _moment),
    Column("first_due_at", _moment),
    Column("ended_at", _moment),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("owner", String),
    Column("lease_until", _moment),
    Index("jobs_by_state", "state", "due_at"),
    Index("jobs_by_call", "call_id"),
)
_NOBODYS = {"owner": None, "lease_until": None}
_MOMENTS = ("created_at", "due_at", "first_due_at", "ended_at", "lease_until")


def sqlite_url(directory: Path) -> str:
    """The default: a file of its own in the records' folder, so that jobs and records do not wait for each other."""
    return f"sqlite+aiosqlite:///{directory / 'jobs.sqlite'}"


class SqlJobStore:
    """Implements `gateway.jobs.job.JobStore`; `list`, `retry` and `drop` are the operator's.

    Args:
        url: SQLAlchemy address with an async driver.
        clock: Says when to try a database again that was away.

    Raises:
        ConfigError: The address cannot be one, or its driver is not installed.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._database = Database(url, metadata, "jobs", clock)

    async def open(self) -> bool:
        return await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    # --- a job's way -----------------------------------------------------------------------------------------------
    async def add(self, new: Sequence[Job]) -> None:
        if not new:
            return
        async with self._writing() as connection:
            keys = [job.key for job in new]
            known = set((await connection.execute(select(jobs.c.key).where(jobs.c.key.in_(keys)))).scalars())
            rows = [_row(job) for job in new if job.key not in known]
            if rows:
                await connection.execute(insert(jobs), rows)

    async def release(self, call_id: str, at: datetime.datetime) -> int:
        async with self._writing() as connection:
            return await _release(connection, jobs.c.call_id == call_id, at)

    async def claim(
        self, free: Mapping[str, int], now: datetime.datetime, owner: str, until: datetime.datetime
    ) -> Sequence[Job]:
        kinds = [kind for kind, places in free.items() if places > 0]
        if not kinds or not await self._has_claimable(kinds, now):  # reading disturbs nobody
            return []
        taken: list[Job] = []
        async with self._writing() as connection:
            for kind in kinds:
                question = select(jobs).where(jobs.c.kind == kind, _claimable(now)).order_by(jobs.c.due_at)
                mine_alone = question.limit(free[kind]).with_for_update(skip_locked=True)  # SQLite locks the whole file
                for row in (await connection.execute(mine_alone)).mappings().all():
                    mine = {"owner": owner, "lease_until": utc(until), "attempts": row["attempts"] + 1}
                    this = and_(jobs.c.key == row["key"], _claimable(now))
                    if (await connection.execute(update(jobs).where(this).values(mine))).rowcount:
                        taken.append(_job({**row, **mine}))
        return taken

    async def _has_claimable(self, kinds: Collection[str], now: datetime.datetime) -> bool:
        due = await self.next_due(kinds)
        return due is not None and due <= now

    async def finish(self, key: str, state: State, at: datetime.datetime, error: str = "") -> None:
        ended: dict[str, Any] = {"state": state, "ended_at": utc(at), "error": error[:MAX_ERROR], **_NOBODYS}
        if state != "given_up":
            ended |= {"data": "{}", "context": "{}"}
        async with self._writing() as connection:
            unless_dropped = and_(jobs.c.key == key, jobs.c.state != "dropped")
            await connection.execute(update(jobs).where(unless_dropped).values(ended))

    async def again(self, key: str, owner: str, due_at: datetime.datetime, error: str) -> None:
        later = {"due_at": utc(due_at), "error": error[:MAX_ERROR], **_NOBODYS}
        async with self._writing() as connection:
            mine = and_(jobs.c.key == key, jobs.c.owner == owner, jobs.c.state == "due")
            await connection.execute(update(jobs).where(mine).values(later))

    # --- owners ----------------------------------------------------------------------------------------------------
    async def renew(self, owner: str, until: datetime.datetime) -> None:
        async with self._writing() as connection:
            mine = and_(jobs.c.owner == owner, jobs.c.state.in_(("held", "due")))
            await connection.execute(update(jobs).where(mine).values(lease_until=utc(until)))

    async def take_over(self, now: datetime.datetime, is_gone: Callable[[str], bool]) -> int:
        open_ones = jobs.c.state.in_(("held", "due"))
        async with self._reading() as connection:
            question = select(jobs.c.owner, func.min(jobs.c.lease_until)).where(open_ones, jobs.c.owner.is_not(None))
            owners = (await connection.execute(question.group_by(jobs.c.owner))).all()
        gone = [owner for owner, until in owners if is_gone(owner) or until is None or utc(until) < now]
        if not gone:
            return 0
        theirs = and_(open_ones, jobs.c.owner.in_(gone))
        async with self._writing() as connection:
            await _release(connection, theirs, now)
            await connection.execute(update(jobs).where(theirs).values(_NOBODYS))
        return len(gone)

    # --- looking ---------------------------------------------------------------------------------------------------
    async def next_due(self, kinds: Collection[str]) -> datetime.datetime | None:
        waits = and_(jobs.c.state == "due", jobs.c.owner.is_(None), jobs.c.kind.in_(list(kinds)))
        async with self._reading() as connection:
            due = (await connection.execute(select(func.min(jobs.c.due_at)).where(waits))).scalar()
        return None if due is None else utc(due)

    async def count(self) -> Mapping[str, int]:
        question = select(jobs.c.kind, func.count()).where(jobs.c.state.in_(("held", "due"))).group_by(jobs.c.kind)
        async with self._reading() as connection:
            return {str(kind): int(number) for kind, number in (await connection.execute(question)).all()}

    async def expire(self, done_before: datetime.datetime | None, given_up_before: datetime.datetime | None) -> int:
        removed = 0
        for states, before in ((("done", "dropped"), done_before), (("given_up",), given_up_before)):
            if before is None:
                continue
            old = and_(jobs.c.state.in_(states), jobs.c.ended_at < utc(before))
            async with self._writing() as connection:
                removed += (await connection.execute(delete(jobs).where(old))).rowcount
        return removed

    # --- for the operator ------------------------------------------------------------------------------------------
    async def list(
        self, *, limit: int, states: Collection[str] = (), call_id: str | None = None, key: str | None = None
    ) -> Sequence[Job]:
        """Jobs, the newest first; empty ``states``: all."""
        question = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.key).limit(limit)
        if states:
            question = question.where(jobs.c.state.in_(list(states)))
        if call_id is not None:
            question = question.where(jobs.c.call_id == call_id)
        if key is not None:
            question = question.where(jobs.c.key == key)
        async with self._reading() as connection:
            return [_job(dict(row)) for row in (await connection.execute(question)).mappings()]

    async def retry(self, key: str, now: datetime.datetime) -> bool:
        """Have a job tried at once: one that was given up, or waits for its next attempt. False: there is none."""
        fresh = {"state": "due", "due_at": utc(now), "first_due_at": utc(now), "ended_at": None, "attempts": 0}
        idle = and_(jobs.c.key == key, jobs.c.owner.is_(None), jobs.c.state.in_(("due", "given_up")))
        async with self._writing() as connection:
            return bool((await connection.execute(update(jobs).where(idle).values(fresh))).rowcount)

    async def drop(self, key: str, now: datetime.datetime) -> bool:
        """Have a job never done, or not again; one that is being done meanwhile may be. False: there is none."""
        gone = {"state": "dropped", "ended_at": utc(now), "data": "{}", "context": "{}", **_NOBODYS}
        waits = and_(jobs.c.key == key, jobs.c.state.in_(("held", "due", "given_up")))
        async with self._writing() as connection:
            return bool((await connection.execute(update(jobs).where(waits).values(gone))).rowcount)

    # --- database --------------------------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.writing() as connection:
                yield connection
        except TROUBLE as error:
            raise JobsUnavailable(f"the jobs' database: {reason_of(error)}") from error

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            await self._database.ensure_open()
            async with self._database.reading() as connection:
                yield connection
        except TROUBLE as error:
            raise JobsUnavailable(f"the jobs' database: {reason_of(error)}") from error


def _claimable(now: datetime.datetime) -> Any:
    """Due, and nobody's. What its owner has lost is made nobody's by `take_over`."""
    return and_(jobs.c.state == "due", jobs.c.due_at <= utc(now), jobs.c.owner.is_(None))


async def _release(connection: AsyncConnection, which: Any, at: datetime.datetime) -> int:
    question = select(jobs.c.key, jobs.c.delay).where(which, jobs.c.state == "held")
    held = (await connection.execute(question)).all()
    for key, delay in held:
        due_at = utc(at) + datetime.timedelta(seconds=delay)
        this = and_(jobs.c.key == key, jobs.c.state == "held")
        change = {"state": "due", "due_at": due_at, "first_due_at": due_at, **_NOBODYS}
        await connection.execute(update(jobs).where(this).values(change))
    return len(held)


def _row(job: Job) -> dict[str, Any]:
    row = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    moments = {name: None if row[name] is None else utc(row[name]) for name in _MOMENTS}
    return {**row, **moments, "data": json.dumps(dict(job.data)), "context": json.dumps(dict(job.context))}


def _job(row: Mapping[str, Any]) -> Job:
    moments = {name: None if row[name] is None else utc(row[name]) for name in _MOMENTS}
    return Job(**{**row, **moments, "data": json.loads(row["data"]), "context": json.loads(row["context"])})
