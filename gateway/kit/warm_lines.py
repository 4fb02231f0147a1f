"""Connections kept open between one turn and the next, where a vendor lets them wait at no cost.

A handshake through TLS takes as long as a recognizer does for a final transcript; only the first turn has to pay it.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.errors import VendorError

KEEP_ALIVE_EVERY = 4.0
KEPT_FOR = 60.0
MOST_KEPT = 20
FRESH = 5.0
"""Seconds for which a connection that waits is taken to be open."""
ALIVE_WITHIN = 0.5

M = TypeVar("M")


class Line(Protocol[M]):
    """A connection that carries messages; `gateway.kit.vendor_socket.VendorSocket` is one. Raises VendorError."""

    async def send(self, message: M) -> None: ...
    async def receive(self, within: float | None = None) -> M | None:
        """The next message; None when the vendor has hung up.

        Args:
            within: Seconds it may take. None: whatever it takes, for those who have a deadline of their own.
        """
        ...

    async def is_alive(self, within: float) -> bool:
        """Whether the vendor still answers, asked of a connection that has waited."""
        ...


class HeldLine(Generic[M]):
    """An open connection that outlives the block it was opened in; whoever holds it closes it or hands it on.

    Attributes:
        turns: How many it has served.
        seconds: How much audio it has carried.
    """

    def __init__(self, line: Line[M], stack: AsyncExitStack) -> None:
        self.line = line
        self.turns = 0
        self.seconds = 0.0
        self._stack = stack

    async def close(self) -> None:
        """Closing twice is harmless."""
        await self._stack.aclose()


async def hold(opening: AbstractAsyncContextManager[Line[M]]) -> HeldLine[M]:
    """Open a connection. Raises VendorError as its opening does."""
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(opening)
        return HeldLine(line, stack.pop_all())


@dataclass(slots=True)
class _Kept(Generic[M]):
    key: str
    held: HeldLine[M]
    since: float
    keep_alive: M | None
    task: asyncio.Task[None] | None = None
    has_ended: bool = False


class WarmLines(Generic[M]):
    """Connections that wait for their next turn; each is tended by a task that keeps it alive and notices its end.

    Args:
        keep_alive: What tells the vendor that we are still there; None: nothing has to be said, as where
            WebSockets have their pings.
        every: Seconds between two of them.
        kept_for: Seconds a connection waits; then it is closed.
        most: How many wait; one more is closed instead.
        fresh: Seconds after which a connection that waits is asked whether it is alive, before it is used.
    """

    def __init__(
        self,
        keep_alive: M | None = None,
        *,
        every: float = KEEP_ALIVE_EVERY,
        kept_for: float = KEPT_FOR,
        most: int = MOST_KEPT,
        fresh: float = FRESH,
    ) -> None:
        self._keep_alive = keep_alive
        self._every = every
        self._kept_for = kept_for
        self._most = most
        self._fresh = fresh
        self._kept: list[_Kept[M]] = []
        self._closed = False

    @property
    def waiting(self) -> int:
        return len(self._kept)

    async def take(self, key: str) -> HeldLine[M] | None:
        """A connection that waits under this key, the one used last; None where there is none."""
        for kept in reversed([each for each in self._kept if each.key == key]):
            if kept in self._kept and not kept.has_ended:
                self._kept.remove(kept)
                await _stop(kept)
                if not kept.has_ended and await self._is_usable(kept):
                    return kept.held
        return None

    async def keep(self, key: str, held: HeldLine[M], keep_alive: M | None = None) -> None:
        """Let a connection wait; nothing may be under way on it. It is closed where there is no room.

        Args:
            key: What it was opened for: address, query, credentials. It serves only whoever wants the same.
            keep_alive: Its own sign of life. None: that of all.
        """
        if self._closed or len(self._kept) >= self._most:
            await held.close()
            return
        kept = _Kept(key, held, asyncio.get_running_loop().time(), keep_alive or self._keep_alive)
        self._kept.append(kept)
        kept.task = asyncio.create_task(self._tend(kept), name="warm line")

    async def close(self) -> None:
        """Close all of them; from now on none is kept."""
        self._closed = True
        while self._kept:
            kept = self._kept.pop()
            await _stop(kept)
            await kept.held.close()

    async def _is_usable(self, kept: _Kept[M]) -> bool:
        """Whether a connection is still open at the other end, too; otherwise it is closed."""
        is_fresh = asyncio.get_running_loop().time() - kept.since < self._fresh
        is_usable = False
        try:
            is_usable = is_fresh or await kept.held.line.is_alive(ALIVE_WITHIN)
        finally:
            if not is_usable:
                await kept.held.close()
        return is_usable

    async def _tend(self, kept: _Kept[M]) -> None:
        line = kept.held.line
        try:
            async with asyncio.timeout(self._kept_for):
                while await self._stays_open(line):
                    if kept.keep_alive is not None:
                        await line.send(kept.keep_alive)
        except (TimeoutError, VendorError):
            pass  # it has waited long enough, or the vendor has closed it
        kept.has_ended = True
        if kept in self._kept:
            self._kept.remove(kept)
        await kept.held.close()

    async def _stays_open(self, line: Line[M]) -> bool:
        """Wait until it is time for a sign of life; what comes meanwhile belongs to no turn."""
        try:
            async with asyncio.timeout(self._every):
                while await line.receive() is not None:
                    pass
            return False
        except TimeoutError:
            return True


async def _stop(kept: _Kept[M]) -> None:
    """End the tending. One that is closing its connection is let finish, which takes a moment."""
    if kept.task is None:
        return
    if not kept.has_ended:
        kept.task.cancel()
    try:
        await asyncio.wait([kept.task])
    except asyncio.CancelledError:
        await kept.held.close()  # nobody is left to take it
        raise
