"""``python -m tools.real_peers [WORD ...]``: calls with every real peer, or those with one of the words in their names.

Asterisk's calls run beside those of SIPp, baresip and Kamailio with rtpengine, in networks of their own; Chromium's
follow the latter. At the end stands which peers ran and how many cases; a peer that is not to be
had fails the run. Needs root. Of Asterisk the calls by SIP are placed; ``--whole`` adds those over media sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.asterisk.__main__ import chosen
from tools.asterisk.by_sip import CHECKS as BY_SIP
from tools.asterisk.calls import CHECKS as OVER_MEDIA_SOCKETS
from tools.peers.__main__ import PEERS, name_of
from tools.peers.names import is_named

AT_MOST = 1800.0
LINE_AT_MOST = 1 << 20
TOLD = re.compile(r"(?P<peer>\w+): (?P<good>\d+) of (?P<all>\d+) cases as promised \((?P<version>.+)\)")


@dataclass
class Run:
    """One program with calls, and the peers it must tell of.

    Attributes:
        told: The last lines of it, by peer.
        code: What it ended with.
    """

    arguments: Sequence[str]
    peers: Sequence[str]
    told: dict[str, re.Match[str]] = field(default_factory=dict)
    code: int | None = None

    def read(self, line: str) -> None:
        if found := TOLD.fullmatch(line):
            self.told[found["peer"]] = found

    def faults(self) -> list[str]:
        """What is not as it should be, a sentence each."""
        silent = [f"{peer}: nothing was heard of it" for peer in self.peers if peer not in self.told]
        failed = [told[0] for told in self.told.values() if told["good"] != told["all"]]
        ended = [f"{self.arguments[0]} ended with exit code {self.code}"] if self.code else []
        return [*silent, *failed, *ended]


def lanes_of(options: argparse.Namespace) -> list[list[Run]]:
    """What runs side by side, and in each of these one after the other; only what has calls of such names."""
    words: list[str] = options.words
    given = [f"--load={options.load}"] if options.load else []
    given += ["--whole"] if options.whole else []
    first, second = [], []
    peers = [peer for peer, checks in PEERS.items() if any(is_named(name_of(peer, check), words) for check in checks)]
    if peers:
        first.append(Run(["tools.peers", *words, *given, *logs(options, "peers")], peers))
    if is_named("chromium", words):
        first.append(Run(["tools.browser", *logs(options, "chromium", "--keep")], ["chromium"]))
    if chosen(BY_SIP, words) or (chosen(OVER_MEDIA_SOCKETS, words) and words):
        which = words or ([] if options.whole else ["asterisk sip"])
        second.append(Run(["tools.asterisk", *which, *logs(options, "asterisk")], ["asterisk"]))
    return [lane for lane in (first, second) if lane]


def logs(options: argparse.Namespace, name: str, option: str = "--logs") -> list[str]:
    return [option, str(options.logs.resolve() / name)] if options.logs else []


async def carry_out(run: Run) -> None:
    """Run it to its end, and show what it says while it does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", *run.arguments, stdout=asyncio.subprocess.PIPE, limit=LINE_AT_MOST
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(AT_MOST):
            async for line in process.stdout:
                text = line.decode("utf-8", "replace").rstrip("\n")
                run.read(text)
                print(text, flush=True)
            run.code = await process.wait()
    except TimeoutError:
        run.code = 1
        print(f"{run.arguments[0]} took longer than {AT_MOST:.0f} s", flush=True)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def carry_out_all(lanes: Sequence[Sequence[Run]]) -> int:
    async with asyncio.TaskGroup() as tasks:
        for lane in lanes:
            tasks.create_task(_one_by_one(lane))
    runs = [run for lane in lanes for run in lane]
    faults = [fault for run in runs for fault in run.faults()]
    told = {peer: found for run in runs for peer, found in run.told.items()}
    ran = "; ".join(f"{found['version']}: {found['good']} of {found['all']}" for found in told.values())
    print(f"\n{len(told)} peers ran, {sum(int(found['all']) for found in told.values())} cases: {ran}")
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


async def _one_by_one(runs: Sequence[Run]) -> None:
    for run in runs:
        await carry_out(run)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.real_peers", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="such as kamailio, asterisk, chromium, hold, refer")
    parser.add_argument("--logs", type=Path, help="keep logs, records and pictures in this folder")
    parser.add_argument("--load", help="of SIPp: calls a second, and how many: 200x1600")
    parser.add_argument("--whole", action="store_true", help="the long calls too, and Asterisk's media sockets")
    options = parser.parse_args()
    lanes = lanes_of(options)
    if not lanes:
        parser.error(f"no call has a name with {' or '.join(options.words)}")
    return asyncio.run(carry_out_all(lanes))


if __name__ == "__main__":
    sys.exit(main())
