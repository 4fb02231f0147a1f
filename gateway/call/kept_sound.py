"""What the caller says while he leaves a message, kept until it is cut out as a file for the bot."""

from __future__ import annotations

from collections import deque

from audio.format import AudioFormat
from audio.frame import Frame, join
from audio.wav import header

MARGIN = 0.3  # s before and after what counts as speech, where its first and last sounds hide
AROUND = 10.0  # s beyond the longest message: the silence before it, and the wait until it is over


class KeptSound:
    """The newest of the caller's audio.

    Args:
        format: Of the line.
        longest: Seconds of a message; what is older than that and the time around it is forgotten.
    """

    def __init__(self, format: AudioFormat, longest: float) -> None:
        self._rate = format.rate
        self._most = round((longest + AROUND) * format.rate)
        self._frames: deque[Frame] = deque()
        self._held = 0
        self._starts_at = 0.0

    def take(self, frame: Frame, at: float) -> None:
        """The next frame of the time line, which has no gaps; ``at``: call time of its first sample."""
        if not self._frames:
            self._starts_at = at
        self._frames.append(frame)
        self._held += frame.samples
        while self._held > self._most:
            gone = self._frames.popleft()
            self._held -= gone.samples
            self._starts_at += gone.samples / self._rate

    def wav(self, since: float, until: float) -> bytes:
        """The sound between two call times and a little around it, 16 bits, as far as it is held."""
        pcm = join(self._frames).pcm() if self._frames else b""
        first, last = (self._place(at) for at in (since - MARGIN, until + MARGIN))
        cut = pcm[first * 2 : last * 2]
        return header(len(cut), self._rate, 1) + cut

    def _place(self, at: float) -> int:
        return max(0, round((at - self._starts_at) * self._rate))
