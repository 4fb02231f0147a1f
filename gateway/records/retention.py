"""Removing what is older than the retention allows: journals, recordings, call records."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Protocol

import structlog

from gateway.clock import Clock
from gateway.records.disk import expire

log = structlog.get_logger()

EVERY = 3600.0  # s between two rounds


class Store(Protocol):
    """What is asked of the call records."""

    async def expire(self, before: datetime.datetime) -> int: ...


async def expire_once(store: Store, directory: Path, retention_days: float, clock: Clock) -> tuple[int, int]:
    """One round. Files are removed in a thread.

    Args:
        retention_days: 0 keeps everything.
    Returns:
        How many files and how many records were removed.
    """
    if retention_days <= 0:
        return 0, 0
    now = clock.wall()
    files = await asyncio.to_thread(expire, directory, retention_days, now=now.timestamp())
    records = await store.expire(now - datetime.timedelta(days=retention_days))
    if files or records:
        log.info("old records removed", files=files, records=records)
    return files, records


async def keep_expiring(store: Store, directory: Path, retention_days: float, clock: Clock) -> None:
    """A round at once, then one every hour. Runs until it is cancelled."""
    while True:
        await expire_once(store, directory, retention_days, clock)
        await asyncio.sleep(EVERY)
