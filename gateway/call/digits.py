"""Keys into entries: terminator, clear key, length, and the pause after the last key. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from config.call import DigitsSection

MAX_TYPED_AHEAD = 128  # keys kept; a longer burst is line noise or abuse, and the newest keys are dropped


@dataclass(frozen=True, slots=True)
class Entry:
    """Keys that make one answer; ``terminator``: the key that ended it, which is no part of it."""

    digits: str
    terminator: str | None
    at: float


@dataclass(slots=True)
class DigitCollector:
    """Collects keys, also those typed ahead of the question.

    `press` only remembers; `take` cuts the first entry off once it is complete under the rules of the question that
    is open by then, because the question typed ahead of is not known when the key goes down.
    """

    rules: DigitsSection
    keys: deque[tuple[str, float]] = field(default_factory=deque)

    def __bool__(self) -> bool:
        return bool(self.keys)

    def press(self, digit: str, now: float) -> None:
        if len(self.keys) < MAX_TYPED_AHEAD:
            self.keys.append((digit, now))

    def clear(self) -> None:
        self.keys.clear()

    def postpone(self, seconds: float) -> None:
        """As if every key had come that much later: the pause after the last one goes on."""
        self.keys = deque((key, at + seconds) for key, at in self.keys)

    def deadline(self) -> float:
        """When the entry is over without another key, rounded as call time is. Only while there are keys."""
        return round(self.keys[-1][1] + self.rules.interdigit_timeout, 6)

    def settle(self, labels: Collection[str] = ()) -> None:
        """Apply the clear key, and drop terminators that end nothing. Neither where it is an answer by itself.

        Args:
            labels: The keys of a menu.
        """
        kept: deque[tuple[str, float]] = deque()
        for key, at in self.keys:
            if key in labels and all(key == before for before, _ in kept):
                kept.append((key, at))
            elif key == self.rules.clear_char:
                kept.clear()
            elif key != self.rules.term_char or kept:
                kept.append((key, at))
        self.keys = kept

    def take(self, now: float, *, max_digits: int, labels: Collection[str] = ()) -> Entry | None:
        """The first complete entry, or None when more keys may come.

        Args:
            max_digits: The entry is complete when it has this many keys.
            labels: The keys of a menu; an entry is complete as soon as it is one of them (none begins another one).
        """
        digits = ""
        for index, (key, at) in enumerate(self.keys):
            if key == self.rules.term_char and (digits or key not in labels):
                return self._cut(index + 1, Entry(digits, key, at))
            digits += key
            if digits in labels or len(digits) >= max_digits:
                return self._cut(index + 1, Entry(digits, None, at))
        if digits and now >= self.deadline():
            return self._cut(len(self.keys), Entry(digits, None, self.keys[-1][1]))
        return None

    def _cut(self, count: int, entry: Entry) -> Entry:
        for _ in range(count):
            self.keys.popleft()
        return entry
