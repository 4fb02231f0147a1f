"""Where ended calls are kept: SQLAlchemy, SQLite beside the journals by default, PostgreSQL where several share one.

A record that cannot be stored is logged and lost; the call was over already. A database that was away is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text, delete, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, InvalidRequestError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.clock import Clock, LoopClock
from gateway.errors import ConfigError
from gateway.records.disk import FILE_MODE, make_folder

log = structlog.get_logger()

STORE_WITHIN = 15.0  # s one question to the database may take
OPEN_AGAIN = 30.0  # s after which a database that could not be had is tried again
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
_QUOTED = re.compile(r"'.*'|\(.*\)", re.DOTALL)  # drivers quote what they were given
_TROUBLE = (SQLAlchemyError, OSError, TimeoutError)


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
        try:
            self._url = make_url(url)
            self._engine: AsyncEngine = create_async_engine(self._url, hide_parameters=True)
        except (NoSuchModuleError, InvalidRequestError, ModuleNotFoundError) as error:
            raise ConfigError(f"cannot be used as a database: {error}", field="records.database") from None
        except (SQLAlchemyError, ValueError, TypeError):  # the text of these has the address, password included
            raise ConfigError("is no address of a database", field="records.database") from None
        self._clock = clock or LoopClock()
        self._is_open = False
        self._again_at = 0.0
        self._waiting = 0
        self._queue: list[_Entry] = []
        # One writer at a time for SQLite, which locks the whole file; a few for a server.
        self._writers = asyncio.Semaphore(1 if self._is_sqlite else 5)

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    async def open(self) -> bool:
        """Make the tables. Returns whether records can be kept; a disk that refuses costs them, not the start."""
        self._again_at = self._clock.now() + OPEN_AGAIN
        try:
            self._prepare_file()
            async with asyncio.timeout(STORE_WITHIN), self._engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
        except _TROUBLE as error:
            log.error("call records cannot be kept", reason=_reason(error))
            return False
        self._is_open = True
        return True

    def _prepare_file(self) -> None:
        """SQLite makes its file readable by all; make it first, for its owner only."""
        name = self._url.database if self._is_sqlite else None
        if not name or name == ":memory:" or name.startswith("file:"):
            return
        path = Path(name)
        if path.exists():  # on a disk that has become read-only, what is there can still be read
            return
        make_folder(path.parent)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, FILE_MODE))

    async def close(self) -> None:
        """Let go of the database. What is being stored meanwhile is lost."""
        with contextlib.suppress(*_TROUBLE):
            async with asyncio.timeout(STORE_WITHIN):
                await self._engine.dispose()

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
                async with self._writers:
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
            await self._ensure_open()
            async with asyncio.timeout(STORE_WITHIN), self._engine.begin() as connection:
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
            query = query.where(calls.c.started_at < _utc(before))
        return [json.loads(text) for text in await self._texts(query)]

    async def get(self, call_id: str) -> dict[str, Any] | None:
        texts = await self._texts(select(calls.c.record).where(calls.c.call_id == call_id))
        return json.loads(texts[0]) if texts else None

    async def expire(self, before: datetime.datetime) -> int:
        """Remove records of calls that started before a moment. Returns how many."""
        try:
            async with self._writing() as connection:
                result = await connection.execute(delete(calls).where(calls.c.started_at < _utc(before)))
        except _TROUBLE as error:
            log.warning("old call records not removed", reason=_reason(error))
            return 0
        return int(result.rowcount)

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._writers:
            await self._ensure_open()
            async with asyncio.timeout(STORE_WITHIN), self._engine.begin() as connection:
                yield connection

    async def _ensure_open(self) -> None:
        if not self._is_open and (self._clock.now() < self._again_at or not await self.open()):
            raise OSError("the database is not there")

    async def _texts(self, query: Any) -> list[str]:
        if not self._is_open:
            return []
        try:
            async with asyncio.timeout(STORE_WITHIN), self._engine.connect() as connection:
                return [str(row[0]) for row in await connection.execute(query)]
        except (*_TROUBLE, UnicodeEncodeError) as error:  # half a surrogate pair in what is looked for
            log.warning("call records cannot be read", reason=_reason(error))
            return []


def _row(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "call_id": record["call_id"],
        "started_at": _utc(datetime.datetime.fromisoformat(record["started_at"])),
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
        log.error("call record lost", reason=_reason(error))
        entry.settle(False)


def _utc(moment: datetime.datetime) -> datetime.datetime:
    """In UTC, because SQLite forgets the zone; a moment without one is UTC already."""
    return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)


def _reason(error: BaseException) -> str:
    """What the driver said, without the statement and its parameters, which hold personal data."""
    original = getattr(error, "orig", None)
    said = str(error) if original is None else _QUOTED.sub("'...'", str(original))
    lines = said.splitlines()
    return f"{type(original or error).__name__}: {lines[0][:200] if lines else 'no answer in time'}"
