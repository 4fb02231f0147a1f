"""Every name in the walk through one call leads to code that is there."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.pages import ROOT, inline_code

PAGE = ROOT / "docs" / "architecture.md"
NAME = re.compile(r"((?:config|audio|gateway)(?:\.\w+)+):(\w+(?:\.\w+)*)")
NAMES = sorted({code for code in inline_code(PAGE) if NAME.fullmatch(code)})


@pytest.mark.parametrize("name", NAMES)
def test_the_name_resolves(name: str) -> None:
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)


def test_the_walk_names_every_part_of_a_call() -> None:
    folders = {name.partition(":")[0].split(".")[1] for name in NAMES if name.startswith("gateway.")}
    assert {"app", "reception", "call", "transports", "speech", "backends", "text", "records", "http"} <= folders
    assert len(NAMES) > 50


def test_every_state_of_the_conversation_has_its_row() -> None:
    from gateway.call.facts import State

    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    assert {str(state) for state in State} - {"over"} <= set(rows)
