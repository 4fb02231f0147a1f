"""Figures of one step of a run: what was measured, in units people read, and whether it may be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FRAMES_PER_SECOND = 50
GOOD_CORRELATION = 0.99
PACING_LIMIT = 0.010
SATURATED_CPU = 0.9
SATURATED_LAG = 0.010
"""Seconds the generator's clock may be late, in one tick of a hundred: what it says about pacing is worth no more."""


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.1f}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One number of calls, held for a while.

    Attributes:
        cpu: Of the measured process, cores.
        helpers_cpu: Of generator and stubs together, cores.
        memory: Of the measured process, MB.
        heard: The generator's report.
        added: Seconds the gateway itself added to each answer.
    """

    calls: int
    cpu: float
    helpers_cpu: float
    memory: float
    heard: Mapping[str, Any]
    added: Sequence[float] = field(default=())

    @property
    def cpu_per_call(self) -> float:
        """Percent of a core."""
        return 100 * self.cpu / self.calls

    @property
    def per_frame(self) -> float:
        """Microseconds of CPU for 20 ms of a call, everything included."""
        return 1e6 * self.cpu / self.calls / FRAMES_PER_SECOND

    @property
    def calls_per_core(self) -> float:
        return self.calls / self.cpu

    def at(self, what: str, percent: float) -> float | None:
        return percentile(self.heard[what], percent)

    @property
    def worst_correlation(self) -> float | None:
        return min(self.heard["correlations"], default=None)

    @property
    def limit(self) -> str | None:
        """Why this is more than the server can bear; None while it can."""
        if self.heard["late"]:
            return f"{len(self.heard['late'])} times the caller had nothing to hear in the middle of a prompt"
        pacing = self.at("pacing", 99)
        if pacing is not None and pacing > PACING_LIMIT:
            return f"pacing p99 {milliseconds(pacing)} ms"
        if self.heard["failures"]:
            return ", ".join(f"{count} × {reason}" for reason, count in self.heard["failures"].items())
        return None

    @property
    def flaw(self) -> str | None:
        """Why the step says nothing; None when it does."""
        lag = percentile(self.heard["lags"], 99)
        if self.helpers_cpu > SATURATED_CPU:
            return f"the generator's core was busy for {self.helpers_cpu:.0%}"
        if lag is not None and lag > SATURATED_LAG:
            return f"the generator was late by {milliseconds(lag)} ms (p99)"
        worst = self.worst_correlation
        if worst is not None and worst < GOOD_CORRELATION:
            return f"a caller heard something else than was said (correlation {worst:.3f})"
        return None


def added_by_gateway(turns: Mapping[str, Mapping[str, float]], first_audio: Sequence[tuple[int, float]]) -> list[float]:
    """Seconds of each answer in which neither a vendor nor the bot was at work.

    From the final transcript on: transcript sent to bot asked, bot answered to synthesizer asked, speech sent to first
    audio at the caller. What lies before is the end silence of the question, which is meant.
    """
    added = []
    for number, heard_at in first_audio:
        turn = turns.get(str(number), {})
        if {"text_sent", "bot_asked", "bot_answered", "speech_asked", "speech_sent"} <= turn.keys():
            added.append(
                turn["bot_asked"]
                - turn["text_sent"]
                + turn["speech_asked"]
                - turn["bot_answered"]
                + heard_at
                - turn["speech_sent"]
            )
    return added
