"""Frames of one size from any wire, and their place in the call.

`Framer` cuts what arrives into exact frames. `Timeline` makes counted samples and the call's clock agree, which the
rest of the gateway takes for granted: voice activity, recording and the no-input timer all go by samples.
"""

from __future__ import annotations

import math

from audio.format import AudioFormat
from audio.frame import Frame
from audio.levels import is_quiet

PTIME_MS = 20


class Framer:
    """Cuts audio of any size into frames of one size, numbered from zero without gaps.

    Args:
        audio_format: What arrives, and what leaves.
        ptime_ms: Milliseconds in a frame.
    """

    def __init__(self, audio_format: AudioFormat, ptime_ms: int = PTIME_MS) -> None:
        self._format = audio_format
        self._samples = audio_format.rate * ptime_ms // 1000
        self._size = self._samples * audio_format.encoding.bytes_per_sample
        self._rest = b""
        self._position = 0

    def push(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes; what is left waits for more (less than one frame)."""
        size = self._size
        if self._rest:
            data = self._rest + data
        elif len(data) == size:
            return [self._next(data)]
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [self._next(data[start : start + size]) for start in range(0, whole, size)]

    def flush(self) -> list[Frame]:
        """The last frame, filled up with silence, or nothing if nothing is left."""
        if not self._rest:
            return []
        width = self._format.encoding.bytes_per_sample
        rest, self._rest = self._rest[: len(self._rest) // width * width], b""
        return [self._next(rest + self._format.silence((self._size - len(rest)) // width))] if rest else []

    def _next(self, data: bytes) -> Frame:
        frame = Frame(data, self._format, self._position)
        self._position += self._samples
        return frame


class Timeline:
    """Puts the frames of a leg onto the time of the call.

    A wire pauses (silence suppression, hold, mute), stalls and then delivers everything at once, and its clock may be
    off by 500 ppm. The frames that come out are numbered without gaps from the call's start, and the end of the last
    one stays close to the clock:

    - Jitter changes nothing. A frame that comes within `PATIENCE` of its time is passed on where it is.
    - **A peer later than that** is replaced by frames of silence, so that everything counted in samples goes on.
    - **A burst after a stall** finds its place taken by that silence. Speech is kept nevertheless: frames run ahead of
      the clock by up to `MAX_AHEAD`, and catch up by leaving out quiet ones, and others too, one of eight at most and
      the fewer the less they are ahead. So a second of delayed speech is heard whole or slightly hurried, never as a
      hole, and is over soon. A wire on which this happens is given more patience.
    - **A clock that is off** shows as a slow lead or lag. Once it is a frame long, a quiet frame is left out, or
      one of silence inserted beside it; any frame if no quiet one comes within `RELUCTANCE`.
    - **A wire that tells positions** (``wire_pts``: RTP timestamps, media timestamps) tells how long a pause was; then
      frames go exactly there, as far as the clock allows. Duplicates are dropped. The wire's clock is never believed
      against the call's.

    In the ordinary case a frame costs a microsecond. Nothing is held back: what `place` and `fill` return is final.

    Args:
        audio_format: What the wire carries.
        start: Call time, in seconds, of the first sample. None: the first frame begins the time line.
        wire_pts: Whether ``pts_samples`` of placed frames is the wire's own count, from any origin.
    """

    PATIENCE = 0.1
    """Seconds by which a frame may be late before silence takes its place."""
    MAX_PATIENCE = 0.4
    SLACK = 0.02
    """Seconds of lead or lag that nothing is done about."""
    MAX_AHEAD = 1.0
    """Seconds ahead of the clock from which everything is dropped."""
    LONG_PAUSE = 1.0
    """Seconds of filled silence after which a wire is taken to have paused rather than stalled."""
    REVIEW = 2.0
    """Seconds of audio whose least late frame tells the lag; long enough to contain one that did not wait anywhere."""
    RELUCTANCE = 5.0
    """Seconds to wait for a quiet frame before any frame is corrected, when it is a matter of `SLACK`."""
    MAX_FILL = 10.0
    """Seconds of silence from one call; a process that was stopped for longer gets the rest from the next ones."""

    _HURRY = (
        7 * PTIME_MS / 1000
    )  # seconds of speech between frames left out while far ahead: 14 % faster is intelligible

    def __init__(self, audio_format: AudioFormat, *, start: float | None = None, wire_pts: bool = False) -> None:
        rate = audio_format.rate
        self._format = audio_format
        self._rate = rate
        self._width = audio_format.encoding.bytes_per_sample
        self._step = rate * PTIME_MS // 1000
        self._silence = audio_format.silence(self._step)
        self._start = start if start is not None else math.nan
        self._wire_pts = wire_pts
        self._slack = round(self.SLACK * rate)
        self._floor = -self._slack
        self._patience = round(self.PATIENCE * rate)
        self._end = 0  # samples passed on
        self._last = self._step  # samples in the wire's last frame: the next one cannot come sooner than that
        self._offset: int | None = None  # the wire's count less ours after its last frame; None before the first
        self._filled = 0  # samples of silence since the last frame of the wire
        self._least = math.inf  # samples of lag of the least late frame since the last review
        self._owed = 0  # samples of silence to insert beside quiet frames
        self._spared = 0  # samples passed on since a correction became due
        self._suspect = False  # silence was filled lately: if it turns out to be premature, be more patient
        self._review_at = 0  # position from which `place` looks closer; 0 at once

    @property
    def position(self) -> int:
        """Samples so far; where the next frame begins."""
        return self._end

    def time_of(self, pts_samples: int) -> float:
        """The call time, in seconds, of a position. NaN before there is a start."""
        return self._start + pts_samples / self._rate

    def next_deadline(self) -> float:
        """The call time from which `fill` has something to return. Infinite before there is a start."""
        if math.isnan(self._start):
            return math.inf
        return self._start + (self._end + self._last + self._patience) / self._rate

    def place(self, frame: Frame, now: float) -> list[Frame]:
        """The wire's next frame at its position, with silence before it where some is missing.

        Args:
            frame: As it came; any length, in the format of this time line.
            now: Call time of its arrival.
        Returns:
            Frames to pass on, in order; none when the frame is left out.
        """
        data, position = frame.data, self._end
        end = position + len(data) // self._width
        lag = (now - self._start) * self._rate - end
        if (  # as it nearly always is
            self._floor <= lag < self._patience
            and end < self._review_at
            and (not self._wire_pts or frame.pts_samples - position == self._offset)
        ):
            if lag < self._least:
                self._least = lag
            self._end = end
            return [Frame(data, self._format, position)]
        return self._place_with_care(frame, now)

    def fill(self, now: float) -> list[Frame]:
        """Silence for a peer that sends nothing. To be called when `next_deadline` has passed; never harmful."""
        frames: list[Frame] = []
        limit = round(self.MAX_FILL * self._rate)
        due = self._last + self._patience - 0.5  # half a sample: a deadline in seconds is not exact
        while (now - self._start) * self._rate - self._end >= due and limit > 0:
            frames.append(self._quiet_step())
            limit -= self._step
        if frames:
            self._filled += len(frames) * self._step
            self._review_at, self._least, self._owed, self._suspect = 0, math.inf, 0, True
        return frames

    def _place_with_care(self, frame: Frame, now: float) -> list[Frame]:
        samples = len(frame.data) // self._width
        if samples == 0:
            return []
        if math.isnan(self._start):
            self._start = now - samples / self._rate
        gap = self._gap(frame, samples)
        if gap is None:
            return []
        self._last = samples
        placed = self.fill(now)
        placed += self._pad(gap, (now - self._start) * self._rate - self._end - samples)
        self._filled = 0
        placed += self._correct(frame.data, now)
        self._offset = frame.pts_samples + samples - self._end
        self._review((now - self._start) * self._rate - self._end)
        return placed

    def _gap(self, frame: Frame, samples: int) -> int | None:
        """Samples that the wire says are missing before this frame; None when the frame was there before."""
        if not self._wire_pts or self._offset is None:
            return 0
        gap = frame.pts_samples - (self._end - self._filled + self._offset)
        is_repeated = -self._rate < gap <= -samples
        return None if is_repeated else max(gap, 0)

    def _pad(self, gap: int, lag: float) -> list[Frame]:
        """Silence before a frame that follows a pause; `lag` is how late its end would be without."""
        is_first = self._end == self._filled
        if is_first or (gap == 0 and self._filled >= self.LONG_PAUSE * self._rate):
            missing = lag
        else:
            missing = min(gap - self._filled, lag + self._slack)
        return [self._quiet_step() for _ in range(round(missing) // self._step)]

    def _correct(self, data: bytes, now: float) -> list[Frame]:
        """The frame, without what has to be left out, after silence that is owed."""
        if self._owed <= 0 and (now - self._start) * self._rate - self._end - self._last >= -self._slack:
            self._spared = 0
            return [self._pass_on(data)]
        frames: list[Frame] = []
        size = self._step * self._width
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            lag = (now - self._start) * self._rate - self._end - len(piece) // self._width
            if lag < -self._slack:
                if self._leaves_out(piece, -lag / self._rate):
                    continue
            elif self._owed > 0 and self._may_touch(piece, self.RELUCTANCE):
                frames.append(self._quiet_step())
                self._owed -= self._step
            frames.append(self._pass_on(piece))
        return frames

    def _leaves_out(self, piece: bytes, ahead: float) -> bool:
        if self._suspect:
            self._suspect = False
            most = round(self.MAX_PATIENCE * self._rate)
            self._patience = min(most, self._patience + 2 * self._step)
        self._owed = 0
        if ahead > self.MAX_AHEAD:
            return True
        return self._may_touch(piece, max(self._HURRY, self.RELUCTANCE * (self.SLACK / ahead) ** 2))

    def _may_touch(self, piece: bytes, reluctance: float) -> bool:
        """Whether this is the place for a correction: a quiet one, or the end of our patience."""
        if self._spared < reluctance * self._rate and not is_quiet(piece, self._format.encoding):
            self._spared += len(piece) // self._width
            return False
        self._spared = 0
        return True

    def _review(self, lag: float) -> None:
        """Look whether the wire lags as a whole, and decide when to look again."""
        if self._owed > 0:
            return  # every frame is looked at until that is settled
        self._least = min(self._least, lag)
        if self._review_at == 0 or lag < -self._slack:
            self._begin_review(lag)
        elif self._end >= self._review_at:
            if self._least > self._slack:
                self._owed = round(self._least) // self._step * self._step
                self._review_at = 0
            else:
                self._begin_review(math.inf)
            self._suspect = False

    def _begin_review(self, least: float) -> None:
        self._least = least
        self._review_at = self._end + round(self.REVIEW * self._rate)

    def _quiet_step(self) -> Frame:
        return self._pass_on(self._silence)

    def _pass_on(self, data: bytes) -> Frame:
        frame = Frame(data, self._format, self._end)
        self._end += len(data) // self._width
        return frame
