"""From a question to a grammar and a dictionary, and from a hypothesis back to the text as it was given."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.speech.local.grammar import MAX_PHRASES, compile_grammar


def letters(phrase: str) -> list[list[str]]:
    """Every word sounds as it is spelled; an "x" in it has a second pronunciation."""
    words = re.findall(r"[a-z]+", phrase.lower())
    return [[" ".join(word.upper()), *([" ".join(word.upper()) + " Z"] if "x" in word else [])] for word in words]


def said(dictionary: str, phrase: str) -> str:
    """The hypothesis of somebody who says the phrase."""
    names = {line.split(" ", 1)[1]: re.sub(r"\(\d+\)", "", line.split()[0]) for line in dictionary.splitlines()}
    return " ".join(names[word[0]] for word in letters(phrase))


def test_a_phrase_comes_back_as_it_was_spelled() -> None:
    grammar = compile_grammar(["Sales, please!", "The Support"], [], letters)
    assert grammar is not None
    assert not grammar.is_loop
    assert grammar.text(said(grammar.dictionary, "the support")) == "The Support"
    assert grammar.text(said(grammar.dictionary, "sales please")) == "Sales, please!"
    assert grammar.text(said(grammar.dictionary, "sales")) == ""  # half a phrase is none


def test_words_that_follow_each_other_are_put_together() -> None:
    grammar = compile_grammar([], ["one", "two", "twenty one"], letters)
    assert grammar is not None
    assert grammar.is_loop
    assert grammar.text(said(grammar.dictionary, "two one two")) == "two one two"
    assert grammar.text(said(grammar.dictionary, "twenty one one")) == "twenty one one"
    assert grammar.text("") == ""


def test_phrases_and_words_can_be_asked_for_together() -> None:
    grammar = compile_grammar(["one agent please"], ["one", "two"], letters)
    assert grammar is not None
    assert grammar.text(said(grammar.dictionary, "one agent please")) == "one agent please"
    assert grammar.text(said(grammar.dictionary, "one two")) == "one two"


def test_of_two_phrases_that_sound_alike_the_first_counts() -> None:
    grammar = compile_grammar(["Sales", "sales!"], [], letters)
    assert grammar is not None
    assert grammar.text(said(grammar.dictionary, "sales")) == "Sales"


def test_every_pronunciation_is_in_the_dictionary() -> None:
    grammar = compile_grammar(["fax"], [], letters)
    assert grammar is not None
    assert grammar.dictionary == "w0 F A X\nw0(2) F A X Z\n"


@pytest.mark.parametrize("phrases", [[], ["", "!?", "…"]], ids=["nothing", "nothing that can be said"])
def test_a_question_without_a_word_has_no_grammar(phrases: list[str]) -> None:
    assert compile_grammar(phrases, [], letters) is None


def test_there_is_a_bound() -> None:
    names = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(MAX_PHRASES + 50)]
    grammar = compile_grammar(names, [], letters)
    assert grammar is not None
    assert len(grammar.phrases) == MAX_PHRASES


@given(st.lists(st.text(max_size=30), max_size=5), st.lists(st.text(max_size=10), max_size=3))
def test_nothing_a_bot_writes_gets_into_the_grammar(phrases: list[str], loop: list[str]) -> None:
    grammar = compile_grammar(phrases, loop, letters)
    if grammar is not None:
        rules = grammar.jsgf.split("\n", 2)[2]
        assert re.fullmatch(r"(<word> = [w\d |]+;\n)?public <answer> = ([w\d |]|<word>\+)+;\n", rules)
        assert re.fullmatch(r"(w\d+(\(\d+\))? [A-Z ]+\n)+", grammar.dictionary)
