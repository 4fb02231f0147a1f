"""A plug-in for pytest that makes a machine look busy: threads begin late, and some callbacks of the loop take a while.

``make test ARGS='-p tools.slow_threads'``. What a test leaves to luck, such as a file that a thread has written by now,
then fails here and not on somebody's build machine. Nothing else is changed, so that a failure is the test's, or ours.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread as executors
import random
import time
from collections.abc import Callable
from typing import Any

import anyio._backends._asyncio as anyio_threads

WORK_DELAYS = (0.0, 0.005, 0.05, 0.15)
"""Seconds before a thread of an executor begins with what it was given; one of them by chance."""
SERVED_DELAYS = (0.0, 0.01, 0.1)
"""The same for the threads of anyio, which serve files."""
CALLBACKS = 0.0005
"""Part of the loop's callbacks that take longer, up to `LONGEST` seconds."""
LONGEST = 0.05

_chance = random.Random()
_run_work = executors._WorkItem.run  # type: ignore[attr-defined]  # the executor's own
_run_worker = anyio_threads.WorkerThread.run
_run_handle = asyncio.Handle._run


def _work_late(item: Any) -> None:
    time.sleep(_chance.choice(WORK_DELAYS))
    _run_work(item)


def _serve_late(worker: Any) -> None:
    take: Callable[..., Any] = worker.queue.get

    def take_late(*args: Any, **kwargs: Any) -> Any:
        given = take(*args, **kwargs)
        time.sleep(_chance.choice(SERVED_DELAYS))
        return given

    worker.queue.get = take_late
    _run_worker(worker)


def _handle_slowly(handle: asyncio.Handle) -> None:
    if _chance.random() < CALLBACKS:
        time.sleep(_chance.uniform(0.0, LONGEST))
    _run_handle(handle)


def pytest_configure() -> None:
    """Put them in place, in each worker of a distributed run."""
    executors._WorkItem.run = _work_late  # type: ignore[attr-defined]  # see above
    anyio_threads.WorkerThread.run = _serve_late  # type: ignore[method-assign]  # see above
    asyncio.Handle._run = _handle_slowly  # type: ignore[method-assign]  # see above
