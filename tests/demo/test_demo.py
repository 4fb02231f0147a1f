"""`talkpath demo --once`, as its user runs it: three real processes, a real socket, real time."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.demo import LAB_PORT, ports, wrong_sums
from gateway.demo.bundle import Demonstration, FurtherCall, calls, opened
from gateway.errors import ConfigError

LIMIT = 170.0


async def run(*arguments: str, folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "gateway", "demo", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(LIMIT):
            out, _ = await process.communicate()
    except TimeoutError:
        process.terminate()
        out, _ = await process.communicate()
        pytest.fail(f"the demonstration did not end:\n{out.decode(errors='replace')}")
    return await process.wait(), out.decode()


@pytest.mark.demonstration
@pytest.mark.asyncio
@pytest.mark.timeout(LIMIT + 30)
@pytest.mark.parametrize(("vendor", "call"), calls())
async def test_a_demonstration_hears_every_recording_and_is_answered(vendor: str, call: str, tmp_path: Path) -> None:
    code, out = await run("--once", "--bot", vendor, "--call", call, "--port", "0", folder=tmp_path)
    assert code == 0, out
    with opened(vendor, call) as (folder, shown, _):
        steps = yaml.safe_load((folder / shown.steps).read_text(encoding="utf-8"))
        said = [shown.phrases[Path(step["say"]).stem].text for step in steps if "say" in step]
    for text in said:
        assert re.search(rf"heard as +{re.escape(text)}$", out, re.M | re.I), out  # a menu's label has its own capitals
    assert "Where the time went" in out
    assert "WRONG" not in out


def exchange(*turns: tuple[str, float | None], failed: int = 0) -> dict[str, Any]:
    """A report with turns of these kinds; their parts last half a second."""
    shown = [
        {"turn": number, "kind": kind, "answer_seconds": answer, "stages": {"bot": 0.2, "playout": 0.3}}
        for number, (kind, answer) in enumerate(turns)
    ]
    return {"record": {"exchange": shown, "failed_turns": failed}}


def test_a_waterfall_sums_to_the_time_that_passed() -> None:
    assert wrong_sums(exchange(("start", 0.5), ("speech", 0.515))) == []
    assert wrong_sums(exchange(("start", 0.5), ("speech", 0.6))) == ["turn 1: the parts sum to 0.500 s, 0.600 s passed"]


def test_every_turn_is_answered_fails_or_is_a_transfer_that_the_caller_came_back_from() -> None:
    assert wrong_sums(exchange(("start", 0.5), ("speech", None))) == ["turn 1 has no answer"]
    assert wrong_sums(exchange(("start", 0.5), ("speech", None), failed=1)) == []
    assert wrong_sums(exchange(("start", 0.5), ("choice", None), ("transfer_failed", 0.5))) == []
    assert wrong_sums(exchange(("start", None), ("choice", None), ("transfer_failed", 0.5))) == ["turn 0 has no answer"]


def test_port_0_takes_free_ports_for_the_gateway_and_for_the_lab() -> None:
    gateway, lab = ports(0)
    assert gateway != lab
    assert LAB_PORT not in {gateway, lab}


@pytest.mark.asyncio
async def test_a_demonstration_that_there_is_not_is_one_sentence(tmp_path: Path) -> None:
    code, out = await run("--once", "--bot", "nobody", folder=tmp_path)
    assert code == 1
    assert out.startswith("talkpath: there is no demonstration of 'nobody'; there is one of ")
    assert len(out.splitlines()) == 1


def test_a_call_that_there_is_not_names_those_there_are() -> None:
    shown = Demonstration(calls={"in-vain": FurtherCall(about="nobody answers")})
    with pytest.raises(ConfigError, match=r"no call 'noon'; it has call \(the usual one\), in-vain \(nobody answers\)"):
        shown.with_call("noon")


def test_a_further_call_adds_to_what_all_of_them_share() -> None:
    in_vain = FurtherCall(about="nobody answers", number="2", lab=("--faults", "500"), environment={"B": "2"})
    shown = Demonstration(number="1", lab=("--bot", "x"), environment={"A": "1"}, calls={"in-vain": in_vain})
    assert shown.with_call("call") is shown
    changed = shown.with_call("in-vain")
    assert (changed.number, changed.steps) == ("2", "in-vain.yaml")
    assert changed.lab == ("--bot", "x", "--faults", "500")
    assert changed.environment == {"A": "1", "B": "2"}
