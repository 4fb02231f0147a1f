"""The queue of a chan_websocket channel: frames and markers that a timer takes out, one frame every 20 ms.

Facts: channels/chan_websocket.c, tags 20.16 to 23.4, and what Asterisk 22.10.1 was seen to do, November 2026.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

TICK = 0.02
MAX_FRAMES = 1000
XOFF_AT, XON_BELOW = 900, 800


@dataclass(frozen=True, slots=True)
class Marker:
    """``kind`` is the event that reports it."""

    kind: str
    name: str


class MediaQueue:
    """Frames on their way to the caller.

    Args:
        frame_bytes: One tick of audio.
        play: Told each frame and the time at which it leaves for the caller.
        report: Told an event's name, its id, and when: markers, MEDIA_XOFF, MEDIA_XON, QUEUE_DRAINED.
    """

    def __init__(
        self, frame_bytes: int, play: Callable[[bytes, float], None], report: Callable[[str, str, float], None]
    ) -> None:
        self._frame_bytes = frame_bytes
        self._play = play
        self._report = report
        self._items: deque[bytes | Marker] = deque()
        self._leftover = b""
        self._epoch = 0.0
        self._tick = 1
        self._is_full = False
        self._wants_drained = False
        self.frames = 0
        self.is_buffering = False
        self.is_paused = False
        self.is_over_xoff = False

    def start(self, now: float) -> None:
        """The timer starts; it first fires a tick later."""
        self._epoch = now

    def put(self, data: bytes, now: float) -> int:
        """Queue a message; returns how many bytes of it were thrown away."""
        if self.frames >= MAX_FRAMES:
            return len(data)
        data = self._leftover + data
        whole = len(data) - len(data) % self._frame_bytes
        for start in range(0, whole, self._frame_bytes):
            self._items.append(data[start : start + self._frame_bytes])
        self.frames += whole // self._frame_bytes
        if not self.is_over_xoff and self.frames >= XOFF_AT:
            self.is_over_xoff = True
            self._report("MEDIA_XOFF", "", now)
        rest = data[whole:]
        self._leftover = rest if self.is_buffering else b""
        return 0 if self.is_buffering else len(rest)

    def mark(self, marker: Marker) -> None:
        self._items.append(marker)

    def stop_buffering(self, name: str) -> None:
        """Queue what is left, short as it is, and a marker behind it."""
        if self._leftover:
            self._items.append(self._leftover)
            self.frames += 1
            self._leftover = b""
        self.is_buffering = False
        self._items.append(Marker("MEDIA_BUFFERING_COMPLETED", name))

    def want_drained(self) -> None:
        self._wants_drained = True

    def flush(self) -> int:
        """Drop everything, markers too, and end buffering; returns how many bytes of audio that was."""
        dropped = sum(len(item) for item in self._items if isinstance(item, bytes)) + len(self._leftover)
        self._items.clear()
        self._leftover = b""
        self.frames = 0
        self.is_buffering = False
        return dropped

    def advance(self, now: float) -> None:
        """Let the timer fire as often as it has until ``now``."""
        while (at := self._epoch + self._tick * TICK) <= now + 1e-9:
            if not self._has_work():
                self._tick += int((now + 1e-9 - at) / TICK) + 1  # it fired, and there was nothing to do
                return
            self._tick += 1
            self._fire(at)

    def next_due(self) -> float | None:
        """When the timer next has something to report; playing alone is no news."""
        ticks = [0] if self.is_over_xoff and self.frames < XON_BELOW else []
        if self.is_over_xoff and self.frames >= XON_BELOW and not self.is_paused:
            ticks.append(self.frames - XON_BELOW)
        if self._wants_drained and not (self.is_paused and self._items):
            ticks.append(self.frames)
        if not self.is_paused and (before := self._frames_before_marker()) is not None:
            ticks.append(max(0, before - 1))
        return self._epoch + (self._tick + min(ticks)) * TICK if ticks else None

    def _frames_before_marker(self) -> int | None:
        return next((index for index, item in enumerate(self._items) if isinstance(item, Marker)), None)

    def _has_work(self) -> bool:
        return bool(self._items and not self.is_paused) or self.is_over_xoff or self._wants_drained

    def _fire(self, at: float) -> None:
        if not self.is_paused:
            self._report_markers(at)
            if self._items:
                frame = self._items.popleft()
                assert isinstance(frame, bytes)
                self.frames -= 1
                self._play(frame, at)
                self._report_markers(at)
            elif self._wants_drained:
                self._wants_drained = False
                self._report("QUEUE_DRAINED", "", at)
        if self.is_over_xoff and self.frames < XON_BELOW:
            self.is_over_xoff = False
            self._report("MEDIA_XON", "", at)

    def _report_markers(self, at: float) -> None:
        while self._items and isinstance(marker := self._items[0], Marker):
            self._items.popleft()
            self._report(marker.kind, marker.name, at)
