"""What a call's media cost without its bot: plain RTP, WebRTC and Opus, beside a bare echo of the same datagrams.

One process has the calls, on a core of its own, and is measured by its processor time; this one is all the callers.
Each caller sends a packet every 20 ms; the calls hear all of them through `MediaSession` and speak all the time.

python -m benchmarks media; BENCH_SECONDS shortens it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop
from rich.console import Console

from benchmarks.figures import milliseconds, percentile
from benchmarks.media_callers import Callers
from benchmarks.media_serving import OPTIONS, from_wire, to_wire, wall
from benchmarks.processes import ROOT, cores, memory_of
from benchmarks.report import Budgets
from gateway.transports.media.ticker import PTIME

SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
WARM_UP = 2.0
FEW = 20
"""Calls of the run that memory is counted from: what is made once per process is there by then."""
CALLS = {"echo": 100, "rtp": 100, "webrtc": 100, "opus": 40}
MOST_AT_HALF_LOAD = 600
"""Beyond, the callers' process would be what limits the run."""
GROUPS = 10
"""Callers at half load come by turns, every 2 ms some of them, as they do in life."""
MIRRORS = 10
"""Calls that say again what they hear, by which the delay is measured."""
CONNECTIONS = 40

BUDGETS = {"rtp": 0.15, "webrtc": 0.3, "opus": 1.5}
NAMES = {"echo": "bare echo", "rtp": "G.711 by RTP", "webrtc": "G.711 by WebRTC", "opus": "Opus by WebRTC"}


@dataclass(kw_only=True)
class Figures:
    """One run.

    Attributes:
        cpu: Of the measured process, per cent of a core per call.
        memory: Of that process, MB.
        heard, arrived: Parts of the packets that were sent, in either direction.
        skipped: Slots that the process left out because it was held up.
        generator: Of a core, that the callers took.
        off_beat: Seconds by which packets came off the beat of their call.
        delays: Seconds from a caller's packet to the one in which the call says the same.
    """

    kind: str
    calls: int
    cpu: float
    memory: float
    heard: float
    arrived: float
    skipped: int
    generator: float
    off_beat: list[float] = field(repr=False)
    delays: list[float] = field(repr=False)

    @property
    def load(self) -> float:
        """Of a core."""
        return self.cpu * self.calls / 100

    @property
    def flaw(self) -> str | None:
        """Why the figures must not be believed."""
        if self.kind != "echo" and self.heard < 0.99:
            return f"only {self.heard:.1%} of what was said was heard"
        if self.arrived < 0.98:
            return f"only {self.arrived:.1%} of the packets came back"
        if self.generator > 0.9:
            return f"the callers took {self.generator:.0%} of their core"
        return None

    def line(self) -> str:
        return (
            f"  {NAMES[self.kind]:16} {self.calls:4d} calls  {self.load:5.0%} of a core  {self.cpu:.3f} %/call  "
            f"off the beat p99 {milliseconds(percentile(self.off_beat, 99)):>5} ms  {self.memory:4.0f} MB  "
            f"callers {self.generator:4.0%}  {self.flaw or 'held'}"
        )


async def measure(kind: str, calls: int, seconds: float, *, groups: int = 1, mirrors: int = 0) -> Figures:
    """Hold calls for a while."""
    async with _measured(kind, calls, mirrors) as (process, ask):
        callers = Callers(kind, groups=groups, mirrors=mirrors)
        async with asyncio.timeout(60 + seconds):
            await callers.connect(await ask(None), lambda told: ask(told, is_answered=False))
            await callers.talk()
            await asyncio.sleep(WARM_UP)
            cpu, heard, skipped = await ask("?")
            callers.forget()
            began, own = time.perf_counter(), time.process_time()
            await asyncio.sleep(seconds)
            deviations, delays = callers.deviations(), callers.delays()
            arrived = sum(len(phone.arrivals) for phone in callers.phones[mirrors:])
            generator = (time.process_time() - own) / (time.perf_counter() - began)
            cpu_after, heard_after, skipped_after = await ask("?")
            lasted = time.perf_counter() - began
            memory = memory_of(process.pid)
        await callers.stop()
    return Figures(
        kind=kind,
        calls=calls,
        cpu=100 * (cpu_after - cpu) / lasted / calls,
        memory=memory,
        heard=(heard_after - heard) / calls / (lasted / PTIME),
        arrived=arrived / (calls - mirrors) / (seconds / PTIME),
        skipped=skipped_after - skipped,
        generator=generator,
        off_beat=deviations,
        delays=delays,
    )


