from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.language import LANGUAGES
from gateway.text.numbers import component_words, digit_words, parse_digits, parse_number, parse_phone
from gateway.text.numerals import LIMIT, number_words
from gateway.text.reading import reader, tokens

TAGS = (*LANGUAGES, "en-US", "fr-BE", "fr-CH", "pt-BR")


@pytest.mark.parametrize(
    ("language", "number", "written"),
    [
        ("en-GB", 121, "one hundred and twenty-one"),
        ("en-US", 121, "one hundred twenty-one"),
        ("en-GB", 1_000_001, "one million and one"),
        ("en", -3.25, "minus three point two five"),
        ("fr", 71, "soixante et onze"),
        ("fr", 80, "quatre-vingts"),
        ("fr", 81, "quatre-vingt-un"),
        ("fr", 99, "quatre-vingt-dix-neuf"),
        ("fr-BE", 99, "nonante-neuf"),
        ("fr", 200, "deux cents"),
        ("fr", 80_000, "quatre-vingt mille"),
        ("fr", 1984, "mille neuf cent quatre-vingt-quatre"),
        ("de", 21, "einundzwanzig"),
        ("de", 1_000_000, "eine Million"),
        ("de", 2026, "zweitausendsechsundzwanzig"),
        ("nl", 22, "tweeëntwintig"),
        ("nl", 21, "eenentwintig"),
        ("es", 21, "veintiuno"),
        ("es", 31_000, "treinta y un mil"),
        ("es", 100, "cien"),
        ("es", 2_000_000_000, "dos mil millones"),
        ("it", 28, "ventotto"),
        ("it", 2323, "duemilatrecentoventitré"),
        ("pt", 1100, "mil e cem"),
        ("pt", 16, "dezasseis"),
        ("pt-BR", 16, "dezesseis"),
        ("pt-BR", 2_000_000_000, "dois bilhões"),
    ],
)
def test_numbers_are_written_as_they_are_said(language: str, number: float, written: str) -> None:
    assert number_words(number, language) == written


@pytest.mark.parametrize("number", [LIMIT, -LIMIT, float("nan"), float("inf")])
def test_what_is_too_large_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="too large"):
        number_words(number, "en")


@pytest.mark.parametrize("language", TAGS)
def test_every_number_up_to_two_thousand_is_read_as_it_is_written(language: str) -> None:
    known = reader(language)
    wrong = [n for n in range(2001) if known.integer(tokens(number_words(n, language))) != n]
    assert not wrong


@given(st.sampled_from(TAGS), st.integers(-LIMIT + 1, LIMIT - 1))
def test_reading_is_the_opposite_of_writing(language: str, number: int) -> None:
    assert parse_number(number_words(number, language), language) == number


@given(st.sampled_from(TAGS), st.integers(-(10**7), 10**7), st.integers(1, 4))
def test_decimals_too(language: str, digits: int, places: int) -> None:
    number = Decimal(digits).scaleb(-places)
    assert parse_number(number_words(number, language), language) == float(number)


@given(st.sampled_from(TAGS), st.integers(0, LIMIT - 1), st.randoms())
def test_spaces_hyphens_and_accents_do_not_matter(language: str, number: int, random) -> None:
    written = number_words(number, language).upper().replace("-", random.choice([" ", "-"])).replace("É", "E")
    assert parse_number(written, language) == number


