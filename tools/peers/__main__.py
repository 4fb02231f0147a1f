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
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools import fetch_recordings
from tools.peers import baresip_calls, kamailio_calls, network, network_calls, sipp_calls
from tools.peers.bench import GREETING, HOURS, Bench, Check
from tools.peers.capture import Capture
from tools.peers.house import House
from tools.peers.kamailio import EXAMPLES, pbx, until_registered
from tools.peers.versions import version_of

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


class Calls:
    """Those that were asked for, and what became of them, peer by peer."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self.results: dict[str, list[bool]] = {}

    def chosen(self, peer: str, checks: Iterable[Check]) -> dict[str, Check]:
        named = {f"{peer} {check.__name__.replace('_', ' ')}": check for check in checks}
        return {name: check for name, check in named.items() if _is_named(name, self._words)}

    async def run(self, peer: str, bench: Bench, together: Iterable[Check], alone: Iterable[Check] = ()) -> None:
        """The first ones a few at a time, the others one by one."""
        places = asyncio.Semaphore(AT_ONCE)
        results = self.results.setdefault(peer, [])
        results += await asyncio.gather(
            *(_call(name, check, bench, places) for name, check in self.chosen(peer, together).items())
        )
        for name, check in self.chosen(peer, alone).items():
            results.append(await _call(name, check, bench, places))


def _is_named(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


async def _call_all(folder: Path, options: argparse.Namespace) -> int:
    calls = Calls(options.names)
    with Capture(*network.ADDRESSES) as capture:
        prompts = await _call_directly(folder / "direct", calls, capture, options.load)
        await _call_by_kamailio(folder / "kamailio", calls, capture, prompts, folder / "direct" / "prompts")
    for peer, results in calls.results.items():
        print(f"{peer}: {sum(results)} of {len(results)} cases as promised ({version_of(peer)})")
    good = [result for results in calls.results.values() for result in results]
    return 0 if good and all(good) else 1


async def _call_directly(folder: Path, calls: Calls, capture: Capture, load: tuple[int, int]) -> Mapping[str, bytes]:
    house = House(folder)
    prompts = house.prompts(GREETING, HOURS)
    bench = Bench(house, capture, prompts, load=load)
    try:
        await house.open()
        await calls.run("sipp", bench, (*network_calls.TOGETHER, *sipp_calls.TOGETHER), sipp_calls.ALONE)
        await calls.run("baresip", bench, baresip_calls.TOGETHER)
    finally:
        await house.close()
    return prompts


async def _call_by_kamailio(
    folder: Path, calls: Calls, capture: Capture, prompts: Mapping[str, bytes], spoken: Path
) -> None:
    house = House(folder, EXAMPLES / "talkpath.yaml", spoken)
    bench = Bench(house, capture, prompts, target=network.PBX)
    async with pbx(folder) as both:
        try:
            await house.open()
            await until_registered(house)
            alone = [kamailio_calls.restarted(both), kamailio_calls.restarted_then_bye(both)]
            await calls.run("kamailio", bench, kamailio_calls.TOGETHER, alone)
        finally:
            await house.close()


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
