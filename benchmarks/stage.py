"""A server under load: generator and server side by side on their cores, and steps of calls measured."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from benchmarks.figures import Step, added_by_gateway
from benchmarks.processes import Process, Usage, cores

SETTLE = 3.0
"""Seconds between the last new call and the measurement."""
NEW_CALLS = 40
"""A second."""


class Stubs:
    """The vendors, in their process."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.port: int = process.ready["port"]

    def ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{what}", timeout=10) as reply:
            return json.load(reply)


@contextmanager
def vendors() -> Iterator[Stubs]:
    _, others = cores()
    with Process("benchmarks.stubs", on=others) as process:
        yield Stubs(process.wait_ready())


class Stage:
    """One server and the generator that calls it.

    Args:
        server: Has said that it is ready.
        stubs: None for a server that needs no vendor.
        is_echo: What it sends back is only counted.
        has_marks: It says by a mark where a prompt ends; else that is known from the prompt's length.
    """

    def __init__(self, server: Process, stubs: Stubs | None, *, is_echo: bool = False, has_marks: bool = True) -> None:
        _, others = cores()
        self.server = server
        self._stubs = stubs
        where = ["--port", str(server.ready["port"]), "--path", server.ready["path"]]
        options = [name for name, given in (("--echo", is_echo), ("--no-marks", not has_marks)) if given]
        self._generator = Process("benchmarks.load", *where, *options, on=others)
        self._calls = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._generator.__exit__(kind, error, trace)

    def hold(self, calls: int) -> None:
        """Bring the number of calls to this, and wait until they have settled."""
        self._generator.tell(calls=calls, rate=NEW_CALLS)
        time.sleep(abs(calls - self._calls) / NEW_CALLS + SETTLE)
        self._calls = calls

    def churn(self, calls: int, life: float, rate: float) -> None:
        """Hold calls that hang up after some seconds, and new ones in their place."""
        self._generator.tell(calls=calls, life=life, rate=rate, window=True)

    def report(self) -> dict[str, Any]:
        """The generator's figures since it began to measure."""
        self._generator.tell(report=True)
        return self._generator.read()

    def measure(self, seconds: float, *, arriving: int = 0) -> Step:
        """Measure the calls that are held, while so many more arrive, evenly spread."""
        if self._stubs is not None:
            self._stubs.ask("turns")
        used = [Usage(self._generator), *([Usage(self._stubs.process)] if self._stubs else [])]
        self._generator.tell(window=True)
        if arriving:
            self._generator.tell(calls=self._calls + arriving, rate=arriving / seconds)
        server = Usage(self.server)
        time.sleep(seconds)
        cpu, helpers = server.share(), sum(usage.share() for usage in used)
        heard = self.report()
        turns = self._stubs.ask("turns") if self._stubs else {}
        calls = self._calls + arriving / 2
        self._calls += arriving
        return Step(
            calls=round(calls),
            cpu=cpu,
            helpers_cpu=helpers,
            memory=self.server.memory(),
            heard=heard,
            added=added_by_gateway(turns, heard["first_audio"]),
        )
