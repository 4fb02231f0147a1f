"""A program that runs until it is told not to; what it writes goes to a log."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ENDS_WITHIN = 10.0


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
    def pid(self) -> int:
        assert self._process is not None, "it was not started"
        return self._process.pid

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
