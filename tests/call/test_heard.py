"""Heard words from heard seconds."""

from __future__ import annotations

import pytest

from gateway.call.heard import heard_text, whole_words


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (0, ""),
        (0.2, ""),
        (1.0, "one two"),
        (1.99, "one two three"),
        (2.0, "one two three four"),
        (9, "one two three four"),
    ],
)
def test_without_word_times_the_text_is_shared_out_over_the_length(heard, words):
    assert heard_text("one two three four", heard, length=2.0) == words


def test_word_times_are_believed():
    spoken = [(0.5, 3), (0.6, 7), (3.0, 13)]
    assert heard_text("one two three four", 0.61, spoken=spoken, length=4) == "one two"
    assert heard_text("one two three four", 3.0, spoken=spoken, length=4) == "one two three"
    assert heard_text("one two three four", 4.0, spoken=spoken, length=4) == "one two three four"


def test_between_word_times_the_words_are_shared_out():
    spoken = [(1.0, 3), (2.0, 18)]
    assert heard_text("one two three four", 1.9, spoken=spoken, length=10) == "one two three"
    assert heard_text("one two three four", 0.9, spoken=spoken, length=10) == ""


def test_nothing_heard_is_no_word_whatever_the_synthesizer_says_of_the_start():
    assert heard_text("one two", 0, spoken=[(0.0, 3)]) == ""
    assert heard_text("one two", 0.001, spoken=[(0.0, 3)]) == "one"
    assert heard_text("a b", 0.01, length=3.0) == ""


@pytest.mark.parametrize(("last", "length"), [(2.0, 2.0), (2.5, 2.0)])
def test_a_prompt_whose_last_word_time_is_its_end_was_heard_whole(last, length):
    assert heard_text("one two three", 3.0, spoken=[(last, 7)], length=length) == "one two three"
    assert heard_text("", 3.0, spoken=[(last, 7)], length=length) == ""


def test_the_usual_speed_is_fifteen_characters_a_second():
    assert heard_text("x" * 15 + " y", 1.0) == "x" * 15
    assert heard_text("x" * 16 + " y", 1.0) == ""
    assert heard_text("one two three four", 1.5, spoken=[(1.0, 3)]) == "one two"


def test_a_prompt_still_being_synthesized_is_taken_at_the_usual_speed():
    assert heard_text("a b c d e f g h i j k l m n o p", 1.0) == "a b c d e f g h"


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("bonjour", 3, ""),
        ("bonjour monsieur", 8, "bonjour"),
        ("bonjour monsieur", 7, "bonjour"),
        ("a bc", 1, "a"),
        ("one two", 4, "one"),
        ("one two", 5, "one"),
        ("one two ", 8, "one two"),
        ("one two ", 9, "one two"),
        ("", 0, ""),
        ("ab今cd", 4, "ab今"),
        ("今日は元気", 3, "今日は"),
    ],
)
def test_only_whole_words_count(text, count, words):
    assert whole_words(text, count) == words
