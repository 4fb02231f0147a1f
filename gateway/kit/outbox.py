"""The bounded queue behind a chat's `actions()`: adapters put batches in, the session takes them out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.actions import ActionBatch
from gateway.errors import RemoteProtocolError

MAX_BATCHES = 256


class Outbox:
    """What a bot has said and the session has not taken yet.

    Full means that a platform talks faster than a call can take, which none does by accident: the batch is refused with
    an error, in `Chat.send` a failed turn, in a webhook a 4xx. Nothing that was accepted is ever dropped.
    """

    def __init__(self, limit: int = MAX_BATCHES) -> None:
        self._queue: asyncio.Queue[ActionBatch | None] = asyncio.Queue()
        self._limit = limit
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether the next batch would be refused."""
        return self._queue.qsize() >= self._limit

    def put(self, batch: ActionBatch) -> bool:
        """Queue a batch; False when the chat is over and nobody will take it.

        Raises:
            RemoteProtocolError: The queue is full.
        """
        if self._closed:
            return False
        if self.is_full:
            raise RemoteProtocolError("more replies than a call can take", hint="too many messages")
        self._queue.put_nowait(batch)
        return True

    def close(self) -> None:
        """No more batches: iteration ends after those already queued. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[ActionBatch]:
        while (batch := await self._queue.get()) is not None:
            yield batch
        self._queue.put_nowait(None)  # so that a second iteration ends too
