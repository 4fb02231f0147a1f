"""The recording of a call: the caller left, the bot right, both laid on the call's own clock.

The session gives both sides with their call times; here they are put side by side, gaps filled with silence, and
handed to the disk's thread. Length and alignment follow the call's time, not the order in which pieces arrive.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import structlog

from audio.codecs import g711
from audio.format import AudioFormat, Encoding, MediaError
from audio.frame import Frame
from audio.wav import StereoWriter
from gateway.records.disk import DiskWriter, make_folder

log = structlog.get_logger()

SIDE_LAG = 2.0  # s one side may be behind the other before it counts as silent there
FLUSH_EVERY = 0.5  # s of both sides handed to the disk at a time
MAX_JOB = 10.0  # s of silence handed over at once where neither side had anything to say
MAX_AHEAD = 86_400.0  # s beyond the start; a time further off is a bug somewhere else, and not worth a full disk
MARGIN = 0.3  # s before the first sound of an answer that are muted with it
HEADER_BYTES = 44  # of the WAV files that `audio.wav` writes
SAMPLE_BYTES = 4  # two sides of 16 bits


class _Side:
    """One side's samples not yet written, from `start` on; positions count from the start of the recording."""

    def __init__(self) -> None:
        self.start = 0
        self.pcm = bytearray()

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // 2

    def put(self, position: int, pcm: bytes) -> None:
        """Lay samples at a position; what overlaps with what is there already replaces it, what is written is past."""
        if position < self.start:
            pcm = pcm[(self.start - position) * 2 :]
            position = self.start
        offset = (position - self.start) * 2
        if offset > len(self.pcm):
            self.pcm.extend(bytes(offset - len(self.pcm)))
        self.pcm[offset : offset + len(pcm)] = pcm

    def silence(self, start: int, end: int) -> None:
        """Blot out what is not written yet."""
        first = max(start - self.start, 0) * 2
        last = min(max(end - self.start, 0) * 2, len(self.pcm))
        if first < last:
            self.pcm[first:last] = bytes(last - first)

    def take(self, end: int) -> bytes:
        """The samples up to a position, filled up with silence."""
        size = (end - self.start) * 2
        piece = bytes(self.pcm[:size])
        del self.pcm[:size]
        self.start = end
        return piece + bytes(size - len(piece))


