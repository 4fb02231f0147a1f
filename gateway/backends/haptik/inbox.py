"""The events of one call in their order: each comes by a request of its own, and one may overtake another.

Haptik says that order is the receiver's responsibility, and numbers its messages. So an event is held for a moment,
and what has come by then is taken by number; an event without one, such as a conversation's end, after those that have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.backends.haptik.protocol import Event
from gateway.backends.haptik.values import number
from gateway.errors import RemoteProtocolError

MAX_HELD = 100  # events that wait; more is no conversation


class Inbox:
    """One call's events on their way in.

    Args:
        hold: Seconds an event is held; 0: not at all.
        take: Gets each event in its turn.
    """

    def __init__(self, hold: float, take: Callable[[Event], None]) -> None:
        self._hold = hold
        self._take = take
        self._held: list[Event] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, event: Event) -> None:
        """Take an event.

        Raises:
            RemoteProtocolError: More than a call can take.
        """
        if not self._hold:
            self._take(event)
            return
        if len(self._held) >= MAX_HELD:
            raise RemoteProtocolError("more events than a call can take", hint="too many messages")
        self._held.append(event)
        self._wait()

    def close(self) -> None:
        """The call is over: nothing more is taken."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held.clear()

    def _release(self) -> None:
        self._timer = None
        self._held.sort(key=_place)
        while self._held:
            try:
                self._take(self._held[0])
            except RemoteProtocolError:  # the call is behind; what was accepted is kept until it is not
                self._wait()
                return
            del self._held[0]

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._hold, self._release)


def _place(event: Event) -> tuple[bool, int]:
    """By number; those without one last, as they came."""
    found = number(event.message_id)
    return found is None, found or 0
