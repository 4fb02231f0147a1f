"""A process of the demonstration that ends by itself ends it, with a sentence that names the process and its log."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from gateway.demo.parts import LAST_LINES, PartEnded, started, unless_one_ends

pytestmark = pytest.mark.asyncio
WITHIN = 20.0

PROGRAM = """
import sys
print("one\\ntwo\\nwhat went wrong", flush=True)
sys.stdin.close()
{end}
"""


def written(folder: Path, name: str, end: str) -> dict[str, str]:
    """A program, and the environment in which ``python -m`` finds it."""
    (folder / f"{name}.py").write_text(PROGRAM.format(end=end))
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def kept_log(said: str) -> str:
    """What is in the log that was named, which is removed."""
    named = re.search(r"Its log, (\S+), ends with", said)
    assert named is not None
    text = Path(named[1]).read_text()
    Path(named[1]).unlink()
    return text


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("sys.exit(0)", "exit code 0"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ],
)
async def test_the_one_that_ended_is_named_with_its_log(tmp_path: Path, end: str, how: str) -> None:
    environment = written(tmp_path, "ends", end)
    written(tmp_path, "stays", "import signal; signal.pause()")
    async with (
        asyncio.timeout(WITHIN),
        started("the gateway", ["stays"], environment, tmp_path / "stays.log") as stays,
        started("the lab bot", ["ends"], environment, tmp_path / "ends.log") as ends,
    ):
        with pytest.raises(PartEnded) as ended:
            await unless_one_ends([stays, ends], asyncio.Event().wait())
        said = ended.value.part.obituary()
    assert said.startswith(f"the lab bot ended by itself ({how}). Its log, ")
    assert said.endswith("  one\n  two\n  what went wrong")
    assert kept_log(said) == "one\ntwo\nwhat went wrong\n", "it outlives the demonstration"
    assert stays.process.returncode is not None, "what was started is ended"


async def test_what_is_done_while_all_live_is_done(tmp_path: Path) -> None:
    environment = written(tmp_path, "stays", "import signal; signal.pause()")
    async with started("the lab bot", ["stays"], environment, tmp_path / "stays.log") as part:
        assert await unless_one_ends([part], asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ValueError, match="wrong"):
            await unless_one_ends([part], _wrong())


async def _wrong() -> None:
    raise ValueError("wrong")


async def test_of_a_long_log_the_end_is_shown(tmp_path: Path) -> None:
    environment = written(tmp_path, "ends", "[print(n) for n in range(1000)]")
    async with asyncio.timeout(WITHIN), started("it", ["ends"], environment, tmp_path / "ends.log") as part:
        await part.process.wait()
        said = part.obituary()
    assert said.splitlines()[1:] == [f"  {number}" for number in range(1000 - LAST_LINES, 1000)]
    assert kept_log(said).startswith("one\n")
