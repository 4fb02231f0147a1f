"""A program that runs until it is told not to; what it writes goes to a log."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

STARTS_WITHIN = 20.0
ENDS_WITHIN = 10.0
POLL = 0.1


class Process:
    """One program, in a folder of its own choice; it ends with the block, and can be started again.

    Args:
        name: Of the log.
        command: With its arguments.
        environment: In addition to ours.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = folder / f"{name}.log"
        self.command = list(command)
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self._folder,
                env={**self._environment, **(environment or {})},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    @property
    def said(self) -> str:
        """All of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def busy_seconds(self) -> float:
        """Processor time that it has used."""
        assert self._process is not None, "it was not started"
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = ENDS_WITHIN) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(ENDS_WITHIN)
        self._process = None


async def until_accepts(host: str, port: int, process: Process) -> None:
    """Wait until a program listens there for TCP.

    Raises:
        RuntimeError: it ends, or does not in time.
    """
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            if process.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"{process.command[0]} did not start; see {process.log}") from None
            await asyncio.sleep(POLL)
        else:
            writer.close()
            return


def load_average() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())
