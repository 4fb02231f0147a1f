"""Where ended calls are kept: SQLAlchemy, SQLite beside the journals by default, PostgreSQL where several share one.

A record that cannot be stored is logged and lost; the call was over already. A database that was away is tried again.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
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
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from gateway.clock import Clock
from gateway.records.database import OPEN_AGAIN, TROUBLE, Database, reason_of, utc

__all__ = ["OPEN_AGAIN", "CallStore", "calls", "sqlite_url"]

log = structlog.get_logger()

MAX_WAITING = 2000  # records that wait for the database; more are lost

metadata = MetaData()
calls = Table(
    "calls",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("line", String, nullable=False),
    Column("number", String, nullable=False),
    Column("result", String, nullable=False),
    Column("by", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("record", Text, nullable=False),
    Index("calls_by_start", "started_at"),
    Index("calls_by_number", "number", "started_at"),
)


def sqlite_url(directory: Path) -> str:
    """The default database: a file in the records' folder."""
    return f"sqlite+aiosqlite:///{directory / 'calls.sqlite'}"


class _Entry:
    """A record on its way to the database."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.begin()

    def begin(self) -> None:
        """The result is open; None: who meant to store it was stopped, so it has to be tried again."""
        self.is_stored: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()

    def settle(self, is_stored: bool | None) -> None:
        if not self.is_stored.done():  # nobody waits for it any more
            self.is_stored.set_result(is_stored)


class CallStore:
    """Keeps call records.

    Args:
        url: SQLAlchemy address with an async driver.
        clock: Says when to try again.

    Raises:
        ConfigError: The address cannot be one, or its driver is not installed.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._database = Database(url, metadata, "call records", clock)
        self._waiting = 0
        self._queue: list[_Entry] = []

    async def open(self) -> bool:
        """Make the tables. Returns whether records can be kept; a disk that refuses costs them, not the start."""
        return await self._database.open()

    async def close(self) -> None:
        """Let go of the database. What is being stored meanwhile is lost."""
        await self._database.close()

    async def keep(self, record: dict[str, Any]) -> bool:
        """Store an ended call (`CallRecord.to_json`). Returns whether it is stored; never raises.

        What waits when the database is free is stored in one transaction, for all who wait: a disk takes some ten of
        them in a second, and calls may end a hundred times as often.
        """
        if self._waiting >= MAX_WAITING:
            log.error("call record lost", reason="too many wait for the database")
            return False
        entry = _Entry(record)
        self._waiting += 1
        self._queue.append(entry)
        try:
            while True:
                async with self._database.writers:
                    if entry in self._queue:
                        await self._keep_queue()
                is_stored = await entry.is_stored  # by whoever took it
                if is_stored is not None:
                    return is_stored
                entry.begin()
                self._queue.append(entry)
        finally:
            self._waiting -= 1
            if entry in self._queue:  # nobody waits for it any more
                self._queue.remove(entry)

    async def _keep_queue(self) -> None:
        entries, self._queue = self._queue, []
        try:
            await self._insert(entries)
        finally:
            for entry in entries:
                entry.settle(None)

    async def _insert(self, entries: list[_Entry]) -> None:
        """Store records; what one of them does wrong costs no other one."""
        try:
            await self._database.ensure_open()
            async with self._database.transaction() as connection:
                await connection.execute(insert(calls), [_row(entry.record) for entry in entries])
        except (SQLAlchemyError, ValueError) as error:
            if len(entries) > 1 and not isinstance(error, InterfaceError | OperationalError):
                for entry in entries:
                    await self._insert([entry])
                return
            _lose(entries, error)
        except (OSError, TimeoutError) as error:
            _lose(entries, error)
        else:
            for entry in entries:
                entry.settle(True)

    async def find(
        self, *, limit: int, number: str | None = None, before: datetime.datetime | None = None
    ) -> Sequence[dict[str, Any]]:
        """The latest records, newest first; those of a number, or that started before a moment."""
        query = select(calls.c.record).order_by(calls.c.started_at.desc(), calls.c.call_id).limit(limit)
        if number is not None:
            query = query.where(calls.c.number == number)
        if before is not None:
            query = query.where(calls.c.started_at < utc(before))
        return [json.loads(text) for text in await self._texts(query)]

    async def get(self, call_id: str) -> dict[str, Any] | None:
        texts = await self._texts(select(calls.c.record).where(calls.c.call_id == call_id))
        return json.loads(texts[0]) if texts else None

    async def add_notes(
        self, call_id: str, notes: Sequence[Mapping[str, Any]], otherwise: Mapping[str, Any] | None = None
    ) -> bool:
        """Add notes to a stored record; those of a ``job`` that has left notes before replace them.

        Args:
            otherwise: Stored with them where the call has no record, as after a crash.
        Returns:
            Whether they are stored, or nobody will ever have a place for them; never raises.
        """
        jobs = {note.get("job") for note in notes} - {None}
        try:
            async with self._database.writing() as connection:
                question = select(calls.c.record).where(calls.c.call_id == call_id).with_for_update()
                found = (await connection.execute(question)).scalar()
                if found is None and otherwise is None:
                    return True
                record = json.loads(found) if found is not None else dict(otherwise or {})
                record["notes"] = [old for old in record.get("notes", ()) if old.get("job") not in jobs] + list(notes)
                row = _row(record)
                if found is None:
                    await connection.execute(insert(calls), row)
                else:
                    of_call = calls.c.call_id == call_id
                    await connection.execute(update(calls).where(of_call).values(record=row["record"]))
        except (*TROUBLE, ValueError) as error:
            log.warning("notes of a call not stored", call_id=call_id, reason=reason_of(error))
            return False
        return True

    async def expire(self, before: datetime.datetime) -> int:
        """Remove records of calls that started before a moment. Returns how many."""
        try:
            async with self._database.writing() as connection:
                result = await connection.execute(delete(calls).where(calls.c.started_at < utc(before)))
        except TROUBLE as error:
            log.warning("old call records not removed", reason=reason_of(error))
            return 0
        return int(result.rowcount)

    async def _texts(self, query: Any) -> list[str]:
        if not self._database.is_open:
            return []
        try:
            async with self._database.reading() as connection:
                return [str(row[0]) for row in await connection.execute(query)]
        except (*TROUBLE, UnicodeEncodeError) as error:  # half a surrogate pair in what is looked for
            log.warning("call records cannot be read", reason=reason_of(error))
            return []


def _row(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "call_id": record["call_id"],
        "started_at": utc(datetime.datetime.fromisoformat(record["started_at"])),
        "line": record["line"],
        "number": record["number"],
        "result": record["result"] or "internal_error",
        "by": record["by"] or "gateway",
        "seconds": record["seconds"],
        "turns": record["turns"],
        "record": json.dumps(record, ensure_ascii=False, separators=(",", ":")),
    }


def _lose(entries: Sequence[_Entry], error: BaseException) -> None:
    for entry in entries:
        log.error("call record lost", reason=reason_of(error))
        entry.settle(False)
