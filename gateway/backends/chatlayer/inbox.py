"""The messages of one call in their order, each once: the platform delivers again after a failing answer, and each
message comes by a request of its own.

With a ``messageCounter`` a repetition is known by it (and by its words: a platform that has lost a conversation counts
afresh), and a gap is waited for a moment. Without one, order is arrival,
and the same words twice are two messages (a bot may rightly say "Sorry?" twice), unless we had refused the first
delivery: then what follows within the time of its attempts is that delivery again. An answer of ours that is lost on
its way back cannot be seen from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from gateway.backends.chatlayer.assumed import FIRST_COUNTER
from gateway.kit.dedupe import Dedupe

KEEP = 120.0  # s a message is remembered; how far apart the platform's three more attempts are is not documented
MAX_HELD = 64
"""Messages that wait for one before them; one more, and all are played."""

T = TypeVar("T")


class Inbox(Generic[T]):
    """One call's incoming messages.

    Args:
        now: Monotonic seconds.
        order_within: Seconds to wait for a missing counter.
    """

    def __init__(self, now: Callable[[], float], order_within: float) -> None:
        self._now = now
        self._order_within = order_within
        self._counters = Dedupe(now, KEEP)
        self._refused = Dedupe(now, KEEP)
        self._repeated = Dedupe(now, KEEP)
        self._recovered: Counter[str] = Counter()
        self._held: dict[int, tuple[float, T]] = {}
        self._played: set[int] = set()
        self._direct: list[T] = []
        self._next: int | None = None

    def take(self, item: T, *, counter: int | None, digest: str) -> bool:
        """Take a delivery; False when it is one that was taken before.

        Args:
            digest: The message, as a key.
        """
        if counter is not None and not self._counters.is_new(_key(counter, digest)):
            return False
        if self._was_recovered(digest):
            if counter is not None:
                self._played.add(counter)  # so that it leaves no gap
            return False
        if counter is None:
            if digest in self._repeated:
                return False
            if digest in self._refused:
                self._repeated.is_new(digest)
            self._direct.append(item)
        elif counter in self._held or (self._next is not None and counter < self._next):
            self._direct.append(item)  # too late for its place, but not said yet; or the platform counts afresh
        else:
            self._held[counter] = (self._now(), item)
        return True

    def refuse(self, digest: str) -> None:
        """A delivery could not be taken and was answered so: it will come again."""
        self._refused.is_new(digest)

    def recovered(self, digest: str) -> None:
        """A message was found otherwise; should it still be delivered, it has been played already."""
        self._recovered[digest] += 1

    def ready(self) -> list[T]:
        """What is to be played now, in order."""
        found, self._direct = self._direct, []
        self._advance(found)
        if self._held and (len(self._held) > MAX_HELD or self._now() >= self._oldest + self._order_within):
            for counter in sorted(self._held):
                found.append(self._held.pop(counter)[1])
                self._next = counter + 1
        return found

    def put_back(self, items: list[T]) -> None:
        """What could not be played yet comes first the next time."""
        self._direct = [*items, *self._direct]

    def deadline(self) -> float | None:
        """When `ready` has more to say; None when nothing is held."""
        return self._oldest + self._order_within if self._held else None

    @property
    def _oldest(self) -> float:
        return min(since for since, _ in self._held.values())

    def _advance(self, found: list[Any]) -> None:
        first = min((*self._held, *self._played), default=None)
        if self._next is None and first is not None and first <= FIRST_COUNTER:
            self._next = first
        while self._next in self._held or self._next in self._played:
            if self._next in self._held:
                found.append(self._held.pop(self._next)[1])
            self._played.discard(self._next)
            self._next += 1

    def _was_recovered(self, digest: str) -> bool:
        if not self._recovered[digest]:
            return False
        self._recovered[digest] -= 1
        return True


def _key(counter: int, digest: str) -> str:
    return f"{counter} {digest}"
