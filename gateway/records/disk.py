"""Files of calls, written behind the loop's back: one thread, a bounded queue, and a full disk that costs no call.

Journals and recordings are appended to by `append`, which never waits and never raises. Whatever cannot be written is
given up with one warning per file; the call goes on.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

MAX_WAITING = 20_000  # jobs; at 1,000 calls about 10 s of recordings. More is lost, file by file
FILE_MODE = 0o600
FOLDER_MODE = 0o700

Job = Callable[[], None]


class DiskWriter:
    """A thread that writes. One per process; `close` waits until everything accepted is on the disk."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._work, name="records", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> bool:
        """Have a job done; False when too many wait already."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def close(self, timeout: float = 10.0) -> None:
        with contextlib.suppress(queue.Full):
            self._jobs.put(None, timeout=timeout)
        self._thread.join(timeout)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what was submitted before is done. For tests and for readers of a running call's files."""
        done = threading.Event()
        return self.submit(done.set) and done.wait(timeout)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # a bug in one file's job must not stop the writing of all others
                log.exception("record not written")


class AppendOnly:
    """A text file that grows by lines, readable by its owner only.

    Args:
        path: Made with its folder at the first line.
    """

    def __init__(self, path: Path, disk: DiskWriter) -> None:
        self._path = path
        self._disk = disk
        self._descriptor: int | None = None
        self._is_lost = False

    def append(self, line: bytes) -> None:
        if not self._is_lost and not self._disk.submit(lambda: self._write(line)):
            self._lose("too much waits for the disk")

    def close(self) -> None:
        self._disk.submit(self._close)

    def _write(self, line: bytes) -> None:
        if self._is_lost:
            return
        try:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
            os.write(self._descriptor, line)
        except OSError as error:
            self._lose(error.strerror or type(error).__name__)

    def _lose(self, reason: str) -> None:
        self._is_lost = True
        log.warning("record lost", file=self._path.name, reason=reason)

    def _close(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def expire(folder: Path, retention_days: float, *, now: float | None = None) -> int:
    """Remove files that are older than the retention allows, and folders this leaves empty.

    Args:
        folder: Journals and recordings, a folder per day.
        retention_days: 0 keeps everything.
        now: Seconds since the epoch.
    Returns:
        How many files were removed.
    """
    if retention_days <= 0 or not folder.is_dir():
        return 0
    limit = (time.time() if now is None else now) - retention_days * 86400
    removed = 0
    for path in sorted(folder.rglob("*"), reverse=True):
        try:
            if path.is_file() and path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
            elif path.is_dir() and path.stat().st_mtime < limit and not any(path.iterdir()):
                path.rmdir()
        except OSError as error:
            log.warning("old record not removed", file=path.name, reason=error.strerror)
    return removed
