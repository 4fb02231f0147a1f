"""Runs tests against changed copies of a project. `tools.mutants` says which.

Each worker has one copy of the whole project, so that nothing touches the tree people work in, and several trials may
run at a time.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_NOT_COPIED = ("__pycache__", "build", "dist", "*.egg-info")
_MEMORY_KB = 6_000_000  # a change may make a loop that only grows
_NO_TESTS = (4, 5)  # pytest: wrong use of the command, nothing collected


class TrialError(Exception):
    """The tests cannot be run at all; the message says which and shows why."""


class Copies:
    """Copies of a project, one for each trial that runs at a time.

    Args:
        root: The project; what begins with a dot is left out, but for `.cache`.
        work: A directory to make them in.
        count: How many.
    """

    def __init__(self, root: Path, work: Path, count: int) -> None:
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for index in range(count):
            copy = work / str(index)
            copy.mkdir()
            for entry in root.iterdir():
                self._copy(entry, copy / entry.name)
            self._free.put(copy)

    @staticmethod
    def _copy(entry: Path, target: Path) -> None:
        if entry.is_dir() and not entry.name.startswith("."):
            shutil.copytree(entry, target, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        elif entry.name == ".cache":
            target.symlink_to(entry)
        elif entry.is_file():
            shutil.copy(entry, target)

    def warm(self, tests: Sequence[str], timeout: float) -> float:
        """Run unchanged tests in every copy, which leaves compiled files for later trials.

        Returns:
            Seconds that they take.
        Raises:
            TrialError: when they fail.
        """
        longest = 0.0
        for _ in range(self._free.qsize()):
            copy = self._free.get()
            started = time.monotonic()
            passed, output = _run(copy, tests, timeout, compiled=True)
            if not passed:
                raise TrialError(f"without any change, these fail: {' '.join(tests)}\n{output}")
            longest = max(longest, time.monotonic() - started)
            self._free.put(copy)
        return longest

    def survives(self, path: str, content: bytes, tests: Sequence[str], timeout: float) -> bool:
        """Whether `tests` pass within `timeout` seconds with `content` in place of the file `path`."""
        copy = self._free.get()
        file = copy / path
        original = file.read_bytes()
        try:
            file.write_bytes(content)
            for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
                stale.unlink()
            return _run(copy, tests, timeout, compiled=False)[0]
        finally:
            file.write_bytes(original)
            self._free.put(copy)


def _run(copy: Path, tests: Sequence[str], timeout: float, *, compiled: bool) -> tuple[bool, str]:
    """Run tests in a copy, until the first that fails."""
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:randomly", "-p", "no:xdist", *tests]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants", "PYTHONHASHSEED": "0"}
    if not compiled:  # a changed file must be compiled anew each time, whatever its date and size
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'ulimit -v {_MEMORY_KB}; exec "$@"', "sh", *pytest],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False, f"not done after {timeout:.0f} seconds"
    if process.returncode in _NO_TESTS:
        raise TrialError(f"no test is run by {' '.join(tests)}\n{output}")
    return process.returncode == 0, output
