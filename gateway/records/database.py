"""A database of ours: opened when it is there, tried again when it was away, one writer at a time where that is due.

SQLAlchemy: an SQLite file by default, PostgreSQL where several gateways share one. Call records and jobs are kept so.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from sqlalchemy import MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidRequestError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.clock import Clock, LoopClock
from gateway.errors import ConfigError
from gateway.records.disk import FILE_MODE, make_folder

log = structlog.get_logger()

ANSWER_WITHIN = 15.0  # s one question to the database may take
OPEN_AGAIN = 30.0  # s after which a database that could not be had is tried again
TROUBLE = (SQLAlchemyError, OSError, TimeoutError)
"""What goes wrong with databases."""
_QUOTED = re.compile(r"'.*'|\(.*\)", re.DOTALL)  # drivers quote what they were given


class Database:
    """An engine and its tables.

    Args:
        url: SQLAlchemy address with an async driver.
        tables: Made when the database is opened.
        what: Kept in it, for the log: "call records".
        clock: Says when to try again.

    Attributes:
        writers: To be held while writing: one at a time for SQLite, which locks the whole file; a few for a server.

    Raises:
        ConfigError: The address cannot be one, or its driver is not installed.
    """

    def __init__(self, url: str, tables: MetaData, what: str, clock: Clock | None = None) -> None:
        try:
            self._url = make_url(url)
            self._engine: AsyncEngine = create_async_engine(self._url, hide_parameters=True)
        except (NoSuchModuleError, InvalidRequestError, ModuleNotFoundError) as error:
            hint = "; install talkpath[postgres]" if getattr(error, "name", None) == "asyncpg" else ""
            raise ConfigError(f"cannot be used as a database: {error}{hint}", field="records.database") from None
        except (SQLAlchemyError, ValueError, TypeError):  # the text of these has the address, password included
            raise ConfigError("is no address of a database", field="records.database") from None
        self._tables = tables
        self._what = what
        self._clock = clock or LoopClock()
        self.is_open = False
        self._again_at = 0.0
        self.writers = asyncio.Semaphore(1 if self.is_sqlite else 5)

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    async def open(self) -> bool:
        """Make the tables. Returns whether anything can be kept; a disk that refuses costs that, not the start."""
        self._again_at = self._clock.now() + OPEN_AGAIN
        try:
            self._prepare_file()
            async with asyncio.timeout(ANSWER_WITHIN), self._engine.begin() as connection:
                await connection.run_sync(self._tables.create_all)
        except TROUBLE as error:
            log.error(f"{self._what} cannot be kept", reason=reason_of(error))
            return False
        self.is_open = True
        return True

    def _prepare_file(self) -> None:
        """SQLite makes its file readable by all; make it first, for its owner only."""
        name = self._url.database if self.is_sqlite else None
        if not name or name == ":memory:" or name.startswith("file:"):
            return
        path = Path(name)
        if path.exists():  # on a disk that has become read-only, what is there can still be read
            return
        make_folder(path.parent)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, FILE_MODE))

    async def close(self) -> None:
        """Let go of the database. What is being stored meanwhile is lost."""
        with contextlib.suppress(*TROUBLE):
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._engine.dispose()

    async def ensure_open(self) -> None:
        """Raises OSError, which is among `TROUBLE`."""
        if not self.is_open and (self._clock.now() < self._again_at or not await self.open()):
            raise OSError("the database is not there")

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """For who holds `writers`, and has ensured that it is open."""
        async with asyncio.timeout(ANSWER_WITHIN), self._engine.begin() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction. Raises what is in `TROUBLE`."""
        async with self.writers:
            await self.ensure_open()
            async with self.transaction() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Raises what is in `TROUBLE`."""
        async with asyncio.timeout(ANSWER_WITHIN), self._engine.connect() as connection:
            yield connection


def utc(moment: datetime.datetime) -> datetime.datetime:
    """In UTC, because SQLite forgets the zone; a moment without one is UTC already."""
    return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)


def reason_of(error: BaseException) -> str:
    """What the driver said, without the statement and its parameters, which hold personal data."""
    original = getattr(error, "orig", None)
    said = str(error) if original is None else _QUOTED.sub("'...'", str(original))
    lines = said.splitlines()
    return f"{type(original or error).__name__}: {lines[0][:200] if lines else 'no answer in time'}"
