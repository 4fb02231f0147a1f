"""What the caller hears, and when: the peer's play buffer, simulated exactly. Pure arithmetic, no clock of its own.

Audio that arrives plays behind what is already buffered, without a gap and without waiting for anything. So the moment
of every sample is known when it arrives, and a clear takes back exactly what has not been played by then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from audio.format import AudioFormat


@dataclass(frozen=True, slots=True)
class Heard:
    """A stretch of audio that reached the caller's ear without a gap; ``at``: when its first sample did."""

    at: float
    data: bytes
    format: AudioFormat

    @property
    def end(self) -> float:
        return self.at + self.format.seconds(len(self.data))


class Ear:
    """The timeline of what was heard.

    Args:
        keep: Seconds of the newest audio that `heard` keeps; None keeps all of the call.
    """

    def __init__(self, format: AudioFormat, keep: float | None = None) -> None:
        self.format = format
        self._keep = keep
        self._stretches: deque[tuple[float, bytearray]] = deque()
        self._given = 0.0

    @property
    def ends_at(self) -> float:
        """When the last sample that is known so far has been played; 0 before the first."""
        return self._end(-1) if self._stretches else 0.0

    def play(self, data: bytes, now: float) -> float:
        """Put audio behind what is buffered; returns when its first sample is heard."""
        at = max(now, self.ends_at)
        self.play_at(data, at)
        return at

    def play_at(self, data: bytes, at: float) -> None:
        """Put audio where it is heard; a stretch that it follows without a gap becomes longer."""
        half_sample = 0.5 / self.format.rate
        if self._stretches and abs(at - self.ends_at) < half_sample:
            self._stretches[-1][1].extend(data)
        elif data:
            self._stretches.append((at, bytearray(data)))
        if self._keep is not None:
            self._forget(at - self._keep)

    def cut(self, now: float) -> float:
        """Take back what has not been played; returns how many seconds that was."""
        cut = 0.0
        while self._stretches:
            at, data = self._stretches[-1]
            played = self._size(now - at)
            if played >= len(data):
                break
            cut += self.format.seconds(len(data) - played)
            del data[played:]
            if data:
                break
            self._stretches.pop()
        return cut

    def heard(self, now: float | None = None) -> list[Heard]:
        """What has been heard by ``now``; with None, all that is known, as if nothing more were cleared."""
        stretches = []
        for at, data in self._stretches:
            size = len(data) if now is None else min(len(data), self._size(now - at))
            if size > 0:
                stretches.append(Heard(at, bytes(data[:size]), self.format))
        return stretches

    def piece_due(self, every: float) -> float | None:
        """When `take` has a piece of ``every`` seconds, or the last one before a silence; None: nothing to hear."""
        for index, (at, _) in enumerate(self._stretches):
            if (end := self._end(index)) > self._given:
                return min(end, max(at, self._given) + every)
        return None

    def take(self, now: float) -> list[Heard]:
        """What was heard since the last `take`."""
        pieces = []
        for at, data in self._stretches:
            start = min(self._size(self._given - at), len(data))
            end = min(self._size(now - at), len(data))
            if end > start:
                pieces.append(Heard(at + self.format.seconds(start), bytes(data[start:end]), self.format))
        self._given = max(self._given, now)
        return pieces

    def _end(self, index: int) -> float:
        at, data = self._stretches[index]
        return at + self.format.seconds(len(data))

    def _forget(self, before: float) -> None:
        while self._stretches:
            at, data = self._stretches[0]
            old = self._size(before - at)
            if old < self.format.bytes_per_second:
                return  # a second at a time: taking the front off a long stretch moves all of it
            del data[:old]
            if data:
                self._stretches[0] = (at + self.format.seconds(old), data)
            else:
                self._stretches.popleft()

    def _size(self, seconds: float) -> int:
        """Bytes of the whole samples that ``seconds`` have room for; a hair's breadth is given away to rounding."""
        samples = int(max(0.0, seconds) * self.format.rate + 1e-4)
        return samples * self.format.encoding.bytes_per_sample
