"""What was asked for of one part's cases, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from tools.browser.devtools import Tab
from tools.peers.names import is_named

Case = Callable[[Any], Awaitable[None]]
"""What one person does; a method of theirs."""


class Cases:
    """Those of one part whose name contains one of the words; without words, all.

    Args:
        part: Its name, which is a part of each case's.
        folder: For figures and what the page complained of.
    """

    def __init__(self, part: str, folder: Path, words: list[str]) -> None:
        self.part = part
        self.folder = folder
        self.chosen: list[Case] = []
        self.good = 0
        self._words = words

    def choose(self, cases: Sequence[Case], *, are_one: bool = False) -> list[Case]:
        """``are_one``: they build on each other, so that it is all or none."""
        found = [case for case in cases if is_named(self.name(case), self._words)]
        self.chosen = list(cases) if are_one and found else found
        return self.chosen

    def name(self, case: Case) -> str:
        return f"chromium {self.part} {getattr(case, '__name__', '').replace('_', ' ')}"

    async def run(self, person: Any, tab: Tab, figures: dict[str, Any]) -> None:
        """One after the other. The first that is not as promised is the last, because the page is left as it is."""
        for case in self.chosen:
            begun = time.monotonic()
            try:
                await case(person)
            except Exception as wrong:  # the edge of a case
                told = f"{type(wrong).__name__}: {wrong}"
                print(f"FAIL {self.name(case)} ({time.monotonic() - begun:.1f} s): {told}", flush=True)
                print(await tab.run("document.body.innerText"))
                await tab.picture(self.folder / "failed.png")
                break
            self.good += 1
            print(f"ok   {self.name(case)} ({time.monotonic() - begun:.1f} s)", flush=True)
        for figure, value in figures.items():
            print(f"     {figure}: {value}")
        (self.folder / "figures.json").write_text(json.dumps(figures, indent=2))
        (self.folder / "page.log").write_text("\n".join(tab.complaints))
