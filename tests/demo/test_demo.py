"""`talkpath demo --once`, as its user runs it: three real processes, a real socket, real time."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from gateway.demo import LAB_PORT, ports
from gateway.demo.bundle import demonstrations, opened

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


USUAL = "talkr"  # what `make run` shows; the others take as long, and are run side by side by `make demos`
VENDORS = [
    pytest.param(vendor, marks=[] if vendor == USUAL else [pytest.mark.demonstration]) for vendor in demonstrations()
]


@pytest.mark.asyncio
@pytest.mark.timeout(LIMIT + 30)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_demonstration_hears_every_recording_and_is_answered(vendor: str, tmp_path: Path) -> None:
    code, out = await run("--once", "--bot", vendor, "--port", "0", folder=tmp_path)
    assert code == 0, out
    with opened(vendor) as (_, shown, _):
        for phrase in shown.phrases.values():
            assert re.search(rf"heard as +{re.escape(phrase.text)}$", out, re.M), out
    assert "Where the time went" in out
    assert "WRONG" not in out


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
