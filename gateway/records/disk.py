"""Files of calls, written behind the loop's back: one thread, a bounded queue, and a full disk that costs no call.

Journals and recordings are appended to by `append`, which never waits and never raises. Whatever cannot be written is
given up with one warning per file; the call goes on.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

log = structlog.get_logger()

MAX_WAITING = 20_000  # jobs; at 1,000 calls about 10 s of recordings. More is lost, file by file
MAX_WAITING_BYTES = 128 * 1024 * 1024  # and no more than this of samples and lines
GATHER = 0.1
"""Seconds that jobs wait for others, so that one wake-up of the thread does them all."""
FILE_MODE = 0o600
FOLDER_MODE = 0o700
DAY_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}")
SUFFIXES = (".jsonl", ".wav")  # journals and recordings: nothing else is ever removed

Job = Callable[[], None]


class DiskWriter:
    """A thread that writes. One per process; `close` waits until everything accepted is on the disk.

    The thread wakes up for what has gathered, not for each job: a wake-up takes the interpreter's lock from the event
    loop, which once per line was a tenth of what a call costs.
    """

    def __init__(self) -> None:
        self._jobs: deque[tuple[Job, int]] = deque()
        self._lock = threading.Lock()
        self._waiting = self._bytes = 0  # of jobs that are not done
        self._is_closed = False
        self._news = threading.Event()
        self._hurry = threading.Event()  # somebody waits for the disk
        self._thread = threading.Thread(target=self._work, name="records", daemon=True)
        self._thread.start()

    def submit(self, job: Job, size: int = 0) -> bool:
        """Have a job done that holds `size` bytes; False when too much waits already, or the writer is closed."""
        with self._lock:
            if self._is_closed or self._waiting >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
                return False
            self._jobs.append((job, size))
            self._waiting += 1
            self._bytes += size
            is_first = len(self._jobs) == 1
        if is_first:
            self._news.set()
        return True

    def close(self, timeout: float = 10.0) -> None:
        """Take no more jobs, and wait until those accepted are done. Waits: from a loop, call it in a thread."""
        with self._lock:
            self._is_closed = True
        self._hurry.set()
        self._news.set()
        self._thread.join(timeout)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what was submitted before is done. For tests and for readers of a running call's files."""
        done = threading.Event()
        if not self.submit(done.set):
            return False
        self._hurry.set()
        return done.wait(timeout)

    def _work(self) -> None:
        is_closed = False
        while not is_closed:
            self._news.wait()
            self._hurry.wait(GATHER)
            with self._lock:
                jobs, self._jobs = self._jobs, deque()
                is_closed = self._is_closed
                self._news.clear()
                self._hurry.clear()
            while jobs:  # what is done is let go: until the next job comes, nobody's samples are kept
                self._do(*jobs.popleft())

    def _do(self, job: Job, size: int) -> None:
        try:
            job()
        except Exception:  # a bug in one file's job must not stop the writing of all others
            log.exception("record not written")
        with self._lock:
            self._waiting -= 1
            self._bytes -= size


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
        if not self._is_lost and not self._disk.submit(lambda: self._write(line), len(line)):
            self._lose("too much waits for the disk")

    def close(self) -> None:
        self._disk.submit(self._close)

    def _write(self, line: bytes) -> None:
        if self._is_lost:
            return
        try:
            if self._descriptor is None:
                make_folder(self._path.parent)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
            rest = memoryview(line)
            while rest:  # a disk that fills up takes a part
                rest = rest[os.write(self._descriptor, rest) :]
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


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner only. Raises OSError."""
    missing = [folder, *folder.parents]
    for parent in reversed([path for path in missing if not path.exists()]):
        parent.mkdir(mode=FOLDER_MODE, exist_ok=True)


def expire(folder: Path, retention_days: float, *, now: float | None = None) -> int:
    """Remove journals and recordings that are older than the retention allows, and day folders this leaves empty.

    Nothing but our own files in our own day folders is touched, whatever else an operator keeps in the same place.

    Args:
        folder: Of all records; has a folder per day.
        retention_days: 0 keeps everything.
        now: Seconds since the epoch.
    Returns:
        How many files were removed.
    """
    if retention_days <= 0:
        return 0
    limit = (time.time() if now is None else now) - retention_days * 86400
    removed = 0
    for day in _day_folders(folder):
        removed += _expire_day(day, limit)
    return removed


def _day_folders(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("old records not removed", reason=error.strerror)
        return
    yield from (path for path in entries if DAY_FOLDER.fullmatch(path.name) and path.is_dir() and not path.is_symlink())


def _expire_day(day: Path, limit: float) -> int:
    removed = 0
    try:
        for path in sorted(day.iterdir()):
            if path.suffix in SUFFIXES and path.is_file() and path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
        if removed and not any(day.iterdir()):
            day.rmdir()
    except OSError as error:
        log.warning("old records not removed", day=day.name, reason=error.strerror)
    return removed
