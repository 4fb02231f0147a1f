"""Does what is due: one task group, a few jobs of each kind at once, again after failures, drained at shutdown.

A job that hangs or fails holds up its own kind at most. Whatever happens to the process, a job that was begun and not
finished is begun again, under the same key: at least once, never lost.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from config.jobs import JobsSection
from gateway.actions import Record
from gateway.call.alarm import Alarm
from gateway.clock import Clock
from gateway.errors import GatewayError, VendorError
from gateway.interfaces import AfterCallJob
from gateway.jobs.backoff import next_attempt
from gateway.jobs.desk import LEASE, TRY_AGAIN
from gateway.jobs.job import KINDS, Books, Counters, Job, JobStore, JobsUnavailable, Performer, State
from gateway.kit.http import VendorBusy
from gateway.records.record import plain_data

log = structlog.get_logger()

LOOK_EVERY = 5.0  # s between two looks for what others have stored, or an operator wants tried again
RENEW_EVERY = LEASE / 3
ATTEMPT_WITHIN = 300.0  # s; performers have shorter bounds of their own
MAX_RESULTS = 100  # notes that one job may add to a record
Told = Callable[[Job, bool], None]


class Runner:
    """Works the jobs off.

    Args:
        performers: By kind.
        rules: Read anew for each job, because a reload changes them.
        owner: This process, as rows name it.
        is_gone: Whether another owner has certainly ended.
        told: Hears of each attempt whether it did the job.
    """

    def __init__(
        self,
        store: JobStore,
        books: Books,
        performers: Mapping[str, Performer],
        *,
        rules: Callable[[], JobsSection],
        clock: Clock,
        owner: str,
        is_gone: Callable[[str], bool],
        counters: Counters,
        told: Told = lambda job, is_done: None,
    ) -> None:
        self._store = store
        self._books = books
        self._performers = performers
        self._rules = rules
        self._clock = clock
        self._owner = owner
        self._is_gone = is_gone
        self._counters = counters
        self._told = told
        self._running: dict[str, set[asyncio.Task[None]]] = {kind: set() for kind in KINDS}
        self._alarm = Alarm()
        self._is_closing = False
        self._is_away = False
        self._renew_at = 0.0

    def wake(self) -> None:
        """Something may have become due."""
        self._alarm.ring()

    async def run(self) -> None:
        """Work until cancelled; what is being done then is cancelled too, and free for the next start."""
        try:
            async with asyncio.TaskGroup() as group:
                while not self._is_closing:
                    await self._alarm.wait(await self._round(group))
        finally:
            await self._let_go()

    async def drain(self, within: float) -> None:
        """Begin nothing new, and wait for what has been begun. What remains is done after the next start."""
        self._is_closing = True
        self.wake()
        running = [task for tasks in self._running.values() for task in tasks]
        if running:
            _, late = await asyncio.wait(running, timeout=within)
            for task in late:
                task.cancel()
            log.info("jobs drained", done=len(running) - len(late), left=len(late))

    # --- what is due -----------------------------------------------------------------------------------------------
    async def _round(self, group: asyncio.TaskGroup) -> float:
        """Begin what can be begun. Returns after how many seconds to look again."""
        try:
            await self._keep_house()
            now = self._clock.wall()
            free = {kind: self._rules().at_once - len(tasks) for kind, tasks in self._running.items()}
            until = now + datetime.timedelta(seconds=LEASE)
            for job in await self._store.claim(free, now, self._owner, until):
                self._begin(group, job)
            pause = await self._until_next(now)
        except JobsUnavailable as error:
            if not self._is_away:
                log.warning("jobs not looked for", reason=str(error))
            self._is_away = True
            return TRY_AGAIN
        if self._is_away:
            log.info("jobs looked for again")
        self._is_away = False
        return pause

    async def _until_next(self, now: datetime.datetime) -> float:
        free = [kind for kind, tasks in self._running.items() if len(tasks) < self._rules().at_once]
        due = await self._store.next_due(free) if free else None
        if due is None:
            return LOOK_EVERY
        return min(max((due - now).total_seconds(), 0.0), LOOK_EVERY)

    async def _keep_house(self) -> None:
        """Say that we are still here, and see who is not."""
        if self._clock.now() < self._renew_at:
            return
        now = self._clock.wall()
        await self._store.renew(self._owner, now + datetime.timedelta(seconds=LEASE))
        if gone := await self._store.take_over(now, self._is_gone):
            log.info("jobs taken over", owners=gone)
        self._counters.jobs_waiting(await self._store.count())
        self._renew_at = self._clock.now() + RENEW_EVERY

    def _begin(self, group: asyncio.TaskGroup, job: Job) -> None:
        task = group.create_task(self._work(job), name=f"job {job.key}")
        tasks = self._running[job.kind]
        tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            self.wake()

        task.add_done_callback(ended)

    # --- one job ---------------------------------------------------------------------------------------------------
    async def _work(self, job: Job) -> None:
        try:
            notes = await self._attempt(job)
        except (GatewayError, TimeoutError) as error:
            await self._failed(job, error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._failed(job, VendorError("was cancelled by nobody", vendor=job.kind, retryable=True))
        except Exception as error:  # the edge where a performer's bug ends: this job failed, its neighbours did not
            log.exception("job failed by a bug", key=job.key, kind=job.kind)
            await self._failed(job, error)
        else:
            await self._done(job, notes)

    async def _attempt(self, job: Job) -> Sequence[Record]:
        performer = self._performers.get(job.kind)
        if performer is None:
            raise GatewayError(f"nothing here does jobs of kind {job.kind}")
        async with asyncio.timeout(ATTEMPT_WITHIN):
            record = await self._books.record_of(job.call_id) or {}
            call = {**job.context, **record, "bot": job.bot}
            return await performer.perform(AfterCallJob(key=job.key, kind=job.kind, data=job.data, call=call))

    async def _done(self, job: Job, results: Sequence[Record]) -> None:
        notes = [self._note(job, result.kind, result.data) for result in results[:MAX_RESULTS]]
        if notes and not await self._books.add_notes(job.call_id, notes, job.context):
            await self._failed(job, VendorError("its results cannot be stored", vendor="records", retryable=True))
            return
        await self._finish(job, "done")
        self._told(job, True)
        log.info("job done", key=job.key, call_id=job.call_id, kind=job.kind, attempts=job.attempts)

    async def _failed(self, job: Job, error: BaseException) -> None:
        reason = str(error) or type(error).__name__
        due_at = self._next_attempt(job, error)
        facts = {"key": job.key, "call_id": job.call_id, "kind": job.kind, "attempts": job.attempts, "reason": reason}
        self._told(job, False)
        if due_at is None:
            log.error("job given up", **facts)
            about = {"kind": job.kind, "attempts": job.attempts, "reason": reason}
            await self._books.add_notes(job.call_id, [self._note(job, "job_given_up", about)], job.context)
            await self._finish(job, "given_up", reason)
            return
        log.warning("job failed", **facts, again_at=due_at.isoformat(timespec="seconds"))
        self._counters.job_ended(job.kind, "failed")
        await self._insist(lambda: self._store.again(job.key, self._owner, due_at, reason))

    def _next_attempt(self, job: Job, error: BaseException) -> datetime.datetime | None:
        """None: give up. A bug is given as many chances as a peer that is away; it may be in what the peer answers."""
        if isinstance(error, GatewayError) and not (isinstance(error, VendorError) and error.retryable):
            return None
        now = self._clock.wall()
        return next_attempt(
            self._rules().retry,
            key=job.key,
            attempts=job.attempts,
            first_due_at=job.first_due_at or now,
            now=now,
            asked=error.retry_after if isinstance(error, VendorBusy) else None,
        )

    async def _finish(self, job: Job, state: State, error: str = "") -> None:
        self._counters.job_ended(job.kind, state)
        at = self._clock.wall()
        await self._insist(lambda: self._store.finish(job.key, state, at, error))

    async def _insist(self, ask: Callable[[], Any]) -> None:
        """Ask the store until it answers: what is done and not written down would be done again."""
        while True:
            try:
                await ask()
                return
            except JobsUnavailable as error:
                log.warning("a job's end not stored yet", reason=str(error))
                await asyncio.sleep(TRY_AGAIN)

    def _note(self, job: Job, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
        at = (self._clock.wall() - _moment(job.context.get("started_at"), job.created_at)).total_seconds()
        return {"at": round(max(at, 0.0), 3), "kind": kind, "data": plain_data(data), "job": job.key}

    async def _let_go(self) -> None:
        """What is ours and not done is free for the next start, at once."""
        try:
            await self._store.take_over(self._clock.wall(), lambda owner: owner == self._owner)
        except JobsUnavailable as error:
            log.warning("jobs not freed", reason=str(error))


def _moment(text: object, otherwise: datetime.datetime) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return otherwise
