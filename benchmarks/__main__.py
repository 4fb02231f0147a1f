"""`make bench`: what design budgets promise, in sections; `make bench ARGS='media setups'` runs some of them.

Every figure belongs to this machine and this run: compare within a run only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import media, run, setups

SECTIONS = {
    "gateway": "the whole gateway with a stubbed bot and vendors, by media WebSocket (2 to 5 minutes)",
    "media": "SIP and WebRTC: transport and media alone (70 s)",
    "setups": "10,000 calls set up by SIP and ended (125 s)",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told = "; ".join(f"{name}: {what}" for name, what in SECTIONS.items())
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"all, unless some are named. {told}")
    parser.add_argument("--pipecat", action="store_true", help="gateway: add Pipecat running the equivalent loop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="gateway: write all figures")
    given = parser.parse_args(arguments)
    if unknown := set(given.sections) - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    say = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for name in given.sections or SECTIONS:
        say.print(f"[bold]{name}[/bold]: {SECTIONS[name]}")
        if name == "gateway":
            run.measure(say, with_pipecat=given.pipecat, into=given.json)
        else:
            {"media": media, "setups": setups}[name].main(say).tell(say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
