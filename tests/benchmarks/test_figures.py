"""What a step of a run means: its limit, its flaws, and which run must not be believed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmarks.callers import Window
from benchmarks.figures import Step, added_by_gateway, percentile
from benchmarks.report import flaws_of
from benchmarks.run import Results


def step(calls: int = 100, *, cpu: float = 0.5, helpers: float = 0.3, **heard: Any) -> Step:
    window = dataclasses.asdict(Window()) | {"lags": [0.001] * 100, "correlations": [1.0], "pacing": [0.002] * 200}
    return Step(calls=calls, cpu=cpu, helpers_cpu=helpers, memory=100.0, heard=window | heard)


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([], 50) is None
    assert percentile([3.0], 99) == 3.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 3.0
    assert percentile([float(n) for n in range(100)], 99) == 99.0


def test_cpu_is_told_per_call_per_frame_and_per_core() -> None:
    found = step(100, cpu=0.5)
    assert found.cpu_per_call == pytest.approx(0.5)
    assert found.per_frame == pytest.approx(100)
    assert found.calls_per_core == pytest.approx(200)


def test_time_in_which_a_vendor_works_is_not_ours() -> None:
    turn = {"text_sent": 1.0, "bot_asked": 1.003, "bot_answered": 2.0, "speech_asked": 2.002, "speech_sent": 3.0}
    assert added_by_gateway({"7": turn}, [(7, 3.004), (8, 9.0)]) == [pytest.approx(0.009)]


@pytest.mark.parametrize(
    ("heard", "word"),
    [
        ({"late": [0.02]}, "nothing to hear"),
        ({"pacing": [0.02] * 100}, "pacing"),
        ({"failures": {"no answer": 2}}, "2 × no answer"),
    ],
)
def test_too_many_calls_show(heard: dict[str, Any], word: str) -> None:
    assert step().limit is None
    assert word in (step(**heard).limit or "")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"helpers": 0.95}, "busy"),
        ({"lags": [0.03] * 100}, "late by"),
        ({"correlations": [1.0, 0.9]}, "correlation"),
    ],
)
def test_a_measurement_that_says_nothing_makes_the_run_invalid(changed: dict[str, Any], word: str) -> None:
    assert flaws_of(Results(steps=[step()], half=step(50))) == []
    assert word in flaws_of(Results(steps=[step()], half=step(50, **changed)))[0]


def test_a_failed_call_makes_the_run_invalid_but_at_the_step_that_was_too_much() -> None:
    failed = step(200, failures={"no answer": 1})
    assert flaws_of(Results(steps=[step(), failed], half=step(50))) == []
    assert "half load" in flaws_of(Results(steps=[step()], half=failed))[0]
    assert "200 calls" in flaws_of(Results(steps=[step(), failed, step(300)], half=step(50)))[0]


def test_a_run_in_which_nothing_held_is_invalid() -> None:
    assert flaws_of(Results(steps=[step(late=[1.0])]))
