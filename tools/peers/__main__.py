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
from collections.abc import Callable, Iterable
from pathlib import Path

from tools import fetch_recordings
from tools.debian import Unavailable
from tools.peers import attended_calls, baresip_calls, kamailio_calls, network, network_calls, sipp_calls
from tools.peers.bench import GREETING, HOURS, Bench, Check, Lengths
from tools.peers.capture import Capture
from tools.peers.house import House
from tools.peers.kamailio import EXAMPLES, pbx, until_registered
from tools.peers.names import is_named
from tools.peers.versions import version_of

AT_MOST = 1800.0
CHECK_AT_MOST = 400.0
AT_ONCE = 4


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.peers", description=__doc__)
    parser.add_argument("names", nargs="*", help="only calls whose name contains one of these")
    parser.add_argument("--logs", type=Path, help="keep logs and records in this folder")
    parser.add_argument("--load", type=_load, default=(200, 1600), help="calls a second, and how many: 200x1600")
    parser.add_argument("--whole", action="store_true", help="hold for 30 s, and let clocks be wrong for five minutes")
    options = parser.parse_args()
    try:
        if not fetch_recordings.is_complete("en"):
            raise Unavailable("these calls need recorded speech: run python -m tools.fetch_recordings")
        network.prepare()
    except Unavailable as error:
        print(f"talkpath: {error}", file=sys.stderr)
        return 1
    if os.environ.get(network.INSIDE) != "1":
        return network.go_inside("tools.peers", AT_MOST)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.logs or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        network.arrange(folder)
        return asyncio.run(_call_all(folder, options))


PEERS: dict[str, tuple[Check, ...]] = {
    "sipp": (*network_calls.TOGETHER, *sipp_calls.TOGETHER, *attended_calls.TOGETHER, *sipp_calls.ALONE),
    "baresip": baresip_calls.TOGETHER,
    "kamailio": (*kamailio_calls.TOGETHER, *kamailio_calls.ALONE),
}


class Calls:
    """Those that were asked for, and what became of them, peer by peer."""

    def __init__(self, words: list[str]) -> None:
        self._chosen = {
            peer: {name: check for check in checks if is_named(name := name_of(peer, check), words)}
            for peer, checks in PEERS.items()
        }
        self.results: dict[str, list[bool]] = {peer: [] for peer, chosen in self._chosen.items() if chosen}

    async def run(self, peer: str, bench: Bench, alone: Iterable[Check]) -> None:
        """A few at a time; those of ``alone`` one by one, after the others."""
        places = asyncio.Semaphore(AT_ONCE)
        chosen = self._chosen[peer]
        single = {name: check for name, check in chosen.items() if check in alone}
        together = [_call(name, check, bench, places) for name, check in chosen.items() if name not in single]
        self.results[peer] += await asyncio.gather(*together)
        for name, check in single.items():
            self.results[peer].append(await _call(name, check, bench, places))


def name_of(peer: str, check: Check) -> str:
    return f"{peer} {check.__name__.replace('_', ' ')}"


async def _call_all(folder: Path, options: argparse.Namespace) -> int:
    calls = Calls(options.names)
    lengths: Lengths = {"hold_seconds": 30.0, "clock_seconds": 300.0} if options.whole else {}
    with Capture(*network.ADDRESSES) as capture:
        direct = House(folder / "direct")
        prompts = direct.prompts(GREETING, HOURS)
        try:
            await direct.open()
            bench = Bench(direct, capture, prompts, load=options.load, **lengths)
            for peer in [peer for peer in ("sipp", "baresip") if peer in calls.results]:
                await calls.run(peer, bench, sipp_calls.ALONE)
        finally:
            await direct.close()
        if "kamailio" in calls.results:
            await _call_by_kamailio(calls, folder, lambda house: Bench(house, capture, prompts, target=network.PBX))
    for name, results in calls.results.items():
        print(f"{name}: {sum(results)} of {len(results)} cases as promised ({version_of(name)})")
    good = [result for results in calls.results.values() for result in results]
    return 0 if good and all(good) else 1


async def _call_by_kamailio(calls: Calls, folder: Path, bench_of: Callable[[House], Bench]) -> None:
    house = House(folder / "kamailio", EXAMPLES / "talkpath.yaml", folder / "direct" / "prompts")
    async with pbx(house.folder) as both:
        try:
            await house.open()
            await until_registered(house)
            bench = bench_of(house)
            bench.pbx = both
            await calls.run("kamailio", bench, kamailio_calls.ALONE)
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
