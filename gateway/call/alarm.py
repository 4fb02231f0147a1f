"""Waking one task: when somebody rings, or when its time has come."""

from __future__ import annotations

import asyncio


class Alarm:
    """An event with an optional time, cheap enough for every message of audio (`asyncio.timeout` costs five times)."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rung = True
        self._wake()

    async def wait(self, delay: float | None) -> None:
        """Return when rung since the last time, or after ``delay`` seconds of the loop's time (None: never)."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(max(0.0, delay), self._wake) if delay is not None else None
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        self._rung = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