class CallRecorder:
    """Implements `gateway.call.services.Recorder` with a WAV file.

    Args:
        path: Of the file, made when the first sample is kept.
        format: Of the line.
    """

    def __init__(self, path: Path, format: AudioFormat, disk: DiskWriter) -> None:
        self._path = path
        self._format = format
        self._disk = disk
        self._left, self._right = _Side(), _Side()
        self._began: float | None = None
        self._is_closed = False
        self._writer: StereoWriter | None = None
        self._is_lost = False
        self._muted: list[tuple[float, float]] = []
        self._blots: list[tuple[int, int]] = []

    @property
    def is_started(self) -> bool:
        return self._began is not None

    def start(self, now: float) -> None:
        """The recording begins at this call time."""
        if self._began is None:
            self._began = now

    # --- what may not be kept --------------------------------------------------------------------------------------
    def mute(self, since: float) -> None:
        """From this call time on, which may be past already, the caller is not kept, until `unmute`."""
        if self._muted and math.isinf(self._muted[-1][1]):
            return
        self._muted.append((since, math.inf))
        if self._began is None:
            return
        start = max(self._position(since), 0)
        written = self._left.start
        self._left.silence(start, self._left.end)
        if start < written:
            self._disk.submit(lambda: self._blot(start, written))

    def unmute(self, now: float) -> None:
        """The caller is kept again; what he said before, and what of it arrives late, is not."""
        if self._muted and math.isinf(self._muted[-1][1]):
            self._muted[-1] = (self._muted[-1][0], now)

    # --- the two sides ---------------------------------------------------------------------------------------------
    def caller(self, frame: Frame, at: float) -> None:
        if self._began is None:
            return
        pcm = frame.pcm()
        position = self._position(at)
        for since, until in self._muted:
            pcm = _without(pcm, self._position(since) - position, self._position(until) - position)
        self._put(self._left, pcm, position)

    def bot(self, data: bytes, at: float) -> None:
        if self._began is None:
            return
        pcm = data if self._format.encoding is Encoding.L16 else g711.decode(data, self._format.encoding)
        self._put(self._right, pcm, self._position(at))

    def close(self, now: float) -> None:
        """The call is over: everything up to this call time belongs to the recording, and nothing after it."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._began is not None:
            self._write(self._position(now))
        self._disk.submit(self._finish)

    def _position(self, at: float) -> int:
        """Samples from the start of the recording."""
        since = at - (self._began or 0.0)
        return round(min(max(since, -MAX_AHEAD), MAX_AHEAD) * self._format.rate)

    def _put(self, side: _Side, pcm: bytes, position: int) -> None:
        if self._is_closed or position >= MAX_AHEAD * self._format.rate:
            return
        if position < 0:
            pcm, position = pcm[-position * 2 :], 0
        if not pcm:
            return
        lag = round(SIDE_LAG * self._format.rate)
        if position - lag > max(self._left.end, self._right.end):
            self._write(position - lag)  # a long pause goes to the disk before anything is laid behind it
        side.put(position, pcm)
        end = max(min(self._left.end, self._right.end), max(self._left.end, self._right.end) - lag)
        if end - self._left.start >= FLUSH_EVERY * self._format.rate:
            self._write(end)

    def _write(self, end: int) -> None:
        """Hand over everything up to a position."""
        while end > self._left.start:
            until = min(end, self._left.start + round(MAX_JOB * self._format.rate))
            left, right = self._left.take(until), self._right.take(until)
            if not self._is_lost:
                self._submit(left, right)

    def _submit(self, left: bytes, right: bytes) -> None:
        if not self._disk.submit(lambda: self._append(left, right), len(left) + len(right)):
            self._lose("too much waits for the disk")

    # --- in the disk's thread ----------------------------------------------------------------------------------------
    def _append(self, left: bytes, right: bytes) -> None:
        if self._is_lost:
            return
        try:
            if self._writer is None:
                make_folder(self._path.parent)
                self._writer = StereoWriter(self._path, self._format.rate)
            self._writer.append(left, right)
        except (MediaError, OSError) as error:
            self._lose(str(error))

    def _blot(self, start: int, end: int) -> None:
        """Silence the caller in what is written already; what the writer still holds is silenced when it is closed."""
        self._blots.append((start, end))
        self._overwrite()

    def _overwrite(self) -> None:
        if self._writer is None:
            return
        try:
            file = os.open(self._path, os.O_RDWR)
            try:
                for start, end in self._blots:
                    _silence_left(file, start, end)
            finally:
                os.close(file)
        except OSError as error:
            self._lose(f"a muted stretch cannot be blotted out: {error.strerror}")
            self._path.unlink(missing_ok=True)  # better no recording than one with a secret in it

    def _lose(self, reason: str) -> None:
        self._is_lost = True
        log.warning("recording lost", file=self._path.name, reason=reason)

    def _finish(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
        except (MediaError, OSError) as error:
            log.warning("recording not closed", file=self._path.name, reason=str(error))
        if self._blots:
            self._overwrite()


def _without(pcm: bytes, start: int, end: int) -> bytes:
    """The samples with a stretch of them silenced; positions may lie outside."""
    first, last = min(max(start, 0) * 2, len(pcm)), min(max(end, 0) * 2, len(pcm))
    return pcm if first >= last else pcm[:first] + bytes(last - first) + pcm[last:]


def _silence_left(file: int, start: int, end: int) -> None:
    """Silence the left side between two positions, as far as the file goes."""
    at = HEADER_BYTES + start * SAMPLE_BYTES
    both = bytearray(os.pread(file, (end - start) * SAMPLE_BYTES, at))
    for byte in (0, 1):
        both[byte::SAMPLE_BYTES] = bytes(len(both[byte::SAMPLE_BYTES]))
    os.pwrite(file, both, at)
