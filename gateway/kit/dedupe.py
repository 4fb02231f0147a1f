"""What has been seen before: platforms send a webhook again when our answer was late; the caller shall hear it once."""

from __future__ import annotations

from collections.abc import Callable

MAX_KEYS = 10_000


class Dedupe:
    """Remembers keys for a while.

    Args:
        now: Monotonic seconds.
        keep: Seconds a key is remembered, from when it was first seen.
        max_keys: How many at most. When full, the oldest is forgotten: a repetition may then pass, which is better than
            refusing what is new.
    """

    def __init__(self, now: Callable[[], float], keep: float, max_keys: int = MAX_KEYS) -> None:
        if keep <= 0 or max_keys < 1:
            raise ValueError("something has to be remembered for some time")
        self._now = now
        self._keep = keep
        self._max_keys = max_keys
        self._seen: dict[str, float] = {}  # key to when it was first seen, oldest first

    def __len__(self) -> int:
        self._forget()
        return len(self._seen)

    def is_new(self, key: str) -> bool:
        """Whether the key was not seen within `keep`; it is now."""
        self._forget()
        if key in self._seen:
            return False
        if len(self._seen) >= self._max_keys:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = self._now()
        return True

    def __contains__(self, key: str) -> bool:
        """Whether the key is remembered; asking does not."""
        self._forget()
        return key in self._seen

    def forget(self, key: str) -> None:
        """Let a key pass once more: what it stood for was not done, and its sender will come again."""
        self._seen.pop(key, None)

    def _forget(self) -> None:
        oldest_kept = self._now() - self._keep
        for key, seen in list(self._seen.items()) if self._is_stale(oldest_kept) else ():
            if seen > oldest_kept:
                return
            del self._seen[key]

    def _is_stale(self, oldest_kept: float) -> bool:
        first = next(iter(self._seen.values()), None)
        return first is not None and first <= oldest_kept