@pytest.mark.parametrize(
    ("language", "text", "number"),
    [
        ("en", "about two hundred and five euros, please", 205),
        ("en", "a hundred", 100),
        ("en", "fifteen hundred", 1500),
        ("en", "two and a half", 2.5),
        ("en", "2.5 million", 2_500_000),
        ("en", "1,250.50", 1250.5),
        ("en", "1 250", 1250),
        ("en", "-5 degrees", -5),
        ("en", "negative four", -4),
        ("en", "four two", 42),
        ("en", "one child", 1),
        ("en", "one", 1),
        ("en-US", "1,250", 1250),
        ("fr", "soixante-dix", 70),
        ("fr", "quatre vingt onze euros", 91),
        ("fr", "septante-trois", 73),
        ("fr", "moins deux virgule zéro cinq", -2.05),
        ("fr", "1 250,5", 1250.5),
        ("fr", "une personne s'il vous plaît", 1),
        ("de", "ein und zwanzig", 21),
        ("de", "zweieinhalb", 2.5),
        ("de", "anderthalb", 1.5),
        ("de", "1.250,5", 1250.5),
        ("de", "fünfzehnhundert", 1500),
        ("nl", "drie en een half", 3.5),
        ("nl", "honderdéén", 101),
        ("es", "veintiún mil", 21_000),
        ("es-MX", "1,250.5", 1250.5),
        ("es", "doscientas treinta y una", 231),
        ("it", "due e mezzo", 2.5),
        ("it", "venti otto", 28),
        ("pt", "duas mil e quinhentas", 2500),
        ("pt", "dezesseis", 16),
    ],
)
def test_numbers_are_found_in_answers(language: str, text: str, number: float) -> None:
    found = parse_number(text, language)
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", ""),
        ("en", "two or three"),
        ("en", "no idea"),
        ("en", "twenty or so, maybe thirty"),
        ("de", "ich habe eine Frage"),
        ("fr", "j'ai un petit problème"),
        ("fr", "trois ou quatre"),
    ],
)
def test_what_is_no_single_number_is_none(language: str, text: str) -> None:
    assert parse_number(text, language) is None


@pytest.mark.parametrize(
    ("language", "text", "digits"),
    [
        ("en", "four two double seven", "4277"),
        ("en", "my number is oh four one two, thanks", "0412"),
        ("en", "04 12 99", "041299"),
        ("en", "1,2,3", "123"),
        ("en", "nineteen eighty four", "1984"),
        ("en", "triple five dash one", "5551"),
        ("fr", "zéro six douze trente-quatre cinquante-six soixante-dix-huit", "0612345678"),
        ("fr", "deux fois sept un", "771"),
        ("fr", "c'est le quatre deux", "42"),
        ("de", "vier zwei", "42"),
        ("de", "null vier eins zwo", "0412"),
        ("de", "doppel sieben", "77"),
        ("nl", "dubbel zeven drie", "773"),
        ("es", "doble cero siete", "007"),
        ("it", "doppio tre uno", "331"),
        ("pt", "meia dois três", "623"),
    ],
)
def test_digits_are_said_in_many_ways(language: str, text: str, digits: str) -> None:
    assert parse_digits(text, language) == digits


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "no idea"), ("en", "four then perhaps two"), ("fr", "j'ai un problème"), ("en", "1" * 65), ("de", "")],
)
def test_what_has_no_digits_is_none(language: str, text: str) -> None:
    assert parse_digits(text, language) is None


@given(st.sampled_from(TAGS), st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_digits_read_out_one_by_one_are_understood(language: str, digits: list[int]) -> None:
    said = ", ".join(number_words(digit, language) for digit in digits)
    expected = "".join(map(str, digits))
    # What makes a number in a row is one: "vingt", "quatre" ... single digits never do, but for quatre vingt.
    assert parse_digits(said, language) == expected


@pytest.mark.parametrize(
    ("language", "text", "number"),
    [
        ("en", "+33 (0)6 12 34 56 78", "+33612345678"),
        ("en", "0033 612 345 678", "+33612345678"),
        ("en", "06-12.34/56 78", "0612345678"),
        ("en", "plus four four two oh seven nine four six", "+442079 46".replace(" ", "")),
        ("en", "it's 212", "212"),
        ("fr", "plus trente-trois six douze trente-quatre cinquante-six soixante-dix-huit", "+33612345678"),
        ("de", "null eins sieben sechs", "0176"),
        ("en", "12", None),
        ("en", "call me", None),
        ("en", "1234567890123456", None),
    ],
)
def test_telephone_numbers(language: str, text: str, number: str | None) -> None:
    assert parse_phone(text, language) == number


@given(st.sampled_from(TAGS), st.text(max_size=60))
def test_any_text_is_harmless(language: str, text: str) -> None:
    parse_number(text, language)
    digits = parse_digits(text, language)
    assert digits is None or (digits.isascii() and digits.isdigit())
    phone = parse_phone(text, language)
    assert phone is None or phone.removeprefix("+").isascii()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_grammar_are_understood(language: str) -> None:
    assert all(parse_digits(word, language) for word in digit_words(language))
    known = reader(language)
    minus, point = component_words(language)[-2:]
    assert all(known.is_part(tokens(word)[0]) for word in component_words(language) if word not in (minus, point))
