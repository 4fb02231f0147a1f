"""Phonemes of any language as the sounds of the English model."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.speech.local.phones import MAX_VARIANTS, variants

PHONE = re.compile("AA|AE|AH|AO|AW|AY|EH|ER|EY|IH|IY|OW|OY|UH|UW|B|CH|DH?|F|G|HH|JH|K|L|M|NG?|P|R|SH?|TH?|V|W|Y|ZH?")


@pytest.mark.parametrize(
    ("ipa", "expected"),
    [
        ("w_ˈi", "W IY"),  # oui
        ("n_ˈɔ̃", "N OW N"),  # non
        ("d_ˈø", "D ER"),  # deux
        ("t_ʁ_w_ˈa", "T R W AA"),  # trois
        ("s_ˈɛ_ŋ_k", "S EH NG K"),
        ("n_ˈɔø_n", "N OY N"),  # neun
        ("tʃ_ˈa_o", "CH AA OW"),
        ("(en)_h_ə_l_ˈəʊ_(fr)", "HH AH L OW"),  # a word that espeak-ng reads as English
    ],
)
def test_a_word_is_pronounced_with_the_nearest_english_sounds(ipa: str, expected: str) -> None:
    assert variants(ipa)[0] == expected


def test_doubtful_sounds_have_alternatives_and_the_likeliest_comes_first() -> None:
    found = variants("ʁ_y")
    assert found[0] == "R UW"
    assert {"R IY", "HH UW"} <= set(found)
    assert len(found) == len(set(found))


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert variants("b\u00e3") == variants("ba\u0303") == ["B AH N", "B AA N"]


def test_there_are_never_more_than_the_bound() -> None:
    assert len(variants("_".join("aeoʁyø" * 4))) == MAX_VARIANTS


@given(st.text(max_size=40))
def test_anything_becomes_phones_of_the_model_or_nothing(ipa: str) -> None:
    for word in variants(ipa):
        assert all(PHONE.fullmatch(phone) for phone in word.split())
