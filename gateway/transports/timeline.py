"""Where caller audio belongs on the call's time line. The opposite direction is counted by `gateway.call.playout`.

Peers leave gaps: packets get lost, and Asterisk sends nothing at all while the caller's side is on hold or suppresses
silence. Everything about speech counts samples, so a gap is filled with silence before the audio that ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.clock import Clock

STAMP_TOLERANCE = 0.04
"""A peer's own time stamps: two frames of 20 ms may be missing before silence takes their place."""
CLOCK_TOLERANCE = 0.5
"""Time of arrival, where the peer sends no stamps: jitter and stalls of the network are no gaps."""
FILL_SECONDS = 1.0
"""Longest frame of silence."""


class Timeline:
    """Counts the caller's samples from the leg's first audio on.

    Args:
        clock: What a peer's time stamps are held against: silence never reaches further than time has passed.
    """

    def __init__(self, format: AudioFormat, clock: Clock) -> None:
        self._format = format
        self._clock = clock
        self._next = 0
        self._first_stamp: int | None = None
        self._first_at: float | None = None
        self._stamp_slack = round(STAMP_TOLERANCE * format.rate)
        self._clock_slack = round(CLOCK_TOLERANCE * format.rate)

    def frame(self, data: bytes) -> Frame:
        """The next piece of audio."""
        frame = Frame(data, self._format, self._next)
        self._next += self._format.samples(len(data))
        return frame

    def gap_by_stamp(self, stamp: int) -> Iterable[Frame]:
        """Silence to put before audio that the peer stamped ``stamp`` (samples, of any origin)."""
        if self._first_stamp is None:
            self._first_stamp, self._first_at = stamp, self._clock.now()
            return ()
        missing = stamp - self._first_stamp - self._next
        if missing <= self._stamp_slack:
            return ()  # in time; or older than what we have, and then it follows nevertheless
        return self._silence(min(missing, self._elapsed() + self._clock_slack - self._next))

    def gap_by_clock(self) -> Iterable[Frame]:
        """Silence to put before audio that arrives now."""
        if self._first_at is None:
            self._first_at = self._clock.now()
            return ()
        missing = self._elapsed() - self._next
        return () if missing <= self._clock_slack else self._silence(missing)

    def _elapsed(self) -> int:
        assert self._first_at is not None
        return round((self._clock.now() - self._first_at) * self._format.rate)

    def _silence(self, samples: int) -> Iterator[Frame]:
        most = round(FILL_SECONDS * self._format.rate)
        while samples > 0:
            piece = min(samples, most)
            yield self.frame(self._format.silence(piece))
            samples -= piece
