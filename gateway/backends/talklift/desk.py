"""Who is on the line with a project, by the numbers its backend names. One per bot, as long as the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.backends.talklift.protocol import IdKind
from gateway.backends.talklift.steering import Steered

MAX_DELIVERED = 10_000
TRIES = 100


class Caller(Protocol):
    """A call that can be steered."""

    def update(self, body: Mapping[str, Any]) -> Steered: ...
    def message(self, body: Mapping[str, Any]) -> Steered: ...


class Desk:
    """Running calls by session and by slot state, and which events have arrived.

    Args:
        ids: Gives numbers; one that a running call has is not given again.
    """

    def __init__(self, ids: Callable[[IdKind], int]) -> None:
        self._ids = ids
        self.sessions: dict[int, Caller] = {}
        self.states: dict[int, Caller] = {}
        self._delivered: dict[str, None] = {}

    def new_id(self, kind: IdKind, taken: Mapping[int, object]) -> int:
        """A number that is free among those taken."""
        for _ in range(TRIES):
            found = self._ids(kind)
            if found not in taken:
                return found
        raise RuntimeError(f"no number is free for a {kind}")

    def leave(self, caller: Caller) -> None:
        """A call is over: what names it is unknown from now on."""
        for known in (self.sessions, self.states):
            for number in [number for number, holder in known.items() if holder is caller]:
                del known[number]

    def note_delivered(self, key: str) -> None:
        self._delivered[key] = None
        if len(self._delivered) > MAX_DELIVERED:
            del self._delivered[next(iter(self._delivered))]

    def was_delivered(self, key: str) -> bool:
        return key in self._delivered
