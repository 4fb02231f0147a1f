"""What a recognizer has heard and nobody has read yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from gateway.errors import VendorError, VendorReplyInvalid
from gateway.events import Transcript
from gateway.kit.turn_protocol import Result

MAX_RESULTS = 1000
"""That wait to be read; a vendor that says more has gone mad."""


class Results:
    """A stream's results, until it ends. A partial takes the place of the partial before it."""

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._waiting: deque[Result] = deque()
        self._changed = asyncio.Event()
        self._error: VendorError | None = None
        self.has_any = False
        self.has_ended = False

    def put(self, result: Result) -> None:
        if self.has_ended:
            return
        self.has_any = True
        if len(self._waiting) >= MAX_RESULTS:
            self.end(VendorReplyInvalid("it says more than anybody reads", vendor=self._vendor, operation="listen"))
        elif _is_partial(result) and self._waiting and _is_partial(self._waiting[-1]):
            self._waiting[-1] = result
        else:
            self._waiting.append(result)
        self._changed.set()

    def end(self, error: VendorError | None = None) -> None:
        """Nothing more comes; only the first end counts."""
        if not self.has_ended:
            self.has_ended, self._error = True, error
            self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Result]:
        """Raises the VendorError it ended with, after everything that was heard before."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self.has_ended:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error


def _is_partial(result: Result) -> bool:
    return isinstance(result, Transcript) and not result.final
