"""Which real peers run together, and when such a run has failed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.real_peers import Run, carry_out, carry_out_all, lanes_of

GOOD = "sipp: 3 of 3 cases as promised (sipp 3.6.1)"


def asked(*words: str, whole: bool = False, logs: Path | None = None) -> argparse.Namespace:
    return argparse.Namespace(words=list(words), whole=whole, logs=logs, load=None)


def peers(lanes: Sequence[Sequence[Run]]) -> list[list[str]]:
    return [[peer for run in lane for peer in run.peers] for lane in lanes]


def test_all_peers_run_and_asterisk_beside_the_others(tmp_path: Path) -> None:
    lanes = lanes_of(asked(logs=tmp_path))
    assert peers(lanes) == [["sipp", "baresip", "kamailio", "chromium"], ["asterisk"]]
    assert lanes[1][0].arguments == ["tools.asterisk", "asterisk sip", "--logs", str(tmp_path / "asterisk")]


def test_words_choose_peers_and_calls() -> None:
    assert peers(lanes_of(asked("kamailio hold"))) == [["kamailio"]]
    lanes = lanes_of(asked("asterisk", "chromium"))
    assert peers(lanes) == [["chromium"], ["asterisk"]]
    assert lanes[1][0].arguments == ["tools.asterisk", "asterisk", "chromium"]
    assert lanes_of(asked("nobody's call")) == []


def test_asterisk_is_asked_for_everything_when_all_is_wanted() -> None:
    first, second = lanes_of(asked(whole=True))
    assert second[0].arguments == ["tools.asterisk"]
    assert "--whole" in first[0].arguments


def test_a_run_is_good_when_every_peer_has_told_so() -> None:
    run = Run(["tools.peers"], ["sipp"], code=0)
    run.read("ok   sipp hold udp (26.2 s): nothing sent for 10.0 s")
    assert run.faults() == ["sipp: nothing was heard of it"]
    run.read(GOOD)
    assert run.faults() == []
    run.code = 1
    assert run.faults() == ["tools.peers ended with exit code 1"]


def test_a_case_that_failed_is_a_fault() -> None:
    run = Run(["tools.peers"], ["sipp"], code=1)
    run.read("sipp: 2 of 3 cases as promised (sipp 3.6.1)")
    assert run.faults()[0] == "sipp: 2 of 3 cases as promised (sipp 3.6.1)"


@pytest.mark.asyncio
async def test_what_a_program_says_is_shown_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(["this"], [])  # prints the Zen of Python
    assert await carry_out_all([[run]]) == 0
    absent = Run(["tools.no_such_program"], ["acme"])
    await carry_out(absent)
    assert absent.faults() == ["acme: nothing was heard of it", "tools.no_such_program ended with exit code 1"]
    assert await carry_out_all([[absent]]) == 1
    shown = capsys.readouterr().out
    assert "Beautiful is better than ugly." in shown
    assert "FAILED: acme: nothing was heard of it" in shown
