"""The processes of the demonstration, each with a log of its own, and what is said when one of them ends by itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

STOPS_WITHIN = 10.0
LAST_LINES = 20
"""Of a log, shown when its process has ended."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A running process.

    Attributes:
        name: For the operator, such as ``the lab bot``.
    """

    name: str
    process: Process
    log: Path

    def obituary(self) -> str:
        """Which process ended, how, and where its log is kept, with its last lines."""
        kept = _kept(self.log)
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        said = "\n".join(f"  {line}" for line in lines) or "  (it has said nothing)"
        return f"{self.name} ended by itself ({_how(self.process.returncode)}). Its log, {kept}, ends with:\n{said}"


class PartEnded(Exception):
    """One of the processes ended while the others needed it."""

    def __init__(self, part: Part) -> None:
        super().__init__(part.name)
        self.part = part


@asynccontextmanager
async def started(name: str, arguments: Sequence[str], environment: dict[str, str], log: Path) -> AsyncIterator[Part]:
    """A `talkpath` process for the block, ended as an operator would end it.

    Args:
        arguments: Of ``python -m``, such as ``gateway lab talkr``.
    """
    command = [sys.executable, "-m", *arguments]
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, stdout=sink, stderr=sink
        )
    try:
        yield Part(name, process, log)
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOPS_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def unless_one_ends(parts: Sequence[Part], work: Coroutine[Any, Any, T]) -> T:
    """Do something that needs all of them.

    Raises:
        PartEnded: one has ended before it was done; it is given up then.
    """
    doing = asyncio.ensure_future(work)
    ends = {asyncio.ensure_future(part.process.wait()): part for part in parts}
    try:
        await asyncio.wait([doing, *ends], return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise PartEnded(next(part for end, part in ends.items() if end.done()))
        return await doing
    finally:
        for task in (doing, *ends):
            task.cancel()
        await asyncio.wait([doing, *ends])


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _kept(log: Path) -> Path:
    """A copy that outlives the demonstration."""
    handle, name = tempfile.mkstemp(prefix=f"talkpath-demo-{log.stem}-", suffix=".log")
    os.close(handle)
    return Path(shutil.copyfile(log, name))
