"""Notices what a test leaves running when its event loop ends, and callbacks that hold the loop up.

Both are looked for where every loop of the standard library passes: `asyncio.Runner` cancels what is left when it
closes, silently, and `asyncio.Handle` runs each callback.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LIMIT = 1.0
"""Seconds a callback may take: far more than any should, because build machines are slow and shared."""
_LAST_STEPS = 5  # turns of the loop that a task which was just cancelled may still need

_cancel_all_tasks: Callable[[asyncio.AbstractEventLoop], None] = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]  # asyncio's own
_run_handle = asyncio.Handle._run


def waited_for_cpu() -> float:
    """Seconds this thread could have run but other work had the processors; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def all_waited_for_cpu() -> float:
    """The same for all threads of this process together: a vendor's own client has some."""
    waited = 0
    for thread in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):  # one that has ended meanwhile
            waited += int(thread.read_text().split()[1])
    return waited / 1e9


class Watchdog:
    """Looks on while it is entered; `findings` since `restart` are sentences."""

    def __init__(self, limit: float = LIMIT, waited: Callable[[], float] = waited_for_cpu) -> None:
        self._limit = limit
        self._waited = waited
        self.restart()

    def restart(self) -> None:
        """Forget everything so far."""
        self._left: list[str] = []
        self._longest = 0.0
        self._slowest = ""
        self._waited_before = self._waited()

    def findings(self) -> list[str]:
        """What is wrong; empty when nothing is."""
        found = [f"a task was left behind: {task}" for task in self._left]
        if self._slowest and self._longest - (self._waited() - self._waited_before) > self._limit:
            found.append(f"the event loop was blocked for {self._longest:.2f} s by {self._slowest}")
        return found

    def __enter__(self) -> Watchdog:
        self._before = asyncio.runners._cancel_all_tasks, asyncio.Handle._run  # type: ignore[attr-defined]  # asyncio's own
        asyncio.runners._cancel_all_tasks = self._end  # type: ignore[attr-defined]  # asyncio's own
        asyncio.Handle._run = self._timed()  # type: ignore[method-assign,assignment]  # asyncio's own
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.runners._cancel_all_tasks, asyncio.Handle._run = self._before  # type: ignore[attr-defined,method-assign]  # asyncio's own

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(_LAST_STEPS):
            if asyncio.all_tasks(loop):
                loop.run_until_complete(asyncio.sleep(0))
        self._left += [repr(task) for task in asyncio.all_tasks(loop)]
        _cancel_all_tasks(loop)

    def _timed(self) -> Callable[[asyncio.Handle], Any]:
        def run(handle: asyncio.Handle) -> None:
            started = time.perf_counter()
            _run_handle(handle)
            took = time.perf_counter() - started
            if took > self._limit and took > self._longest:
                self._longest, self._slowest = took, repr(handle)

        return run
