"""How a worker reads its pipe and writes to it. It ends when the gateway does: the pipe is closed then."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any

from gateway.speech.local.wire import Kind, Message, Reader, json_to_wire, to_wire

READ_BYTES = 1 << 16
BEAT = 0.5
"""Seconds between signs of life while a worker has nothing else to say."""


class Pipe:
    """A worker's end of the two pipes.

    Whatever a native library prints goes to standard error, so that it cannot be taken for a message.
    """

    def __init__(self) -> None:
        self._in = os.dup(0)
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._reader = Reader()
        self._wrote = 0.0

    def read(self, *, wait: bool) -> list[Message]:
        """The messages that are there; with ``wait``, at least the next bytes.

        Raises:
            EOFError: the gateway is gone.
        """
        if not wait and not select.select([self._in], [], [], 0)[0]:
            return []
        data = os.read(self._in, READ_BYTES)
        if not data:
            raise EOFError
        return self._reader.feed(data)

    def send(self, kind: Kind, job: int = 0, body: bytes = b"") -> None:
        """Write a message; waits while the pipe is full.

        Raises:
            EOFError: the gateway is gone.
        """
        self._write(to_wire(kind, job, body))

    def send_json(self, kind: Kind, job: int, value: dict[str, Any]) -> None:
        self._write(json_to_wire(kind, job, value))

    def beat(self) -> None:
        """Say that the worker is alive, if it has been silent for a while: much work is not to be taken for a hang."""
        if time.monotonic() - self._wrote > BEAT:
            self.send(Kind.PONG)

    def _write(self, data: bytes) -> None:
        self._wrote = time.monotonic()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._out, view) :]
        except BrokenPipeError:
            raise EOFError from None


def complain(text: str) -> None:
    """A line for the gateway's log. Never anything a caller or a bot said."""
    print(text, file=sys.stderr, flush=True)
