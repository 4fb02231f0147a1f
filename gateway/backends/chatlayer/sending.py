"""What goes to the platform for one call: one message at a time, the next one when the one before it was taken.

A turn that is abandoned does not take back what is on its way: the platform would act on it unseen. It is brought to
its end, and what the caller says meanwhile waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import structlog

from gateway.errors import VendorError
from gateway.kit.http import RetryPolicy, Sleep

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures after which the platform cannot have taken anything."""

log = structlog.get_logger()


class Sending:
    """The way out.

    Args:
        has_answered: Whether the bot has said something since the last message was begun. Then a request that ended
            without an answer was taken; one that was refused, or never got there, was not, and the bot spoke of
            something else.
    """

    def __init__(self, policy: RetryPolicy, sleep: Sleep, has_answered: Callable[[], bool]) -> None:
        self._policy = policy
        self._sleep = sleep
        self._has_answered = has_answered
        self._task: asyncio.Task[None] | None = None

    async def deliver(self, attempt: Callable[[], Awaitable[None]], begin: Callable[[], None]) -> None:
        """Send a message, again where the policy says so. Returns when the platform has taken it.

        Args:
            begin: Called when the one before it is through.

        Raises:
            VendorError: It was not taken.
        """
        if self._task is not None:
            await asyncio.wait([self._task])
        begin()
        self._task = asyncio.create_task(self._tried(attempt), name="message to the platform")
        await asyncio.wait([self._task])  # cancelled here, the request goes on
        self._task.result()

    async def close(self) -> None:
        """The call is over: what is still on its way is given up."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody is left to hear it

    async def _tried(self, attempt: Callable[[], Awaitable[None]]) -> None:
        tried = 0
        while True:
            try:
                return await attempt()
            except VendorError as error:
                is_uncertain = error.status is None and not isinstance(error.__cause__, NEVER_SENT)
                if is_uncertain and self._has_answered():
                    log.info("the bot answered a message whose request failed", operation=error.operation)
                    return
                delay = self._policy.delay(error, tried)
                if delay is None:
                    raise
            tried += 1
            await self._sleep(delay)
            if is_uncertain and self._has_answered():
                return
