"""Where ended calls are kept: SQLAlchemy, SQLite beside the journals by default, PostgreSQL where several share one.

A record that cannot be stored is logged and lost; the call was over already.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import ConfigError
from gateway.records.disk import FILE_MODE, FOLDER_MODE

log = structlog.get_logger()

metadata = MetaData()
calls = Table(
    "calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("line", String(64), nullable=False),
    Column("number", String(64), nullable=False),
    Column("result", String(32), nullable=False),
    Column("by", String(16), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("record", Text, nullable=False),
    Index("calls_by_start", "started_at"),
    Index("calls_by_number", "number", "started_at"),
)


def sqlite_url(directory: Path) -> str:
    """The default database: a file in the records' folder."""
    return f"sqlite+aiosqlite:///{directory / 'calls.sqlite'}"


class CallStore:
    """Keeps call records.

    Args:
        url: SQLAlchemy address with an async driver.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._engine: AsyncEngine = create_async_engine(url, hide_parameters=True)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise ConfigError(f"cannot be used as a database: {error}", field="records.database") from error
        self._is_open = False

    async def open(self) -> bool:
        """Make the tables. Returns whether records can be kept; a disk that refuses costs them, not the start."""
        try:
            self._prepare_file()
            async with self._engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
        except (SQLAlchemyError, OSError) as error:
            log.error("call records cannot be kept", reason=_reason(error))
            return False
        self._is_open = True
        return True

    def _prepare_file(self) -> None:
        """SQLite makes its file readable by all; make it first, for its owner only."""
        prefix = "sqlite+aiosqlite:///"
        if self._url.startswith(prefix) and (name := self._url.removeprefix(prefix)):
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, FILE_MODE))

    async def close(self) -> None:
        await self._engine.dispose()

    async def keep(self, record: dict[str, Any]) -> bool:
        """Store an ended call. Returns whether it is stored."""
        if not self._is_open:
            return False
        row = {
            "call_id": record["call_id"],
            "started_at": datetime.datetime.fromisoformat(record["started_at"]),
            "line": record["line"],
            "number": record["number"],
            "result": record["result"] or "internal_error",
            "by": record["by"] or "gateway",
            "seconds": record["seconds"],
            "turns": record["turns"],
            "record": json.dumps(record, ensure_ascii=False, separators=(",", ":")),
        }
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(calls).values(**row))
        except (SQLAlchemyError, OSError) as error:
            log.error("call record lost", reason=_reason(error))
            return False
        return True

    async def find(
        self, *, limit: int, number: str | None = None, before: datetime.datetime | None = None
    ) -> Sequence[dict[str, Any]]:
        """The latest records, newest first; those of a number, or that started before a moment."""
        query = select(calls.c.record).order_by(calls.c.started_at.desc()).limit(limit)
        if number is not None:
            query = query.where(calls.c.number == number)
        if before is not None:
            query = query.where(calls.c.started_at < before)
        return [json.loads(text) for text in await self._texts(query)]

    async def get(self, call_id: str) -> dict[str, Any] | None:
        texts = await self._texts(select(calls.c.record).where(calls.c.call_id == call_id))
        return json.loads(texts[0]) if texts else None

    async def expire(self, before: datetime.datetime) -> int:
        """Remove records of calls that started before a moment. Returns how many."""
        if not self._is_open:
            return 0
        try:
            async with self._engine.begin() as connection:
                result = await connection.execute(delete(calls).where(calls.c.started_at < before))
        except (SQLAlchemyError, OSError) as error:
            log.warning("old call records not removed", reason=_reason(error))
            return 0
        return int(result.rowcount)

    async def _texts(self, query: Any) -> list[str]:
        if not self._is_open:
            return []
        try:
            async with self._engine.connect() as connection:
                return [str(row[0]) for row in await connection.execute(query)]
        except (SQLAlchemyError, OSError) as error:
            log.warning("call records cannot be read", reason=_reason(error))
            return []


def _reason(error: Exception) -> str:
    """What the driver said, without the statement and its parameters, which hold personal data."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).splitlines()[0][:200] if str(original) else ''}"
