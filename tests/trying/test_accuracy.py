"""Word errors are counted as everybody counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trying.accuracy import middle, word_errors, words_of

WORDS = st.lists(st.sampled_from("abc"), max_size=8)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("the opening hours", "the opening hours", 0),
        ("the opening hours", "opening hours", 1),
        ("the opening hours", "the open hours", 1),
        ("the opening hours", "in the opening of hours", 2),
        ("the opening hours", "", 3),
        ("", "anything at all", 3),
        ("Don’t stop, please!", "don't stop please", 0),
        ("À bientôt", "à bientot", 1),
    ],
)
def test_the_fewest_changes(said: str, heard: str, errors: int) -> None:
    assert word_errors(words_of(said), words_of(heard)) == errors


@given(WORDS, WORDS, WORDS)
def test_it_is_a_distance(one: list[str], two: list[str], three: list[str]) -> None:
    assert (word_errors(one, two) == 0) is (one == two)
    assert word_errors(one, two) == word_errors(two, one)
    assert word_errors(one, three) <= word_errors(one, two) + word_errors(two, three)
    assert abs(len(one) - len(two)) <= word_errors(one, two) <= max(len(one), len(two))


def test_the_middle() -> None:
    assert middle([]) is None
    assert middle([3.0, 1.0, 2.0]) == 2.0
    assert middle([float(n) for n in range(100)], 0.95) == 95.0
    assert middle([1.0], 0.95) == 1.0
