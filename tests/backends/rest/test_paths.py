"""Paths into JSON, and templates of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.rest.paths import Path
from gateway.backends.rest.templates import fill, fill_text, names_in

ANSWER = {
    "messages": [{"text": "One"}, {"text": "Two", "tags": ["a", "b"]}, {"image": "x"}],
    "first name": {"value": 3},
    "empty": [],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.messages[*].text", ["One", "Two"]),
        ("messages[0].text", ["One"]),
        ("$.messages[-1].image", ["x"]),
        ("$.messages[1].tags[*]", ["a", "b"]),
        ("$['first name'].value", [3]),
        ('$["first name"]["value"]', [3]),
        ("$.messages[7].text", []),
        ("$.messages.text", []),
        ("$.nothing.at.all", []),
        ("$.empty[*]", []),
        ("$", [ANSWER]),
        ("", [ANSWER]),
    ],
)
def test_a_path_leads_to_what_it_names(path: str, found: list[Any]) -> None:
    assert Path.parse(path).find(ANSWER) == found


@pytest.mark.parametrize("path", ["$..text", "$.a[", "$.a[x]", "a b", "$.a[?(@.b)]", "$." + "a." * 40 + "a"])
def test_what_is_no_path_is_said_with_where(path: str) -> None:
    with pytest.raises(ValueError, match="is no path such as"):
        Path.parse(path)


@given(st.lists(st.sampled_from([".a", "[0]", "[*]", "['b c']", "[-2]"]), max_size=6), JSON)
def test_a_path_finds_something_or_nothing_in_anything(steps: list[str], value: Any) -> None:
    Path.parse("$" + "".join(steps)).find(value)


KNOWN = {"text": 'Say "hi"', "call": {"from": "+331", "custom": {"x y": "1&2"}}, "session": {"n": 1}, "turn": 3}


def test_a_hole_alone_becomes_the_value_and_text_within_a_string() -> None:
    template = {"q": "{{text}}", "n": "{{ turn }}", "s": "{{session}}", "l": ["{{call.from}}: {{turn}}"], "k": 5}
    assert fill(template, KNOWN) == {"q": 'Say "hi"', "n": 3, "s": {"n": 1}, "l": ["+331: 3"], "k": 5}


def test_what_is_not_known_is_null_or_nothing() -> None:
    assert fill({"a": "{{choice.id}}", "b": "<{{choice.id}}>"}, KNOWN) == {"a": None, "b": "<>"}


def test_a_value_is_made_fit_for_its_place() -> None:
    assert (
        fill_text("https://b/{{call.custom['x y']}}", KNOWN, lambda text: text.replace("&", "%26")) == "https://b/1%262"
    )


@given(st.text(), JSON)
def test_no_value_gets_out_of_its_string(text: str, session: Any) -> None:
    known = {"text": text, "session": session}
    filled = fill({"a": "<{{text}}>", "b": "{{session}}", "c": ["{{text}}"]}, known)
    assert json.loads(json.dumps(filled)) == {"a": f"<{text}>", "b": session, "c": [text]}


def test_the_names_of_a_template() -> None:
    assert list(names_in({"{{a}}": ["{{b.c}} {{ d }}", 5], "e": None})) == ["a", "b.c", "d"]
