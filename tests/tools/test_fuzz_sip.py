"""What the fuzzer begins with, and that it would notice."""

from __future__ import annotations

import pytest

from tools.fuzz_sip import Targets, seeds

SEEDS = seeds()


@pytest.mark.parametrize("name", SEEDS)
def test_the_first_inputs_break_nothing(name: str) -> None:
    Targets().one(SEEDS[name])


@pytest.mark.parametrize(
    ("name", "happened"),
    [
        ("agent_answered", ["Invited", "Acked", "ByeReceived"]),
        ("agent_repeated", ["Invited", "Acked", "ByeReceived"]),
        ("agent_cancelled", ["Invited", "Cancelled"]),
        ("agent_changed", ["Invited", "Acked", "Reoffered"]),
    ],
)
def test_the_first_calls_are_calls(name: str, happened: list[str]) -> None:
    assert [type(event).__name__ for event in Targets().user_agent(SEEDS[name][1:])] == happened
