"""Which changes to the code are tried, and which of them nobody asks the tests to notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutants import Mutant, Suite, mutants_of, without_equivalents
from tools.mutations import mutations

SOURCE = """\
def grown(size):
    size = size + 1
    return size * 1
"""


@pytest.fixture
def mutants(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "growth.py").write_text(SOURCE, encoding="utf-8")
    return mutants_of(tmp_path, [Suite(("*.py",), ("tests",))])


def listed(tmp_path: Path, entry: str) -> Path:
    path = tmp_path / "equivalent.toml"
    path.write_text(f"[[mutant]]\nreason = 'one'\n{entry}\n", encoding="utf-8")
    return path


def changed(mutants: list[Mutant]) -> list[str]:
    return [mutant.mutation.apply(mutant.source).decode() for mutant in mutants]


def test_each_change_is_one(mutants: list[Mutant]):
    assert changed(mutants) == [
        SOURCE.replace("size + 1", "(size - 1)"),
        SOURCE.replace("+ 1", "+ 2"),
        SOURCE.replace("size * 1", "(size / 1)"),
        SOURCE.replace("size * 1", "None"),
        SOURCE.replace("* 1", "* 2"),
    ]


def test_docstrings_types_and_logs_are_left_alone():
    assert mutations(b'def hush(a: "x[0]" = None) -> 1:\n    """2"""\n    log.info("a", b=3)\n') == []


def test_what_is_listed_is_left_out(mutants: list[Mutant], tmp_path: Path):
    everywhere = listed(tmp_path, "file = 'growth.py'\nold = '1'\nnew = '2'")
    left, stale = without_equivalents(mutants, everywhere)
    assert (len(left), stale) == (3, [])
    there = listed(tmp_path, "file = 'growth.py'\nold = '1'\nnew = '2'\nline = 'return size * 1'")
    left, stale = without_equivalents(mutants, there)
    assert (len(left), stale) == (4, [])
    assert SOURCE.replace("* 1", "* 2") not in changed(left)


def test_an_entry_that_names_nothing_any_more_is_told(mutants: list[Mutant], tmp_path: Path):
    gone = listed(tmp_path, "file = 'growth.py'\nold = '1'\nnew = '2'\nline = 'return size * 3'")
    left, stale = without_equivalents(mutants, gone)
    assert (len(left), stale) == (5, ["growth.py: 1  ->  2"])
    elsewhere = listed(tmp_path, "file = 'shrinking.py'\nold = '1'\nnew = '2'")
    assert without_equivalents(mutants, elsewhere) == (mutants, [])


def test_nothing_listed_leaves_everything(mutants: list[Mutant], tmp_path: Path):
    assert without_equivalents(mutants, tmp_path / "missing.toml") == (mutants, [])
