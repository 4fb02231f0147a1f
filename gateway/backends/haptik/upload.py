"""Waiting for Haptik to take a FAQ file in: asked often at first, then less, and not for ever."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gateway.backends.haptik.faq import GIVE_UP_AFTER, MAX_SAME_ANSWERS, POLL_DELAYS, SLOW_POLL, State, state_of
from gateway.kit.http import Sleep


async def follow(
    ask: Callable[[str], Awaitable[Any]],
    task_id: str,
    *,
    now: Callable[[], float],
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[tuple[State, str]]:
    """Ask until an upload has ended, and say each time where it stands; the last one is ``done`` or ``failed``.

    Args:
        ask: Gives the answer about a task.

    Raises:
        VendorError: An answer could not be had.
    """
    begun, last, same = now(), "", 0
    for delay in itertools.chain(POLL_DELAYS, itertools.repeat(SLOW_POLL)):
        state, words = state_of(await ask(task_id))
        if state == "unclear":
            same = same + 1 if words == last else 1
            state = "failed" if same >= MAX_SAME_ANSWERS else "running"
            last = words
        else:
            same = 0
        if state == "running" and now() - begun + delay > GIVE_UP_AFTER:
            state, words = "failed", f"not done after {GIVE_UP_AFTER / 60:.0f} minutes: {words}"
        yield state, words
        if state != "running":
            return
        await sleep(delay)
