"""All that is done after calls, as `app` knows it: built with the store, employed once there are books and backends."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from config.jobs import HookSection, JobsSection, MailSection
from config.server import RecordsSection
from config.settings import Settings
from gateway.clock import Clock
from gateway.interfaces import Backend
from gateway.jobs.addresses import addresses_in
from gateway.jobs.desk import JobDesk
from gateway.jobs.errand import BackendPerformer
from gateway.jobs.hooks import AddonPerformer, Hooks, LinkPerformer
from gateway.jobs.job import Books, Counters, Job, JobsUnavailable, Performer
from gateway.jobs.mail import MailPerformer
from gateway.jobs.owner import Neighbours, own_name
from gateway.jobs.runner import Runner
from gateway.jobs.storage import SqlJobStore, sqlite_url
from gateway.jobs.webhook import WebhookPerformer
from gateway.kit.http import HttpClient

log = structlog.get_logger()

FLUSH_WITHIN = 5.0  # s
EXPIRE_EVERY = 3600.0  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What performers need of the gateway.

    Attributes:
        settings, backends: As of now; a reload changes them.
        told: Hears of each attempt whether it did the job.
    """

    http: HttpClient
    books: Books
    settings: Callable[[], Settings]
    backends: Callable[[], Mapping[str, Backend]]
    told: Callable[[Job, bool], None]


def store_of(records: RecordsSection, clock: Clock | None = None) -> SqlJobStore:
    """Where a configuration keeps its jobs. Raises ConfigError."""
    database = records.database
    return SqlJobStore(database.get_secret_value() if database else sqlite_url(Path(records.directory)), clock)


class JobWork:
    """Takes, keeps and does jobs.

    Attributes:
        desk: Where calls leave theirs.
        store: For the operator.
    """

    def __init__(self, records: RecordsSection, clock: Clock, counters: Counters) -> None:
        self._records = records
        self._clock = clock
        self._counters = counters
        self._owner = own_name()
        self._runner: Runner | None = None
        self._jobs: Callable[[], JobsSection] = JobsSection
        self.store = store_of(records, clock)
        self.desk = JobDesk(self.store, clock, self._owner, counters, self.wake)

    async def open(self) -> bool:
        return await self.store.open()

    async def close(self) -> None:
        """Store what was taken last, and let go of the database."""
        try:
            async with asyncio.timeout(FLUSH_WITHIN):
                await self.desk.flush()
        except (JobsUnavailable, TimeoutError) as error:
            log.error("jobs lost", reason=str(error) or "no time")
        await self.store.close()

    def employ(self, around: Surroundings) -> None:
        """Who does what is due."""
        self._jobs = lambda: around.settings().jobs
        self._runner = Runner(
            self.store,
            around.books,
            performers(around, self._clock),
            rules=self._jobs,
            clock=self._clock,
            owner=self._owner,
            is_gone=Neighbours(self._owner).is_gone,
            counters=self._counters,
            told=around.told,
        )

    def wake(self) -> None:
        if self._runner is not None:
            self._runner.wake()

    async def run(self) -> None:
        """Store what calls leave, do what is due, remove what is old; until cancelled."""
        assert self._runner is not None, "employ first"
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run(), name="job desk")
            group.create_task(self._runner.run(), name="job runner")
            group.create_task(self._keep_expiring(), name="job retention")

    async def drain(self) -> None:
        """Begin nothing new, and finish what has been begun, for a bounded time."""
        if self._runner is not None:
            await self._runner.drain(self._jobs().drain_timeout)

    async def _keep_expiring(self) -> None:
        while True:
            try:
                await expire_once(self.store, self._jobs(), self._records, self._clock.wall())
            except JobsUnavailable as error:
                log.warning("old jobs not removed", reason=str(error))
            await asyncio.sleep(EXPIRE_EVERY)


async def expire_once(store: SqlJobStore, jobs: JobsSection, records: RecordsSection, now: datetime.datetime) -> int:
    """Remove traces of jobs that ended long ago. Returns how many. Raises JobsUnavailable."""

    def before(days: float) -> datetime.datetime | None:
        return now - datetime.timedelta(days=days) if days > 0 else None

    return await store.expire(before(jobs.retention_days), before(records.retention_days))


def performers(around: Surroundings, clock: Clock) -> Mapping[str, Performer]:
    """Who does which kind."""

    def hook_sections() -> Mapping[str, HookSection]:
        return around.settings().hooks

    def mail_section() -> MailSection | None:
        return around.settings().mail

    def written_for(bot: str) -> list[str]:
        return list(addresses_in(around.settings().bots.get(bot)))

    hooks = Hooks(around.http, hook_sections, clock)
    return {
        "webhook": WebhookPerformer(around.http, lambda: around.settings().jobs.webhooks, written_for),
        "email": MailPerformer(mail_section, clock),
        "addon": AddonPerformer(hooks),
        "link": LinkPerformer(hooks),
        "backend": BackendPerformer(around.backends),
    }
