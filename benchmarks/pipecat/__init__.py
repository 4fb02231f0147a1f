"""The same load on Pipecat: its environment is made on first use, and its server measured in the same run."""

from __future__ import annotations

import subprocess
import sys
import venv
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.figures import Step
from benchmarks.processes import ROOT, Process, cores
from benchmarks.stage import Stage, Stubs

HERE = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".cache" / "bench-pipecat"
REQUIREMENTS = HERE / "requirements.txt"
STEPS = (2, 4, 8, 12, 16, 24, 32, 48, 64)
FULL = 0.85
"""Of its core; with more than this the next step would be too much."""


def environment() -> Path:
    """The interpreter of Pipecat's environment, with what the requirements pin; made when it is not there yet."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "requirements.txt"
    if not stamp.is_file() or stamp.read_text() != REQUIREMENTS.read_text():
        if not python.exists():
            venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
            check=True,
            stdout=sys.stderr,
        )
        stamp.write_text(REQUIREMENTS.read_text())
    return python


def measure(stubs: Stubs, say: Console, seconds: float) -> tuple[list[Step], float]:
    """Step calls up until its core is full. Returns the steps, and megabytes per call."""
    core, _ = cores()
    python = environment()
    steps: list[Step] = []
    server_file = str(HERE / "server.py")
    with ExitStack() as stack:
        server = stack.enter_context(Process(server_file, "--stubs", str(stubs.port), on=core, python=str(python)))
        stage = stack.enter_context(Stage(server.wait_ready(), stubs, has_marks=False))
        for calls in STEPS:
            stage.hold(calls)
            step = stage.measure(seconds)
            steps.append(step)
            say.print(report.line(step))
            if step.cpu > FULL:
                break
    first, last = steps[0], steps[-1]
    return steps, (last.memory - first.memory) / max(1, last.calls - first.calls)
