"""Writing WAV: whole files, and recordings that grow during a call. The opposite direction is `audio.files`."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from audio.format import MediaError

PRIVATE = 0o600
"""Recordings are personal data: only the gateway's own user may read them."""

PCM = 1
"""The format tag of uncompressed integers."""

_HEADER_BYTES = 44  # RIFF, fmt and data headers (Microsoft's Multimedia Programming Interface 1.0, 1991)
_MAX_BYTES = 2**32 - 1 - _HEADER_BYTES


def write_wav(path: Path | str, pcm: bytes, rate: int, channels: int = 1) -> None:
    """Write signed 16-bit little-endian PCM, interleaved if stereo, as a WAV file that only we may read.

    Raises:
        MediaError: when the file cannot be written, or is too large for WAV.
    """
    if len(pcm) > _MAX_BYTES:
        raise MediaError(f"{len(pcm)} bytes do not fit into a WAV file")
    try:
        with os.fdopen(_create(Path(path)), "wb") as file:
            file.write(header(len(pcm), rate, channels) + pcm)
    except OSError as error:
        raise MediaError(f"cannot write {path}: {error.strerror}") from error


def _create(path: Path) -> int:
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    if stat.S_ISREG(os.fstat(file).st_mode):  # /dev/null belongs to all
        os.fchmod(file, PRIVATE)  # also where the file was there before
    return file


def header(size: int, rate: int, channels: int) -> bytes:
    """What stands before `size` bytes of 16-bit PCM in a WAV file."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", size + _HEADER_BYTES - 8, b"WAVE", b"fmt ", 16),
        *(PCM, channels, rate, rate * channels * 2, channels * 2, 16),
        *(b"data", size),
    )


def _interleaved(left: bytes, right: bytes) -> bytes:
    if len(left) % 2 or len(right) % 2:
        raise MediaError("a recording takes whole 16-bit samples")
    both = np.zeros((max(len(left), len(right)) // 2, 2), "<i2")
    both[: len(left) // 2, 0] = np.frombuffer(left, "<i2")
    both[: len(right) // 2, 1] = np.frombuffer(right, "<i2")
    return both.tobytes()


class StereoWriter:
    """A recording that grows on disk during a call: the caller left, the bot right.

    Audio is written once a second together with the header, so that the file can be played at any moment, also
    after a crash. After an error the file is closed and keeps what it has; the call goes on without a recording.

    Args:
        path: Where; an existing file is replaced. Only we may read it.
        rate: Samples per second of both sides.
        max_bytes: Where the recording ends, so that a forgotten call does not fill the disk.
    Raises:
        MediaError: when the file cannot be created.
    """

    def __init__(self, path: Path | str, rate: int = 8000, *, max_bytes: int = 1_000_000_000) -> None:
        self.path = Path(path)
        self.rate = rate
        self._max_bytes = min(max_bytes, _MAX_BYTES)
        self._waiting = bytearray()
        self._written = 0
        try:
            self._file: int | None = _create(self.path)
        except OSError as error:
            raise MediaError(f"cannot create {self.path}: {error.strerror}") from error
        self._guarded(self._save)

    @property
    def seconds(self) -> float:
        """Duration so far."""
        return (self._written + len(self._waiting)) / (4 * self.rate)

    def append(self, left: bytes, right: bytes) -> None:
        """Add what both sides said in the same stretch of time.

        Args:
            left: The caller's side, signed 16-bit little-endian PCM.
            right: The bot's side. The shorter one is continued with silence.
        Raises:
            MediaError: when the disk is full or fails, the recording has its largest size, or is closed.
        """
        if self._file is None:
            raise MediaError(f"the recording {self.path} is closed")
        self._waiting += _interleaved(left, right)
        if self._written + len(self._waiting) > self._max_bytes:
            del self._waiting[max(0, self._max_bytes - self._written) // 4 * 4 :]
            self.close()
            raise MediaError(f"the recording {self.path} has reached its largest size")
        if len(self._waiting) >= 4 * self.rate:
            self._guarded(self._save)

    def close(self) -> None:
        """Write what is left. Closing twice does nothing.

        Raises:
            MediaError: when that fails.
        """
        if self._file is not None:
            self._guarded(self._save)
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _guarded(self, write: Callable[[int], None]) -> None:
        assert self._file is not None
        try:
            write(self._file)
        except OSError as error:
            self._release()
            raise MediaError(f"cannot write {self.path}: {error.strerror}") from error

    def _save(self, file: int) -> None:
        """Samples first, then the header that counts them: the file is sound whichever of the two is the last."""
        place = _HEADER_BYTES + self._written
        while self._waiting:
            size = os.pwrite(file, self._waiting, place)
            del self._waiting[:size]
            place += size
            self._written += size
        os.pwrite(file, header(self._written, self.rate, 2), 0)

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
