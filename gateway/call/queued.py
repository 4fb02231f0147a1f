"""What the playout keeps of a prompt: its audio, as far as it was not heard, and how far it has come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class QueuedPrompt:
    prompt_id: int
    text: str
    chunks: deque[memoryview] = field(default_factory=deque)
    unsent: int = 0
    total: int = 0
    spoken: list[tuple[float, int]] = field(default_factory=list)
    heard: int = 0
    started: bool = False
    finished: bool = False
    failed: bool = False
    audible_until: float = 0.0
    gives_up_at: float | None = None
    """When it ends at the latest: at `audible_until`, or later where a mark may come. None until all of it is sent."""
    mark_id: str | None = None

    @property
    def is_sent(self) -> bool:
        return self.finished and not self.unsent

    def add(self, data: bytes) -> None:
        self.chunks.append(memoryview(data))  # a view: a cached prompt is shared by many calls
        self.unsent += len(data)
        self.total += len(data)

    def take(self, size: int) -> bytes:
        pieces: list[memoryview] = []
        wanted = min(size, self.unsent)
        self.unsent -= wanted
        while wanted:
            chunk = self.chunks.popleft()
            if len(chunk) > wanted:
                self.chunks.appendleft(chunk[wanted:])
                chunk = chunk[:wanted]
            pieces.append(chunk)
            wanted -= len(chunk)
        return b"".join(pieces)

    def drop_tail(self, size: int) -> None:
        """The last bytes will not be sent."""
        self.unsent -= size
        self.total -= size

    def give_back(self, data: bytes) -> None:
        self.chunks.appendleft(memoryview(data))
        self.unsent += len(data)

    def not_over(self) -> None:
        self.gives_up_at = self.mark_id = None


@dataclass(slots=True)
class Piece:
    """Part of a message that belongs to one prompt, until the caller has heard it."""

    prompt: QueuedPrompt
    data: bytes
    at: float
    samples: int
    heard: int = 0
