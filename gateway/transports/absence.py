"""Callers who were sent elsewhere, and may come back: a failed transfer reaches the same conversation again.

A leg that sends its caller elsewhere loses its socket, and keeps its call. Whoever accepts the next socket asks here
whether it belongs to such a call, by the call's id, which went along with the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.errors import Unwelcome
from gateway.transports.door import Rejoined
from gateway.transports.sockets import MediaSocket


@dataclass(eq=False, kw_only=True)
class Return:
    """The socket on which a caller has come back, read up to its start.

    Attributes:
        status: Why, in the peer's words.
    """

    call_id: str
    socket: MediaSocket
    status: str = ""
    rejoined: Rejoined = field(init=False)

    def __post_init__(self) -> None:
        self.rejoined = Rejoined(self.call_id)


R = TypeVar("R", bound=Return)


class Absence(Generic[R]):
    """One caller's. It ends once: he is back, somebody has him, or nothing more is known of him."""

    def __init__(self) -> None:
        self._back: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self.has_arrived = False

    @property
    def is_back(self) -> bool:
        return self._back.done() and self._back.result() is not None

    def come_back(self, on: R) -> bool:
        """He is back. Returns whether he is still waited for."""
        if self._back.done():
            return False
        self._back.set_result(on)
        return True

    def arrive(self) -> None:
        """Somebody has him."""
        if not self._back.done():
            self.has_arrived = True
            self._back.set_result(None)

    def give_up(self) -> None:
        """He will not come back; harmless when the absence is over."""
        if not self._back.done():
            self._back.set_result(None)

    async def over(self) -> R | None:
        """Wait for the end: what he came back on, or None."""
        return await asyncio.shield(self._back)


class Absences(Generic[R]):
    """Those of a line, by the call's id."""

    def __init__(self) -> None:
        self._away: dict[str, Absence[R]] = {}

    def begin(self, call_id: str) -> Absence[R]:
        absence = self._away[call_id] = Absence()
        return absence

    def end(self, call_id: str) -> None:
        absence = self._away.pop(call_id, None)
        if absence is not None:
            absence.give_up()

    def find(self, call_id: str) -> Absence[R] | None:
        return self._away.get(call_id)

    def rejoin(self, back: R) -> Rejoined:
        """A caller is back.

        Raises:
            Unwelcome: his call is over, or he was never away.
        """
        absence = self.find(back.call_id)
        if absence is None or not absence.come_back(back):
            raise Unwelcome("a caller came back to a call that is over", hint="the call is over")
        return back.rejoined


class Roaming(Generic[R]):
    """A leg's side of it: its caller's absences, one after the other."""

    def __init__(self, absences: Absences[R], call_id: str) -> None:
        self._absences = absences
        self._call_id = call_id
        self._absence: Absence[R] | None = None  # the one that goes on, or was the last
        self._rejoined: Rejoined | None = None  # of the socket that the caller came back on
        self._is_over = False

    @contextmanager
    def away(self) -> Iterator[Absence[R]]:
        """While he is sent elsewhere."""
        self._absence = self._absences.begin(self._call_id)
        try:
            yield self._absence
        finally:
            self._absences.end(self._call_id)

    async def back(self) -> R | None:
        """What he comes back on, now that his socket is closed; None when he does not."""
        if self._is_over or self._absence is None:
            return None
        back, self._absence = await self._absence.over(), None
        if back is None or self._is_over:
            return None
        self.release()
        self._rejoined = back.rejoined
        return back

    def stop(self) -> None:
        """The leg has ended: nobody is waited for any more."""
        self._is_over = True
        if self._absence is not None:
            self._absence.give_up()

    def release(self) -> None:
        """Let the socket go that he came back on."""
        if self._rejoined is not None:
            self._rejoined.end()
