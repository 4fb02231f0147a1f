"""The whole gateway: how many calls a core carries and what each costs, beside a bare echo on the same server.

Calls are stepped up until the pacing gives way or something is lost. What design section 9 promises at half load is
measured at half of what was carried. Every figure belongs to this machine and this run: compare within a run only.

python -m benchmarks gateway [--pipecat] [--json FILE]; BENCH_SECONDS and BENCH_CALLS shorten it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.figures import Step
from benchmarks.processes import Process, cores
from benchmarks.stage import Stage, Stubs, vendors

SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
"""Of measurement at each step."""
MOST_CALLS = int(os.environ.get("BENCH_CALLS", "800"))
STEPS = (25, 50, 75, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 1000, 1200)
MEMORY_CALLS = 80
WARM_CALLS = 20
"""Calls that bring in what is loaded on first use, before memory is counted."""


@dataclass
class Results:
    """What a run found."""

    echo: Step | None = None
    steps: list[Step] = field(default_factory=list)
    half: Step | None = None
    base_memory: float = 0.0
    memory_per_call: float | None = None
    bound: str = ""
    pipecat: list[Step] = field(default_factory=list)
    pipecat_memory: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> Step | None:
        """The highest step that held."""
        return next((step for step in reversed(self.steps) if step.limit is None), None)


@contextmanager
def gateway(stubs: Stubs) -> Iterator[Process]:
    core, _ = cores()
    with Process("benchmarks.gateway_process", "--stubs", str(stubs.port), on=core) as process:
        yield process.wait_ready()


def measure_echo(calls: int) -> Step:
    """As many calls as the gateway carried: with fewer or more, a wake-up would serve fewer or more frames."""
    core, _ = cores()
    with Process("benchmarks.echo", on=core) as server, Stage(server.wait_ready(), None, is_echo=True) as stage:
        stage.hold(calls)
        return stage.measure(SECONDS, arriving=max(2, calls // 20))


def measure_memory(stage: Stage, stubs: Stubs, calls: int) -> tuple[float, float]:
    """Megabytes before the first call counts, and per call.

    Answers repeat meanwhile: otherwise the prompt cache, which has a bound of its own, would be counted as calls.
    """
    stubs.ask("repeat")
    stage.hold(WARM_CALLS)
    base = stage.measure(SECONDS).memory
    stage.hold(WARM_CALLS + calls)
    full = stage.measure(SECONDS).memory
    stubs.ask("vary")
    return base, (full - base) / calls


def step_up(stage: Stage, results: Results, say: Console) -> None:
    """More and more calls, until they are too many. A step that fails is tried once more: the machine is not ours."""
    for calls in [step for step in STEPS if step < MOST_CALLS] + [MOST_CALLS]:
        stage.hold(calls)
        step = stage.measure(SECONDS)
        if step.limit is not None or step.flaw is not None:
            step = stage.measure(SECONDS)
        results.steps.append(step)
        say.print(report.line(step))
        if step.flaw is not None:
            results.bound = f"the measurement: {step.flaw}"
            return
        if step.limit is not None:
            results.bound = f"{step.limit}, with {step.cpu:.0%} of a core used"
            return
    results.bound = f"no limit found up to {MOST_CALLS} calls (BENCH_CALLS)"


def measure_half(stage: Stage, calls: int) -> Step:
    """Half of what was carried, all of them new: nothing of the overload before is left. More arrive meanwhile."""
    stage.hold(0)
    stage.hold(max(1, calls))
    return stage.measure(2 * SECONDS, arriving=max(4, calls // 5))


def run(say: Console, *, with_pipecat: bool) -> Results:
    results = Results()
    core, others = cores()
    if core == others:
        results.notes.append("one core for everything: figures are of no use for capacity")
    say.print(f"measured process on core {sorted(core)}, generator and stubs on {sorted(others)}")
    with vendors() as stubs:
        with gateway(stubs) as server, Stage(server, stubs) as stage:
            say.print("[bold]gateway[/bold], memory")
            memory = measure_memory(stage, stubs, min(MEMORY_CALLS, MOST_CALLS))
            results.base_memory, results.memory_per_call = memory
            say.print("[bold]gateway[/bold], step by step")
            stage.hold(0)
            step_up(stage, results, say)
            carried = results.best.calls if results.best else results.steps[0].calls
            say.print(f"[bold]gateway[/bold], half load: {carried // 2} calls")
            results.half = measure_half(stage, carried // 2)
            say.print(report.line(results.half))
        say.print(f"[bold]bare echo[/bold], {carried} calls")
        results.echo = measure_echo(carried)
        say.print(report.line(results.echo))
        if with_pipecat:
            from benchmarks.pipecat import measure

            say.print("[bold]Pipecat[/bold]")
            results.pipecat, results.pipecat_memory = measure(stubs, say, SECONDS)
    return results


def measure(say: Console, *, with_pipecat: bool = False, into: Path | None = None) -> None:
    """The section: its figures, printed beside their budgets, and written to a file if one is named."""
    results = run(say, with_pipecat=with_pipecat)
    report.tell(results, say)
    if into:
        into.write_text(json.dumps(dataclasses.asdict(results)))
