"""``python -m tools.peers [NAME ...]``: every call, or those whose name contains a word. Needs root.

Everything runs in a network of its own without any other machine in it, and in a process tree that ends with this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tools import fetch_recordings
from tools.peers import network, sipp_calls
from tools.peers.bench import GREETING, HOURS, Bench, Check
from tools.peers.capture import Capture
from tools.peers.house import House

AT_MOST = 1500.0
CHECK_AT_MOST = 120.0
AT_ONCE = 4


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.peers", description=__doc__)
    parser.add_argument("names", nargs="*", help="only calls whose name contains one of these")
    parser.add_argument("--logs", type=Path, help="keep logs and records in this folder")
    parser.add_argument("--load", type=_load, default=(20, 200), help="calls a second, and how many: 200x1600")
    options = parser.parse_args()
    try:
        if not fetch_recordings.is_complete("en"):
            raise network.Unavailable("these calls need recorded speech: run python -m tools.fetch_recordings")
        network.prepare()
    except network.Unavailable as error:
        print(f"talkpath: {error}", file=sys.stderr)
        return 1
    if os.environ.get(network.INSIDE) != "1":
        return network.go_inside("tools.peers", AT_MOST)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.logs or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        network.arrange(folder)
        return asyncio.run(_call_all(folder, options))


async def _call_all(folder: Path, options: argparse.Namespace) -> int:
    together, alone = (_chosen(checks, options.names) for checks in (sipp_calls.TOGETHER, sipp_calls.ALONE))
    house = House(folder)
    prompts = house.prompts(GREETING, HOURS)
    with Capture(*network.ADDRESSES[1:]) as capture:
        try:
            await house.open()
            bench = Bench(house, capture, prompts, options.load)
            places = asyncio.Semaphore(AT_ONCE)
            good = await asyncio.gather(*(_call(name, check, bench, places) for name, check in together.items()))
            good += [await _call(name, check, bench, places) for name, check in alone.items()]
        finally:
            await house.close()
    print(f"{sum(good)} of {len(good)} as promised")
    return 0 if good and all(good) else 1


def _chosen(checks: Iterable[Check], words: list[str]) -> dict[str, Check]:
    named = {f"sipp {check.__name__.replace('_', ' ')}": check for check in checks}
    return {name: check for name, check in named.items() if not words or any(word in name for word in words)}


def _load(value: str) -> tuple[int, int]:
    rate, calls = value.split("x")
    return int(rate), int(calls)


async def _call(name: str, check: Check, bench: Bench, places: asyncio.Semaphore) -> bool:
    """One check with a gateway that is up."""
    async with places:
        began = time.monotonic()
        try:
            async with asyncio.timeout(CHECK_AT_MOST):
                await bench.house.open()
                result, figures = True, await check(bench)
        except Exception as error:  # the edge of a check: the others are run all the same
            result, figures = False, _told(error)
    print(f"{'ok  ' if result else 'FAIL'} {name} ({time.monotonic() - began:.1f} s): {figures}", flush=True)
    return result


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
