"""A placed call for people: what happens as it happens, then each turn with its latencies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gateway.caller.script import CallReport

STYLES = {"bot": "cyan", "caller": "green", "understood": "green", "keys": "green", "wrong": "bold red"}
NAMES = {"understood": "heard as"}
COLUMNS = ("endpointing", "recognition", "handover", "bot", "synthesis", "playout")


def tell_to(out: TextIO) -> Callable[[str, str], None]:
    """Print each thing that happens, with the seconds since the call was placed."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
    began = time.monotonic()

    def tell(kind: str, text: str) -> None:
        line = Text(f"{time.monotonic() - began:6.1f}  ", style="dim")
        line.append(f"{NAMES.get(kind, kind):>9}  ", style=STYLES.get(kind, "dim"))
        line.append(text)
        console.print(line)

    return tell


def tell_turns(report: CallReport, out: TextIO) -> None:
    """Print the latencies of each turn, what was checked, and how the call ended."""
    print_report(report.to_json(), out)


def print_report(report: Mapping[str, Any], out: TextIO) -> None:
    """The same from the report as JSON, as `talkpath call --json` prints it."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
    table = Table(
        "Turn", "Caller", *(name.capitalize() for name in COLUMNS), "Answer", title="Where the time went, in ms"
    )
    record = report["record"]
    for turn in record.get("exchange", []):
        cells = [_ms(turn["stages"].get(name)) for name in COLUMNS]
        said = "(call starts)" if turn["kind"] == "start" else f"{turn['caller']} [{turn['kind']}]"
        table.add_row(str(turn["turn"]), escape(said), *cells, _ms(turn["answer_seconds"]))
    console.print(table)
    for step in report["steps"]:
        mark = Text("ok    " if step["ok"] else "WRONG ", style="green" if step["ok"] else "bold red")
        console.print(mark + Text(step["step"] + (f": {step['detail']}" if step["detail"] else "")))
    ending = f"{record.get('result') or 'no record'}, by {record.get('by') or 'nobody'}"
    heard = report["heard"]
    seconds = (
        f"after {record.get('seconds', 0):.1f} s; said {heard['said_seconds']:.1f} s, heard {heard['seconds']:.1f} s"
    )
    console.print(f"{ending}, {seconds}")


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f}"
