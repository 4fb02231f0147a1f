"""What a run found, for people: a line per step, a table against the budgets, and whether the run is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Step, milliseconds, percentile

if TYPE_CHECKING:
    from benchmarks.run import Results

MIN_SPEECH = 0.25  # of `barge_in.min_speech`, the built-in default
BARGE_IN_BEYOND = 0.060


class Budgets:
    """A section's figures beside what was promised, and what bounds each; and whether they may be believed."""

    def __init__(self, title: str) -> None:
        self._table = Table("what", "measured", "budget", "", "bound by", title=title, title_justify="left")
        self._flaws: list[str] = []

    def row(self, what: str, measured: str, budget: str, holds: bool, *, bound: str = "") -> None:
        """One figure. Without a budget there is no verdict."""
        self._table.add_row(what, measured, budget, _verdict(budget, holds), bound)

    def flaw(self, where: str, flaw: str | None) -> None:
        """Why something must not be believed; None: it may."""
        if flaw is not None:
            self._flaws.append(f"{where}: {flaw}")

    def tell(self, say: Console) -> None:
        say.print(self._table)
        say.print(_validity(self._flaws))


def _validity(flaws: list[str]) -> str:
    return "[green]valid run[/green]" if not flaws else f"[bold red]INVALID RUN[/bold red]: {'; '.join(flaws)}"


def _verdict(budget: str, holds: bool) -> str:
    return "" if not budget else "[green]held[/green]" if holds else "[red]missed[/red]"


def line(step: Step) -> str:
    """One step, in one line."""
    verdict = f"[red]{step.limit}[/red]" if step.limit else f"[yellow]{step.flaw}[/yellow]" if step.flaw else "held"
    return (
        f"  {step.calls:4d} calls  {step.cpu:5.0%} of a core  {step.cpu_per_call:.3f} %/call  "
        f"{step.per_frame:4.0f} µs/frame  pacing p99 {milliseconds(step.at('pacing', 99)):>5} ms  "
        f"generator {step.helpers_cpu:4.0%}  {verdict}"
    )


def tell(results: Results, say: Console) -> None:
    """The table of budgets, the limit that bound the run, and its validity."""
    best, half, echo = results.best, results.half, results.echo
    table = Table("what", "measured", "budget", "")
    if best is not None:
        held = f"{best.cpu_per_call:.3f} % of a core at {best.calls} calls: {best.calls_per_core:.0f} calls per core"
        _row(table, "CPU per call", held, "≤ 0.2 %", best.cpu_per_call <= 0.2)
    if best is not None and echo is not None:
        ratio = best.calls_per_core / echo.calls_per_core
        _row(table, "density beside a bare echo", f"{ratio:.2f} of {echo.calls_per_core:.0f}", "≥ 0.5", ratio >= 0.5)
    if best is not None and results.pipecat:
        ratio = best.calls_per_core / results.pipecat[-1].calls_per_core
        _row(table, "density beside Pipecat", f"{ratio:.0f} ×", "≥ 20 ×", ratio >= 20)
    if results.memory_per_call is not None:
        shown = f"{results.memory_per_call:.2f} MB beyond {results.base_memory:.0f} MB"
        _row(table, "memory per call", shown, "≤ 0.5 MB", results.memory_per_call <= 0.5)
    if half is not None:
        _half_load(table, half, echo)
    say.print(table)
    say.print(f"bound by: {results.bound}")
    for note in results.notes:
        say.print(f"note: {note}")
    say.print(_validity(flaws_of(results)))


def flaws_of(results: Results) -> list[str]:
    """Why the figures must not be believed. Failures at the step that was too much are what was looked for."""
    flaws = []
    counted = [("echo", results.echo), ("half load", results.half)]
    counted += [(f"{step.calls} calls", step) for step in results.steps]
    for name, step in counted:
        if step is None:
            continue
        is_last = bool(results.steps) and step is results.steps[-1]
        if step.flaw is not None and not (is_last and results.best):
            flaws.append(f"{name}: {step.flaw}")
        if step.heard["failures"] and not is_last:
            flaws.append(f"{name}: failed calls: {step.limit}")
    if results.best is None:
        flaws.append("not even the first step held")
    return flaws


def _half_load(table: Table, half: Step, echo: Step | None) -> None:
    where = f"at {half.calls} calls"
    p50, p95 = percentile(half.added, 50), percentile(half.added, 95)
    _row(
        table,
        f"added to an answer, {where}",
        f"p50 {milliseconds(p50)} ms, p95 {milliseconds(p95)} ms ({len(half.added)} turns)",
        "≤ 10, ≤ 30 ms",
        p50 is not None and p95 is not None and p50 <= 0.010 and p95 <= 0.030,
    )
    pacing = half.at("pacing", 99)
    beside = f" (echo: {milliseconds(echo.at('pacing', 99))} ms)" if echo is not None else ""
    _row(
        table,
        f"pacing p99, {where}",
        f"{milliseconds(pacing)} ms{beside}",
        "≤ 10 ms",
        pacing is not None and pacing <= 0.01,
    )
    stop, worst = half.at("interruptions", 50), half.at("interruptions", 95)
    budget = MIN_SPEECH + BARGE_IN_BEYOND
    _row(
        table,
        f"barge-in, word to last sample, {where}",
        f"p50 {milliseconds(stop)} ms, p95 {milliseconds(worst)} ms",
        f"≤ {milliseconds(budget)} ms",
        worst is not None and worst <= budget,
    )
    greeting = half.at("greetings", 95)
    beside = f" (echo, first frame: {milliseconds(echo.at('greetings', 95))} ms)" if echo is not None else ""
    _row(
        table,
        f"connect to greeting p95, {where}",
        f"{milliseconds(greeting)} ms{beside}",
        "≤ 60 ms",
        greeting is not None and greeting <= 0.060,
    )
    talk = half.at("answers", 50)
    _row(
        table, "caller's last sound to answer, end silence of 0.8 s included", f"p50 {milliseconds(talk)} ms", "", True
    )


def _row(table: Table, what: str, measured: str, budget: str, holds: bool) -> None:
    table.add_row(what, measured, budget, _verdict(budget, holds))