@asynccontextmanager
async def _measured(kind: str, calls: int, mirrors: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    """The measured process, and how to ask it."""
    core, others = cores()
    os.sched_setaffinity(0, core)  # for the child; there is no other way without a fork of our own
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.media_serving", kind, str(calls), str(mirrors),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22, cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    finally:
        os.sched_setaffinity(0, others)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def ask(said: Any, *, is_answered: bool = True) -> Any:
        if said is not None:
            stdin.write(json.dumps(said).encode() + b"\n")
        return json.loads(await stdout.readline()) if is_answered else None

    try:
        yield process, ask
    finally:
        stdin.close()
        await process.wait()


async def connect_times(count: int) -> list[float]:
    """Seconds from both descriptions known to keys on both sides, one call after the other, in one process."""
    from gateway.transports.media.webrtc import WebRtcPath

    took = []
    for _ in range(count):
        ends = WebRtcPath(OPTIONS, now=wall(), controlling=True), WebRtcPath(OPTIONS, now=wall())
        wires = [to_wire(await end.open()) for end in ends]
        started = time.perf_counter()
        await asyncio.gather(
            ends[0].connect(from_wire(wires[1], "active")), ends[1].connect(from_wire(wires[0], "passive"))
        )
        took.append(time.perf_counter() - started)
        for end in ends:
            await end.close()
    return took


async def run(say: Console) -> Budgets:
    """The section. It prints what it measures, and returns it beside its budgets."""
    budgets = Budgets("SIP and WebRTC: transport and media alone")
    took = await connect_times(CONNECTIONS)
    of_kind: dict[str, Figures] = {}
    for kind, calls in CALLS.items():
        few = None if kind == "echo" else await measure(kind, FEW, 1.0)
        found = of_kind[kind] = await measure(kind, calls, SECONDS)
        say.print(found.line())
        budgets.flaw(NAMES[kind], found.flaw)
        if few is not None:
            _cost(budgets, found, few, of_kind["echo"])
    await _half_load(say, budgets, of_kind["rtp"], of_kind["echo"])
    worst = percentile(took, 95)
    assert worst is not None
    budgets.row(
        "ICE and DTLS, until both sides have keys",
        f"p50 {milliseconds(percentile(took, 50))} ms, p95 {milliseconds(worst)} ms",
        "≤ 60 ms",
        worst <= 0.060,
        bound="ICE sends a check every 20 ms; both ends share one process here",
    )
    return budgets


def _cost(budgets: Budgets, found: Figures, few: Figures, echo: Figures) -> None:
    name, budget = NAMES[found.kind], BUDGETS[found.kind]
    budgets.row(
        f"CPU per call, {name}",
        f"{found.cpu:.3f} % of a core at {found.calls} calls ({found.cpu / echo.cpu:.1f} × echo)",
        f"≤ {budget:g} %",
        found.cpu <= budget,
        bound=_BOUND[found.kind],
    )
    slope = (found.memory - few.memory) / (found.calls - few.calls)
    shown = f"{slope:.2f} MB, from {few.calls} to {found.calls} calls"
    budgets.row(f"memory per call, {name}", shown, "≤ 0.3 MB", slope <= 0.3)


_BOUND = {
    "rtp": "two fifths in the kernel and the loop; the rest is Python, per packet",
    "webrtc": "as plain, and SRTP: two calls to libsrtp, and what sorts the packets before it",
    "opus": "libopus, 48 kHz to 16 kHz and back",
}


async def _half_load(say: Console, budgets: Budgets, whole: Figures, echo: Figures) -> None:
    """As many plain calls as take half a core, at different moments of a beat."""
    calls = max(MIRRORS + 1, min(MOST_AT_HALF_LOAD, 10 * int(5 / whole.cpu)))
    half = await measure("rtp", calls, SECONDS, groups=GROUPS, mirrors=MIRRORS)
    say.print(half.line())
    budgets.flaw("half load", half.flaw)
    where = f"at {calls} plain calls ({half.load:.0%} of a core)"
    p50, p95, p99 = (percentile(half.delays, percent) for percent in (50, 95, 99))
    budgets.row(
        f"delay through the media path, {where}",
        f"p50 {milliseconds(p50)} ms, p95 {milliseconds(p95)} ms, p99 {milliseconds(p99)} ms ({len(half.delays)})",
        "p95 ≤ 25 ms",
        p95 is not None and p95 <= 0.025,
        bound="up to 20 ms until the next slot, and the place in it",
    )
    off, of_echo = percentile(half.off_beat, 99), percentile(echo.off_beat, 99)
    budgets.row(
        f"pacing p99, {where}",
        f"{milliseconds(off)} ms, {half.skipped} slots left out (echo: {milliseconds(of_echo)} ms)",
        "≤ 10 ms",
        off is not None and off <= 0.010,
        bound="the machine, where the echo is as far off; else packets that arrive while a slot is due",
    )


def main(say: Console) -> Budgets:
    return uvloop.run(run(say))
