"""One speech worker process: started, listened to, and ended. `pool` keeps several of them busy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from gateway.speech.local.wire import Kind, Message, Reader, WireError, to_wire

log = structlog.get_logger(__name__)

PROJECT = Path(__file__).resolve().parents[3]
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
"""A worker needs nothing else, and so never sees a secret."""
MAX_UNREAD = 1 << 20
"""A worker that leaves a megabyte unread has stopped reading."""
READ_BYTES = 1 << 16
END_TIMEOUT = 1.0
"""Seconds a worker has to end by itself, and then to be gone once it was killed."""
LONGEST_COMPLAINT = 1000
NICENESS = 5
"""By which workers stand back behind the process that carries calls: it gets three quarters of a processor that both
want, and they get what it leaves, which is nearly all."""


class WorkerProcess:
    """A running worker. Whoever starts one must `end` it."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name
        self._complaints = asyncio.create_task(self._log_complaints(), name=f"{name} stderr")
        self.pid = process.pid

    @classmethod
    async def start(cls, module: str, arguments: tuple[str, ...] = ()) -> WorkerProcess:
        """Start ``python -m module``.

        Raises:
            OSError: the system cannot.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # Ctrl-C at a terminal is for the gateway, which lets running calls finish
        )
        _yield_to_calls(process.pid)
        return cls(process, module.rpartition(".")[2])

    def tell(self, job: int, kind: Kind, body: bytes = b"") -> None:
        """Send a message, without waiting."""
        pipe = self._process.stdin
        assert pipe is not None
        if pipe.is_closing():
            return  # that it ended is noticed by whoever reads `messages`
        pipe.write(to_wire(kind, job, body))
        if pipe.transport.get_write_buffer_size() > MAX_UNREAD:
            self.kill()

    async def messages(self, *, first_within: float, hang_after: float) -> AsyncGenerator[Message, None]:
        """What the worker says, until it ends, hangs or talks nonsense; a hung one is killed.

        Args:
            first_within: Seconds for the first message to come.
            hang_after: Seconds without any sign after which it counts as hung; at half of it, it is asked for one.
        """
        assert self._process.stdout is not None
        reader, asked, patience = Reader(), False, first_within
        while True:
            try:
                async with asyncio.timeout(patience):
                    data = await self._process.stdout.read(READ_BYTES)
            except TimeoutError:
                if asked or patience == first_within:
                    self._give_up("a speech worker hangs")
                    return
                asked = True
                self.tell(0, Kind.PING)
                continue
            if not data:
                log.warning("a speech worker ended", worker=self._name, pid=self.pid)
                return
            asked = False
            try:
                messages = reader.feed(data)
            except WireError as error:
                self._give_up("a speech worker cannot be understood", error=str(error))
                return
            for message in messages:
                patience = hang_after / 2
                yield message

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Close its input, upon which it ends by itself; kill it if it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            if not await self._has_ended():
                log.error("a speech worker had to be killed", worker=self._name, pid=self.pid)
        finally:
            self.kill()
            await self._has_ended()
            self._complaints.cancel()
            await asyncio.wait([self._complaints])

    async def _has_ended(self) -> bool:
        try:
            async with asyncio.timeout(END_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _give_up(self, message: str, **facts: str) -> None:
        log.error(message, worker=self._name, pid=self.pid, **facts)
        self.kill()

    async def _log_complaints(self) -> None:
        assert self._process.stderr is not None
        while line := await _line(self._process.stderr):
            log.warning("a speech worker says", worker=self._name, pid=self.pid, line=line)


def _yield_to_calls(pid: int) -> None:
    """Let the gateway's own process go first: where processors are short, a late word is heard less than a gap in every
    call."""
    with contextlib.suppress(OSError):  # it has ended already, or the system does not let us
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


async def _line(stream: asyncio.StreamReader) -> str:
    """The next line that is not empty, cut where it is too long to be one; "" at the end."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial.decode(errors="replace").strip()[:LONGEST_COMPLAINT]
        except asyncio.LimitOverrunError as error:
            line = await stream.readexactly(error.consumed)
        if line.strip():
            return line.decode(errors="replace").strip()[:LONGEST_COMPLAINT]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # One thread: the arrays are small, and the machine's other cores belong to the other workers.
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
