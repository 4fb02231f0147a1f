from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.sentences import MAX_PIECE_CHARS, SentenceCutter, sentences


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "en",
            "Dr. Smith paid 3.50 euros. Then he left! Why?",
            ["Dr. Smith paid 3.50 euros.", "Then he left!", "Why?"],
        ),
        ("en", "J. R. Tolkien, e.g. in 1937. Yes.", ["J. R. Tolkien, e.g. in 1937.", "Yes."]),
        ("en", "1. First we look. 2. Then we act.", ["1. First we look.", "2. Then we act."]),
        ("en", 'He said "No." Then... nothing?! Fine', ['He said "No."', "Then...", "nothing?!", "Fine"]),
        (
            "en",
            "It starts at 5 p.m. on Monday. Call a.s.a.p. please.",
            ["It starts at 5 p.m. on Monday.", "Call a.s.a.p. please."],
        ),
        ("fr", "M. Dupont habite av. Foch. Il arrive à 8 h.", ["M. Dupont habite av. Foch.", "Il arrive à 8 h."]),
        ("fr", "Vraiment ? Oui, p. ex. demain. Voilà !", ["Vraiment ?", "Oui, p. ex. demain.", "Voilà !"]),
        ("de", "Am 3. Mai kommt z. B. Dr. Maier. Gut.", ["Am 3. Mai kommt z. B. Dr. Maier.", "Gut."]),
        ("de", "Das sind ca. 20 km, d.h. weit. Ja.", ["Das sind ca. 20 km, d.h. weit.", "Ja."]),
        ("nl", "Dhr. de Vries komt a.s. maandag. Goed zo.", ["Dhr. de Vries komt a.s. maandag.", "Goed zo."]),
        (
            "es",
            "El Sr. Gómez vive en EE.UU. desde hoy. ¿Sí? ¡Claro!",
            ["El Sr. Gómez vive en EE.UU. desde hoy.", "¿Sí?", "¡Claro!"],
        ),
        (
            "it",
            "Il sig. Rossi e la dott.ssa Bianchi. Chi è. Bene.",
            ["Il sig. Rossi e la dott.ssa Bianchi.", "Chi è.", "Bene."],
        ),
        (
            "pt",
            "O Sr. Silva mora na av. Brasil. Isso é. Tchau.",
            ["O Sr. Silva mora na av. Brasil.", "Isso é.", "Tchau."],
        ),
        ("en", "One line\nanother line\n\nlast", ["One line", "another line", "last"]),
        ("en", "", []),
    ],
)
def test_sentences_end_where_people_end_them(language: str, text: str, expected: list[str]) -> None:
    assert sentences(text, language) == expected


def test_a_stream_is_cut_as_soon_as_a_sentence_is_complete() -> None:
    cutter = SentenceCutter("en")
    assert cutter.push("Yes.") == []
    assert cutter.push(" I can do 3") == []
    assert cutter.push(".5 of that.") == []
    assert cutter.push(" ") == ["Yes. I can do 3.5 of that."]
    assert cutter.push("Ok. Next") == ["Ok."]
    assert cutter.flush() == ["Next"]
    assert cutter.flush() == []
    assert cutter.push("Yes. ") == []


def test_markup_is_not_torn_apart() -> None:
    cutter = SentenceCutter("en", first_min=1)
    assert cutter.push('<speak>Hi there. How <break time="1s"/> are') == []
    assert cutter.push(" you? </speak> And on. ") == [
        '<speak>Hi there. How <break time="1s"/> are you? </speak>',
        "And on.",
    ]
    assert cutter.push('Click <a title="Now. Or never') == []
    assert cutter.push('">here</a>. ') == ['Click <a title="Now. Or never">here</a>.']


def test_no_piece_grows_without_end() -> None:
    cutter = SentenceCutter("en")
    out = cutter.push("and so on, word " * 100)
    assert out
    assert all(len(piece) <= MAX_PIECE_CHARS for piece in out)
    assert all(piece.endswith(",") for piece in out)
    assert all(len(piece) <= MAX_PIECE_CHARS for piece in SentenceCutter("en").push("x" * 3000))
    assert SentenceCutter("en").push("<speak>" + "x" * 30_000)


texts = st.lists(
    st.sampled_from(
        ["Dr", ".", ". ", "! ", "? ", " ", "\n", "3", "word", "Été", "...", "e.g", "J", '"', ")", "a" * 90, ", "]
    ),
    max_size=60,
).map("".join)


@given(texts, st.lists(st.integers(1, 40), max_size=20), st.sampled_from(["en", "de", "fr"]))
def test_cutting_the_stream_anywhere_gives_the_same_sentences(text: str, cuts: list[int], language: str) -> None:
    whole = SentenceCutter(language)
    expected = whole.push(text) + whole.flush()
    cutter, got, rest = SentenceCutter(language), [], text
    for cut in cuts:
        got += cutter.push(rest[:cut])
        rest = rest[cut:]
    got += cutter.push(rest) + cutter.flush()
    assert got == expected
    assert "".join("".join(got).split()) == "".join(text.split())
