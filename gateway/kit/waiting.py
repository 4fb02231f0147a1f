"""A wait that another task may cut short, without a task or a timer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


class Cuttable:
    """Lets `cut` end whatever somebody waits for in `wait`; one waiter at a time.

    It works as `asyncio.timeout` does: the waiting task is cancelled, and the cancellation is taken back where it
    arrives. A cancellation from outside passes through.
    """

    def __init__(self) -> None:
        self._waiter: asyncio.Task[object] | None = None
        self._is_cut = False

    async def wait(self, awaitable: Awaitable[object]) -> bool:
        """Wait for something; False when `cut` ended it."""
        task = asyncio.current_task()
        assert task is not None
        outside = task.cancelling()
        self._waiter, self._is_cut = task, False
        try:
            await awaitable
        except asyncio.CancelledError:
            if self._is_cut and task.uncancel() <= outside:
                return False
            raise
        finally:
            self._waiter = None
        return True

    def cut(self) -> None:
        """End a running `wait`; nothing happens when there is none."""
        if self._waiter is not None and not self._is_cut:
            self._is_cut = True
            self._waiter.cancel()
