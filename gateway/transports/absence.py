"""Callers who were sent elsewhere, and may come back: a failed transfer reaches the same conversation again.

A leg that sends its caller elsewhere loses its socket, and keeps its call. Whoever accepts the next socket asks here
whether it belongs to such a call, by the key that went along with the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Absence(Generic[T]):
    """One caller's. It ends once: with what he came back on, or because he will not."""

    def __init__(self) -> None:
        self._back: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def come_back(self, on: T) -> bool:
        """He is back. Returns whether he is still waited for."""
        if self._back.done():
            return False
        self._back.set_result(on)
        return True

    def give_up(self) -> None:
        """He will not come back; harmless when he has."""
        if not self._back.done():
            self._back.set_result(None)

    @property
    def is_back(self) -> bool:
        return self._back.done() and not self._back.cancelled() and self._back.result() is not None

    async def over(self) -> T | None:
        """Wait for the end: what he came back on, or None."""
        return await asyncio.shield(self._back)


class Absences(Generic[T]):
    """Those of a line, by key."""

    def __init__(self) -> None:
        self._away: dict[str, Absence[T]] = {}

    @contextmanager
    def away(self, key: str) -> Iterator[Absence[T]]:
        """An absence that can be found by its key meanwhile, and is over afterwards."""
        absence = self._away[key] = Absence()
        try:
            yield absence
        finally:
            del self._away[key]
            absence.give_up()

    def find(self, key: str) -> Absence[T] | None:
        return self._away.get(key)
