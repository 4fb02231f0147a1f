"""Disks that refuse, by the means of the operating system."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """A disk that is full: files of this process grow to `size` bytes and no further (EFBIG, as ENOSPC would)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def folder_in_a_file(folder: Path) -> Path:
    """A folder that nobody can make, root included: its parent is a file."""
    file = folder / "file"
    file.write_bytes(b"")
    return file / "records"


def full_device(path: Path) -> Path:
    """A file on a device that is full: each write to it fails with ENOSPC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/full")
    return path
