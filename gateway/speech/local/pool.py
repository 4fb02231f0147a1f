"""Worker processes that are kept alive, and the jobs spread over them.

A worker that dies or no longer answers is replaced; its jobs start again on another one, twice at most. The other end
of the pipes is `speak_worker` or `listen_worker`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.errors import VendorError, VendorUnavailable
from gateway.speech.local.process import WorkerProcess
from gateway.speech.local.wire import Kind, Message

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 3
"""A job that was with this many workers when they died is given up: it may be the reason."""
SHORTEST_BACKOFF, LONGEST_BACKOFF = 0.1, 5.0


class Job(Protocol):
    """Work for a worker, as its owner sees it. None of the methods waits."""

    def opening(self) -> Iterable[tuple[Kind, bytes]]:
        """Everything a worker must be told to do the job from its beginning; asked again for each new worker."""
        ...

    def receive(self, message: Message) -> None: ...
    def fail(self, error: VendorError) -> None:
        """Nobody can do the job."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How a pool is bounded.

    Attributes:
        size: Number of processes.
        max_jobs: Jobs at a time, over all workers; a further one is refused.
        start_timeout: Seconds a process may take to say that it is ready.
        hang_after: Seconds without any sign before a worker counts as hung.
    """

    size: int = 1
    max_jobs: int = 500
    start_timeout: float = 20.0
    hang_after: float = 3.0


@dataclass(slots=True)
class _Entry:
    job: Job
    worker: WorkerProcess | None = None
    attempts: int = 0


class WorkerPool:
    """Processes running one worker module, and the jobs they have.

    Args:
        module: What ``python -m`` starts; it speaks `wire` over its standard input and output.
        arguments: Passed to it on its command line.
    """

    def __init__(self, module: str, limits: PoolLimits, *, arguments: tuple[str, ...] = ()) -> None:
        self._module = module
        self._arguments = arguments
        self._limits = limits
        self._numbers = itertools.count(1)
        self._jobs: dict[int, _Entry] = {}
        self._ready: list[WorkerProcess] = []
        self._some_ready = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> list[int]:
        """The processes that are ready to work."""
        return [worker.pid for worker in self._ready]

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return len(self._jobs)

    def start(self) -> None:
        """Begin to keep the processes alive; a second call does nothing."""
        if not self._keepers:
            self._keepers = [
                asyncio.create_task(self._keep(), name=f"{self._module} {index}") for index in range(self._limits.size)
            ]

    async def wait_ready(self) -> None:
        """Return when at least one worker can work.

        Raises:
            VendorUnavailable: none could be started in time.
        """
        self.start()
        try:
            async with asyncio.timeout(self._limits.start_timeout):
                await self._some_ready.wait()
        except TimeoutError:
            raise self._unavailable("no worker process could be started") from None

    async def close(self) -> None:
        """End the processes and fail what they were doing. The pool may be started again."""
        keepers, self._keepers = self._keepers, []
        entries, self._jobs = list(self._jobs.values()), {}
        for entry in entries:
            entry.job.fail(self._unavailable("the gateway is closing"))
        for keeper in keepers:
            keeper.cancel()
        if keepers:
            await asyncio.wait(keepers)

    # --- jobs ------------------------------------------------------------------------------------------------------
    def submit(self, job: Job) -> int:
        """Give a job to the least busy worker, or to the first that becomes ready.

        Returns:
            The job's number, for `tell` and `release`.

        Raises:
            VendorUnavailable: there are too many jobs already.
        """
        self.start()
        if len(self._jobs) >= self._limits.max_jobs:
            raise self._unavailable("too much work at a time")
        number = next(self._numbers)
        self._jobs[number] = _Entry(job)
        self._assign(number)
        return number

    def tell(self, number: int, kind: Kind, body: bytes = b"") -> None:
        """Pass on more of a job. One that waits for a worker will tell it all by `Job.opening`."""
        entry = self._jobs.get(number)
        if entry is not None and entry.worker is not None:
            entry.worker.tell(number, kind, body)

    def release(self, number: int) -> None:
        """Forget a job, finished or not; calling it again is harmless."""
        entry = self._jobs.pop(number, None)
        if entry is not None and entry.worker is not None:
            entry.worker.tell(number, Kind.CANCEL)

    def _assign(self, number: int) -> None:
        entry = self._jobs[number]
        entry.worker = min(self._ready, key=self._load, default=None)
        if entry.worker is not None:
            entry.attempts += 1
            for kind, body in entry.job.opening():
                entry.worker.tell(number, kind, body)

    def _load(self, worker: WorkerProcess) -> int:
        return sum(entry.worker is worker for entry in self._jobs.values())

    def _unavailable(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor="local", operation=self._module.rpartition(".")[2])

    # --- processes -------------------------------------------------------------------------------------------------
    async def _keep(self) -> None:
        """Have one worker at all times; after one that died before it was ready, wait longer and longer."""
        backoff = 0.0
        while True:
            await asyncio.sleep(backoff)
            try:
                served = await self._run_one()
            except Exception:  # the edge of the pool: a bug met with one worker must not leave the gateway without any
                log.exception("keeping a speech worker failed", worker=self._module)
                served = False
            backoff = 0.0 if served else min(max(SHORTEST_BACKOFF, backoff * 2), LONGEST_BACKOFF)

    async def _run_one(self) -> bool:
        """Start a process and stay with it until it ends. True when it had become ready."""
        try:
            worker = await WorkerProcess.start(self._module, self._arguments)
        except OSError as error:
            log.error("a speech worker cannot be started", worker=self._module, error=str(error))
            return False
        served = False
        try:
            limits = self._limits
            messages = worker.messages(first_within=limits.start_timeout, hang_after=limits.hang_after)
            async with aclosing(messages):
                async for message in messages:
                    served = served or self._has_started(worker)
                    self._pass_on(worker, message)
        finally:
            self._lose(worker)
            await worker.end()
        return served

    def _has_started(self, worker: WorkerProcess) -> bool:
        """A worker's first message: it can work."""
        self._ready.append(worker)
        self._some_ready.set()
        for number, entry in self._jobs.items():
            if entry.worker is None:
                self._assign(number)
        return True

    def _pass_on(self, worker: WorkerProcess, message: Message) -> None:
        entry = self._jobs.get(message.job)
        if entry is None or entry.worker is not worker:
            return  # of a job that was released meanwhile
        entry.job.receive(message)
        if message.kind in (Kind.DONE, Kind.FAILED):
            self._jobs.pop(message.job, None)

    def _lose(self, worker: WorkerProcess) -> None:
        """A worker is gone: its jobs start again elsewhere."""
        if worker in self._ready:
            self._ready.remove(worker)
        if not self._ready:
            self._some_ready.clear()
        for number, entry in list(self._jobs.items()):
            if entry.worker is not worker:
                continue
            if entry.attempts < MAX_ATTEMPTS:
                self._assign(number)
            else:
                del self._jobs[number]
                entry.job.fail(self._unavailable("the worker process ended while it was at it, more than once"))
