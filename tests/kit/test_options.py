"""Vendor options are read leniently: whatever somebody writes, there is a result, and a sentence on what is wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.kit.options import VendorOptions, read_options, understood


class Options(VendorOptions):
    smart_format: bool | None = None
    endpointing: int | None = None
    keyterms: tuple[str, ...] = ()
    ALIASES: ClassVar = {"keyterms": ("keyterm", "keywords")}


@pytest.mark.parametrize("name", ["smart_format", "smartFormat", "smart-format", "SMART_FORMAT"])
def test_a_name_may_be_written_in_any_case(name: str) -> None:
    assert understood(Options, {name: True}) == (Options(smart_format=True), [])


@pytest.mark.parametrize("name", ["options", "deepgramOptions", "acme_options"])
def test_options_may_stand_in_an_object_of_their_own(name: str) -> None:
    assert understood(Options, {name: {"endpointing": "300"}, "keyterm": ["a"]}) == (
        Options(endpointing=300, keyterms=("a",)),
        [],
    )


def test_an_unknown_option_is_named_with_the_nearest_one() -> None:
    assert understood(Options, {"endpointng": 300, "smartFormat": True}) == (
        Options(smart_format=True),
        ["unknown option 'endpointng'; did you mean `endpointing`?"],
    )


def test_an_unusable_value_is_ignored_and_not_repeated() -> None:
    found, problems = understood(Options, {"endpointing": "secret", "smart_format": True})
    assert found == Options(smart_format=True)
    assert [problem.partition(":")[0] for problem in problems] == ["option 'endpointing' is ignored"]
    assert "secret" not in problems[0]


def test_null_is_as_good_as_nothing() -> None:
    assert understood(Options, {"endpointing": None}) == (Options(), [])


def test_the_same_option_under_two_names_is_taken_once() -> None:
    found, problems = understood(Options, {"keyterm": ["a"], "keywords": ["b"]})
    assert found.keyterms == ("a",)
    assert problems == ["option 'keywords' says again what another one says"]


def test_a_warning_is_told_once() -> None:
    with capture_logs() as logs:
        for _ in range(3):
            read_options(Options, {"endpointing_told_once": 1}, "acme-told-once")
    assert [entry["problem"] for entry in logs] == [
        "unknown option 'endpointing_told_once'; did you mean `endpointing`?"
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
names = st.sampled_from(["smart_format", "endpointing", "keyterms", "options"]) | st.text()


@given(st.dictionaries(names, anything))
def test_whatever_is_written_there_is_a_result(options: dict[str, Any]) -> None:
    found, problems = understood(Options, options)
    assert isinstance(found, Options)
    assert all(isinstance(problem, str) for problem in problems)
