"""Processes of a run: started on a core of their own, and what they use, read from `/proc`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
READY_WITHIN = 60.0


@cache
def cores() -> tuple[set[int], set[int]]:
    """For what is measured, and for all that measures: one core, and the others. On one core both share it.

    As it was when first asked: sections keep this process off the core of what they measure.
    """
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, set(available[1:]) or {available[0]}


def memory_of(pid: int) -> float:
    """Megabytes of a process: the proportional set size, or what is resident where that cannot be had."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            text = Path(f"/proc/{pid}/{name}").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    return 0.0


class Process:
    """One Python process of the benchmark. Its first line on standard output is a JSON object: it is ready.

    Args:
        module: Run by ``python -m``, or a file.
        on: The cores it may use.
        python: Another interpreter, with an environment of its own.
    """

    def __init__(self, module: str, *args: str, on: Iterable[int], python: str = sys.executable) -> None:
        command = [python, module] if module.endswith(".py") else [python, "-m", module]
        self._on = set(on)
        self._process = subprocess.Popen(
            [*command, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, self._on),
        )
        self.ready: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Process:
        return self

    def wait_ready(self) -> Process:
        self.ready = self.read()
        return self

    def tell(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next JSON object it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        value: dict[str, Any] = json.loads(line)
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # --- what it uses ------------------------------------------------------------------------------------------------
    def cpu(self) -> float:
        """Seconds of processor time so far, in user and kernel mode, of all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """Megabytes of its own."""
        return memory_of(self.pid)

    def files(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Usage:
    """Processor time of a process between two moments, as a part of one core."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._at, self._cpu = time.monotonic(), process.cpu()

    def share(self) -> float:
        return (self._process.cpu() - self._cpu) / (time.monotonic() - self._at)
