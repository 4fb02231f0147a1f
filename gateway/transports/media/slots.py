"""What waits to be sent to the caller, cut into slots of one packet each. Pure: no I/O, no clock.

The ticker takes one slot at a time, so that at any moment all but the last 20 ms can be taken back.
"""

from __future__ import annotations

from collections import deque

from audio.format import AudioFormat
from gateway.errors import LocalProtocolError

MAX_MARKS = 1000


class SlotQueue:
    """Audio and marks, in order.

    Args:
        audio_format: Of the audio, before it is encoded.
        slot: Seconds.
    """

    def __init__(self, audio_format: AudioFormat, slot: float) -> None:
        self._size = audio_format.size(slot)
        self._silence = audio_format.silence(audio_format.samples(self._size))
        self._slots: deque[bytes] = deque()  # bounded by who pushes: see `MediaSession.send_audio`
        self._part = b""  # behind them, less than a slot
        self._waiting = 0  # bytes of both
        self._pushed = self._taken = 0  # bytes since the beginning, those that were cleared included
        self._marks: deque[tuple[int, str]] = deque()
        self._rest = 0  # bytes that were too few for a slot the last time

    def __len__(self) -> int:
        """Bytes that wait."""
        return self._waiting

    @property
    def silence(self) -> bytes:
        """What goes into a slot when nothing waits."""
        return self._silence

    def push(self, data: bytes) -> None:
        self._pushed += len(data)
        self._waiting += len(data)
        data = self._part + data
        whole = len(data) - len(data) % self._size
        self._slots.extend(data[start : start + self._size] for start in range(0, whole, self._size))
        self._part = data[whole:]

    def mark(self, mark_id: str) -> None:
        """Have a mark reached when everything pushed so far was taken.

        Raises:
            LocalProtocolError: when far too many wait.
        """
        if len(self._marks) >= MAX_MARKS:
            raise LocalProtocolError(f"more than {MAX_MARKS} marks wait")
        self._marks.append((self._pushed, mark_id))

    def take(self) -> bytes | None:
        """The next slot; None when there is none.

        What is less than a slot is filled up with silence if a mark is behind it, or if nothing came to complete it
        for one slot.
        """
        if self._slots:
            self._waiting -= self._size
            self._taken += self._size
            return self._slots.popleft()
        part = self._part
        if not part:
            return None
        has_end = self._marks and self._marks[-1][0] == self._pushed
        if not has_end and len(part) != self._rest:
            self._rest = len(part)
            return None
        self._part, self._waiting, self._rest = b"", 0, 0
        self._taken += len(part)
        return part + self._silence[len(part) :]

    def reached(self) -> list[str]:
        """Marks before which nothing waits any more; each once."""
        reached = []
        while self._marks and self._marks[0][0] <= self._taken:
            reached.append(self._marks.popleft()[1])
        return reached

    def clear(self) -> None:
        """Drop everything, marks included."""
        self._slots.clear()
        self._marks.clear()
        self._taken += self._waiting
        self._part, self._waiting, self._rest = b"", 0, 0
