"""Cancelling work in a library that is built on anyio.

Such a library cleans up under a shield that holds off anyio's cancellation, but not `Task.cancel`: that one falls into
the middle of the cleaning. httpcore (1.0.9) then keeps the connection for ever, and a pool of them is empty one day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


class Sheltered:
    """Runs work in tasks of its own, so that a caller's cancellation reaches it as anyio's."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of ``work``. Cancelled: the work is, too, and its cleaning up is waited for."""
        scope = anyio.CancelScope()
        results: list[T] = []

        async def inside() -> None:
            with scope:
                results.append(await work())

        task = asyncio.create_task(inside(), name="sheltered")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            scope.cancel()
            await asyncio.wait([task])  # bounded: nothing that is awaited in there outlasts the scope
            if not task.cancelled():
                task.exception()  # nobody is left to hear it
            raise
        task.result()
        return results[0]
