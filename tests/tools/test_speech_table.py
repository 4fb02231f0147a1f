"""The table of speech vendors says what their adapters declare, and is not stale."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from config.errors import ConfigError
from config.speech import SpeechSection
from gateway.plugins import installed
from tests.fakes.speech_plugins import Cloud, Ear, Voice
from tests.pages import ROOT
from tools.speech_table import BEGIN, END, HEAD, table, with_table

DOCS = ROOT / "docs"


def rows(folder: Path, **plugins: type) -> list[list[str]]:
    head, rule, *lines = (line.strip("| ").split(" | ") for line in table(plugins, folder).splitlines())
    assert tuple(head) == HEAD
    assert rule == ["---"] * len(HEAD)
    return lines


def row(folder: Path, plugin: type) -> dict[str, str]:
    (cells,) = rows(folder, it=plugin)
    return dict(zip(HEAD, cells, strict=True))


def test_who_can_do_both(tmp_path: Path) -> None:
    assert row(tmp_path, Cloud) == {
        "vendor": "it",
        "listens": "yes",
        "speaks": "yes",
        "tried": "live",
        "native 8 kHz": "mu-law",
        "streaming": "yes",
        "SSML": "yes",
        "hints": "yes",
        "own end of turn": "of turns",
        "languages": "hears: fr de-CH; speaks: fr-FR fr-CA de-CH",
    }


def test_who_does_one_of_the_two(tmp_path: Path) -> None:
    ear, voice = row(tmp_path, Ear), row(tmp_path, Voice)
    assert (ear["listens"], ear["speaks"], voice["listens"], voice["speaks"]) == ("yes", "no", "no", "yes")
    assert ear["tried"] == "emulator"
    assert (ear["native 8 kHz"], ear["streaming"], ear["hints"], ear["languages"]) == (
        "no (16 kHz)",
        "no",
        "no",
        "all it has",
    )
    assert (voice["SSML"], voice["hints"], voice["streaming"]) == ("no", "", "no")


def test_an_adapter_may_be_looked_at_in_several_ways_or_not_at_all(tmp_path: Path) -> None:
    class Two(Ear):
        examples: ClassVar = {"fast": {}, "slow": {"url": "http://127.0.0.1"}}

    class Script(Ear):
        tried = None

    assert [cells[0] for cells in rows(tmp_path, two=Two, script=Script)] == ["two (fast)", "two (slow)"]


def test_a_page_of_its_own_is_linked(tmp_path: Path) -> None:
    (tmp_path / "it.md").touch()
    assert row(tmp_path, Ear)["vendor"] == f"[it]({tmp_path.name}/it.md)"


def test_what_cannot_be_made_up_must_be_given(tmp_path: Path) -> None:
    class Needs(SpeechSection):
        port: int

    class Needing(Ear):
        Section = Needs

    with pytest.raises(ConfigError, match="class of 'it' needs `examples`"):
        table({"it": Needing}, tmp_path)


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    made = with_table(page, {"ear": Ear}, tmp_path)
    assert made.startswith(f"before\n{BEGIN}\n| vendor |")
    assert made.endswith(f"|\n{END}\nafter\n")
    assert with_table(made, {"ear": Ear}, tmp_path) == made
    with pytest.raises(ConfigError, match="has no"):
        with_table("nothing", {}, tmp_path)


def test_the_page_is_not_stale() -> None:
    text = (DOCS / "speech.md").read_text(encoding="utf-8")
    assert with_table(text, installed().speech, DOCS / "speech") == text, "run: make docs"
