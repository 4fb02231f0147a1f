"""One YAML text: values as written, places of keys, variables, and what is no configuration."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.document import MAX_ALIASED_VALUES, MAX_DEPTH, Place, parse


def values(text: str, **env: str) -> object:
    document = parse(text, "t.yaml", env)
    assert document.problems == []
    return document.values


def problems(text: str, **env: str) -> list[str]:
    return [str(problem) for problem in parse(text, "t.yaml", env).problems]


def test_words_stay_words() -> None:
    assert values("{a: off, b: on, c: yes, d: no, e: No, f: true, g: False, h: ~, i: , j: null}") == {
        "a": "off",
        "b": "on",
        "c": "yes",
        "d": "no",
        "e": "No",
        "f": True,
        "g": False,
        "h": None,
        "i": None,
        "j": None,
    }


def test_numbers_that_are_more_than_numbers_keep_every_character() -> None:
    assert values("{a: +33123, b: 0033, c: 007, d: 1_000, e: 12:30, f: 0x1F, g: 2026-11-21, i: -3, j: 1.50}") == {
        "a": "+33123",
        "b": "0033",
        "c": "007",
        "d": "1_000",
        "e": "12:30",
        "f": "0x1F",
        "g": "2026-11-21",
        "i": -3,
        "j": 1.5,
    }


def test_keys_are_text_as_written() -> None:
    assert values("{+33123: 1, 0033: 2, on: 3, 1.50: 4, null: 5}") == {
        "+33123": 1,
        "0033": 2,
        "on": 3,
        "1.50": 4,
        "null": 5,
    }


def test_every_key_and_item_has_a_place() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "t.yaml", {})
    assert document.places[("a", "b")] == Place("t.yaml", 2)
    assert document.places[("a", "c", 1, "d")] == Place("t.yaml", 5)
    assert document.place(("a", "c", 1, "nothing")) == Place("t.yaml", 5)
    assert document.place(("nothing",)) == Place("t.yaml", 1)


def test_variables() -> None:
    text = 'a: ${A}\nb: "x ${A} ${B:-two words} y"\nc: ${EMPTY:-default}\nd: ${EMPTY}\ne: "$${A}"\nf: ${N:-}\n${A}: g\n'
    assert values(text, A="1", EMPTY="") == {
        "a": "1",
        "b": "x 1 two words y",
        "c": "default",
        "d": "",
        "e": "${A}",
        "f": "",
        "1": "g",
    }


def test_a_variable_is_not_read_again() -> None:
    assert values("a: ${A}", A="${B}: [c]") == {"a": "${B}: [c]"}


def test_a_missing_variable_names_file_line_and_key() -> None:
    (problem,) = problems("server:\n  api_token: ${TOKEN}\n")
    assert problem.startswith("t.yaml:2: server.api_token: the environment has no variable TOKEN")


@pytest.mark.parametrize("text", ["a: ${}", "a: ${A-b}", "a: ${1A}", "a: ${A", "a: ${A B}"])
def test_what_looks_like_a_variable_must_be_one(text: str) -> None:
    (problem,) = problems(text, A="x")
    assert "is no variable" in problem


def test_a_variable_without_quotes_in_a_flow_block_gets_a_hint() -> None:
    (problem,) = problems("a: 1\nserver: {port: ${PORT}}", PORT="1")
    assert problem.startswith("t.yaml:2: not valid YAML")
    assert problem.endswith("within { } and [ ], ${NAME} needs quotes")


def test_a_key_that_is_set_twice_names_both_lines() -> None:
    (problem,) = problems("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert problem == "t.yaml:4: a.b: is set twice; first in line 2"


def test_anchors_and_merges() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {z: 3}\nc: {<<: [*a, *b], y: 4}\nd: *a\n"
    assert values(text)["c"] == {"x": 1, "y": 4, "z": 3}  # type: ignore[index]  # a dict
    assert values(text)["d"] == {"x": 1, "y": 2}  # type: ignore[index]  # a dict


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a {b: *a}", "contains itself"),
        ("a: &a [*a]", "contains itself"),
        ("a: &a {<<: *a}", "merges"),
        ("a: {<<: 1}", "merges"),
        ("a: !!python/object:os.system {}", "contains"),
        ("a: !secret x", "tag !secret"),
        ("? [a, b]\n: c", "not a word"),
        ("- a", "must be a block"),
        ("just text", "must be a block"),
        ("a: b: c", "not valid YAML"),
        ("a: [1, 2", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: \x07", "not valid YAML"),
        ("a: !!int x", "not a number"),
    ],
)
def test_what_cannot_be_read_is_one_problem(text: str, reason: str) -> None:
    found = problems(text)
    if reason == "contains":  # a tag on a block is ignored: it makes nothing
        assert parse(text, "t.yaml", {}).values == {"a": {}}
        return
    assert len(found) == 1
    assert reason in found[0]


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    document = parse("\n".join(lines), "t.yaml", {})
    (problem,) = document.problems
    assert problem.reason == f"has aliases that stand for more than {MAX_ALIASED_VALUES} values"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 100_000])
def test_depth_is_bounded(depth: int) -> None:
    (problem,) = problems("a: " + "[" * depth + "]" * depth)
    assert problem == f"t.yaml:1: has more than {MAX_DEPTH} blocks in each other"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~", "null"])
def test_nothing_is_an_empty_configuration(text: str) -> None:
    assert values(text) == {}


@settings(deadline=None)
@given(st.text(max_size=200), st.dictionaries(st.sampled_from("AB"), st.text(max_size=5)))
def test_any_text_is_read_or_refused(text: str, env: dict[str, str]) -> None:
    document = parse(text, "t.yaml", env)
    assert isinstance(document.values, dict)
    assert all(problem.file == "t.yaml" for problem in document.problems)


# What PyYAML writes as a bare word and the configuration reads as a number, such as `1e3`, is one on purpose.
words = st.text(max_size=8).filter(lambda word: not re.fullmatch(r"[-+]?[0-9][0-9_.]*[eE][-+]?[0-9]+", word))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words)
nested = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=5)
trees = st.dictionaries(words, nested, max_size=4)


@settings(deadline=None)
@given(trees)
def test_what_was_written_as_yaml_is_read_back(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree).replace("${", "$${")
    document = parse(text, "t.yaml", {})
    assert document.problems == []
    assert document.values == tree
