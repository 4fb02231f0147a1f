"""The desk that takes jobs from running calls: an observer that never waits, and a task that stores what it took.

What is taken is stored at once, while the call is up, so that a process that dies loses none of it; it becomes due
when the call is over. The other half, which does what is due, is `runner`.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.call.alarm import Alarm
from gateway.call.commands import Command, KeepRecord
from gateway.clock import Clock
from gateway.events import CallEvent
from gateway.jobs.job import KINDS, Counters, Job, JobRefused, JobStore, JobsUnavailable, Kind, checked

log = structlog.get_logger()

POST_CALL = "post_call_"
MAX_WAITING = 10_000  # errands to the store that wait; more are lost, with a log line each
BATCH = 500  # errands in one transaction
MAX_OF_CALL = 100  # jobs; a bot that asks for more is refused
TRY_AGAIN = 2.0  # s after which a store that was away is asked again
STORED_WITHIN = 15.0  # s a call's end waits for its jobs to be stored
LEASE = 30.0  # s
Note = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class _Over:
    """A call is over: what it waited for is due."""

    call_id: str
    at: datetime.datetime


class JobDesk:
    """Takes jobs.

    Args:
        owner: Who holds jobs of running calls: this process.
        wake: Told when something has become due.
    """

    def __init__(self, store: JobStore, clock: Clock, owner: str, counters: Counters, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._counters = counters
        self._wake = wake
        self._errands: deque[Job | _Over] = deque()
        self._alarm = Alarm()
        self._is_stored = asyncio.Event()
        self._is_stored.set()

    def open_call(self, context: Mapping[str, Any], note: Note) -> CallJobs:
        """For one call.

        Args:
            context: The beginning of its record: ``call_id``, ``bot`` and the like.
            note: Writes into its record while it is up.
        """
        return CallJobs(self, context, note)

    async def run(self) -> None:
        """Store what is taken, until cancelled."""
        while True:
            await self._alarm.wait(None)
            is_away = False
            while self._errands:
                try:
                    await self.flush()
                except JobsUnavailable as error:
                    if not is_away:
                        log.warning("jobs wait for their store", waiting=len(self._errands), reason=str(error))
                    is_away = True
                    await asyncio.sleep(TRY_AGAIN)

    async def flush(self) -> None:
        """Store what has been taken until now. Raises JobsUnavailable, and keeps what is not stored yet."""
        while self._errands:
            batch = list(itertools.islice(self._errands, BATCH))
            new = [errand for errand in batch if isinstance(errand, Job)]
            await self._store.add(new)
            for errand in batch:
                if isinstance(errand, _Over):
                    await self._store.release(errand.call_id, errand.at)
            for _ in batch:
                self._errands.popleft()
            for job in new:
                self._counters.job_stored(job.kind)
            self._wake()
        self._is_stored.set()

    def put(self, errand: Job | _Over) -> bool:
        """Never waits. False: too much waits already."""
        if len(self._errands) >= MAX_WAITING:
            return False
        self._is_stored.clear()
        self._errands.append(errand)
        self._alarm.ring()
        return True

    async def stored(self) -> bool:
        """Wait until nothing waits for the store, for a bounded time."""
        try:
            async with asyncio.timeout(STORED_WITHIN):
                await self._is_stored.wait()
        except TimeoutError:
            return False
        return True

    # --- making jobs -----------------------------------------------------------------------------------------------
    def job(self, kind: Kind, data: Mapping[str, Any], context: Mapping[str, Any], *, at_once: bool) -> Job:
        """Raises JobRefused."""
        rest, delay = checked(kind, data)
        now = self._clock.wall()
        call_id = str(context["call_id"])
        job = Job(
            key=f"{call_id}-{secrets.token_hex(4)}",
            call_id=call_id,
            bot=str(context["bot"]),
            kind=kind,
            data=rest,
            context=context,
            created_at=now,
            delay=delay,
            owner=self._owner,
            lease_until=now + datetime.timedelta(seconds=LEASE),
        )
        return job.released(now) if at_once else job

    def over(self, call_id: str) -> None:
        if not self.put(_Over(call_id, self._clock.wall())):
            log.error("the end of a call not stored; its jobs wait for the next start", call_id=call_id)

    def lose(self, kind: str, result: str, call_id: str, reason: str) -> None:
        self._counters.job_ended(kind, result)
        log.error("job not taken", call_id=call_id, kind=kind, reason=reason)


class CallJobs:
    """The jobs of one call. `observe` is an observer of its session."""

    def __init__(self, desk: JobDesk, context: Mapping[str, Any], note: Note) -> None:
        self._desk = desk
        self._context = dict(context)
        self._note = note
        self._count = 0
        self._refused = 0

    def observe(self, _: float, event: CallEvent, commands: Sequence[Command]) -> None:
        """Take what one step of the call asks for."""
        for command in commands:
            if not isinstance(command, KeepRecord):
                continue
            kind = command.kind.removeprefix(POST_CALL)
            if command.kind == "link" and command.data.get("policy") == "hook":
                self._take("link", command.data, at_once=True)
            elif command.kind != kind and kind in KINDS:
                self._take(kind, command.data, at_once=False)

    def _take(self, kind: Kind, data: Mapping[str, Any], *, at_once: bool) -> None:
        try:
            if self._count >= MAX_OF_CALL:
                raise JobRefused(f"{kind}: a call may ask for {MAX_OF_CALL} jobs")
            job = self._desk.job(kind, data, self._context, at_once=at_once)
        except JobRefused as refused:
            self._refuse(kind, "refused", str(refused))
            return
        self._count += 1
        if not self._desk.put(job):
            self._refuse(kind, "lost", "too many jobs wait for their store")

    def _refuse(self, kind: Kind, result: str, reason: str) -> None:
        self._refused += 1
        if self._refused <= MAX_OF_CALL:
            self._desk.lose(kind, result, str(self._context["call_id"]), reason)
            self._note(f"job_{result}", {"kind": kind, "reason": reason})

    async def stored(self) -> None:
        """Wait until the call's jobs are stored; to be called before its record is."""
        if self._count and not await self._desk.stored():
            log.warning("jobs of a call not stored yet", call_id=self._context["call_id"], jobs=self._count)

    def over(self) -> None:
        """The call is over, and its record is stored: what waited for that may be done. Never waits."""
        if self._count:
            self._desk.over(str(self._context["call_id"]))
