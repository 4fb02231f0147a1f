"""Connections kept open between one turn and the next, where a vendor lets them wait at no cost.

A handshake through TLS takes as long as a recognizer does for a final transcript; only the first turn has to pay it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.errors import VendorError
from gateway.kit.vendor_socket import VendorSocket, open_socket

KEEP_ALIVE_EVERY = 4.0
KEPT_FOR = 60.0
MOST_KEPT = 20
FRESH = 5.0
"""Seconds for which a connection that waits is taken to be open."""
ALIVE_WITHIN = 0.5

Message = str | bytes


class HeldSocket:
    """An open connection that outlives the block it was opened in; whoever holds it closes it or hands it on.

    Attributes:
        key: What it was opened for: address, query, credentials. It serves only whoever wants the same.
        turns: How many it has served.
        seconds: How much audio it has carried.
    """

    def __init__(self, key: str, socket: VendorSocket, stack: AsyncExitStack) -> None:
        self.key = key
        self.socket = socket
        self.turns = 0
        self.seconds = 0.0
        self._stack = stack

    async def close(self) -> None:
        """Closing twice is harmless."""
        await self._stack.aclose()


async def hold_socket(
    vendor: str, url: str, *, operation: str, headers: dict[str, str], key: str | None = None
) -> HeldSocket:
    """Open a connection. ``key``: by default the address. Raises VendorError as `open_socket` does."""
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(open_socket(vendor, url, operation=operation, headers=headers))
        return HeldSocket(url if key is None else key, socket, stack.pop_all())


@dataclass(slots=True)
class _Kept:
    held: HeldSocket
    since: float
    keep_alive: Message | None
    task: asyncio.Task[None] | None = None
    has_ended: bool = False


class WarmSockets:
    """Connections that wait for their next turn; each is tended by a task that keeps it alive and notices its end.

    Args:
        keep_alive: What tells the vendor that we are still there; None: pings of the WebSocket are enough.
        every: Seconds between two of them.
        kept_for: Seconds a connection waits; then it is closed.
        most: How many wait; one more is closed instead.
        fresh: Seconds after which a connection that waits is asked whether it is alive, before it is used.
    """

    def __init__(
        self,
        keep_alive: Message | None,
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
        self._kept: list[_Kept] = []
        self._closed = False

    @property
    def waiting(self) -> int:
        return len(self._kept)

    async def take(self, key: str) -> HeldSocket | None:
        """A connection that was opened for this, the one used last; None where there is none."""
        for kept in reversed([each for each in self._kept if each.held.key == key]):
            if kept in self._kept and not kept.has_ended:
                self._kept.remove(kept)
                await _stop(kept)
                if not kept.has_ended and await self._is_usable(kept):
                    return kept.held
        return None

    async def keep(self, held: HeldSocket, keep_alive: Message | None = None) -> None:
        """Let a connection wait; nothing may be under way on it. It is closed where there is no room.

        Args:
            keep_alive: Its own sign of life. None: that of all.
        """
        if self._closed or len(self._kept) >= self._most:
            await held.close()
            return
        kept = _Kept(held, asyncio.get_running_loop().time(), keep_alive or self._keep_alive)
        self._kept.append(kept)
        kept.task = asyncio.create_task(self._tend(kept), name="warm socket")

    async def close(self) -> None:
        """Close all of them; from now on none is kept."""
        self._closed = True
        while self._kept:
            kept = self._kept.pop()
            await _stop(kept)
            await kept.held.close()

    async def _is_usable(self, kept: _Kept) -> bool:
        """Whether a connection is still open at the other end, too; otherwise it is closed."""
        is_fresh = asyncio.get_running_loop().time() - kept.since < self._fresh
        is_usable = False
        try:
            is_usable = is_fresh or await kept.held.socket.is_alive(ALIVE_WITHIN)
        finally:
            if not is_usable:
                await kept.held.close()
        return is_usable

    async def _tend(self, kept: _Kept) -> None:
        socket = kept.held.socket
        try:
            async with asyncio.timeout(self._kept_for):
                while await self._stays_open(socket):
                    if kept.keep_alive is not None:
                        await socket.send(kept.keep_alive)
        except (TimeoutError, VendorError):
            pass  # it has waited long enough, or the vendor has closed it
        kept.has_ended = True
        if kept in self._kept:
            self._kept.remove(kept)
        await kept.held.close()

    async def _stays_open(self, socket: VendorSocket) -> bool:
        """Wait until it is time for a sign of life; what comes meanwhile belongs to no turn."""
        try:
            async with asyncio.timeout(self._every):
                while await socket.receive() is not None:
                    pass
            return False
        except TimeoutError:
            return True


async def _stop(kept: _Kept) -> None:
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
