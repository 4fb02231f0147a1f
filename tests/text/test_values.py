from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.language import LANGUAGES
from gateway.text.lexicon import lexicon
from gateway.text.numerals import number_words
from gateway.text.values import Parsed, parse, phrases_for, warm
from gateway.text.yesno import yes_or_no

TODAY = date(2026, 11, 21)  # a Saturday


def value(kind, text: str, language: str = "en-GB"):
    parsed = parse(kind, text, language, today=TODAY)
    return None if parsed is None else parsed.value


def test_a_value_comes_with_its_plainest_spelling() -> None:
    assert parse("number", "minus two point five", "en", today=TODAY) == Parsed(-2.5, "-2.5")
    assert parse("digits", "four two", "en", today=TODAY) == Parsed("42", "42")
    assert parse("yesno", "oui merci", "fr", today=TODAY) == Parsed(True, "oui")
    assert parse("date", "morgen", "de", today=TODAY) == Parsed("2026-11-22", "2026-11-22")
    assert parse("free", "anything", "en", today=TODAY) is None
    assert parse("digits", "1 " * 600, "en", today=TODAY) is None


# --- yes and no ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_says_what_it_says(language: str) -> None:
    known = lexicon(language)
    assert [phrase for phrase in known.yes if yes_or_no(phrase, language) is not True] == []
    assert [phrase for phrase in known.no if yes_or_no(phrase, language) is not False] == []
    assert {yes_or_no(phrase, language) for phrase in known.yes_heard} == {True}
    assert {yes_or_no(phrase, language) for phrase in known.no_heard} == {False}


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "Yes, that's right.", True),
        ("en", "sure, go ahead", True),
        ("en", "no problem", True),
        ("en", "no thank you", False),
        ("en", "of course not", False),
        ("en", "well, I don't think so", False),
        ("en", "yes. no.", None),
        ("en", "maybe", None),
        ("en", "1", True),
        ("en", " 2 ", False),
        ("fr", "ben oui", True),
        ("fr", "bien sûr que non", False),
        ("fr", "pourquoi pas", True),
        ("de", "ja, das stimmt", True),
        ("de", "das stimmt nicht", False),
        ("nl", "nee hoor", False),
        ("nl", "dat klopt", True),
        ("es", "claro que no", False),
        ("es", "por supuesto", True),
        ("it", "certo che sì", True),
        ("it", "non credo", False),
        ("pt", "com certeza", True),
        ("pt", "acho que não", False),
    ],
)
def test_yes_and_no(language: str, text: str, verdict: bool | None) -> None:
    assert value("yesno", text, language) is verdict


# --- dates ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("en", "tomorrow", "2026-11-22"),
        ("en", "the day after tomorrow", "2026-11-23"),
        ("en", "the third of May", "2027-05-03"),
        ("en", "May 3rd, nineteen eighty-four", "1984-05-03"),
        ("en", "twenty third of June twenty twenty seven", "2027-06-23"),
        ("en", "first of January eighty-four", "1984-01-01"),
        ("en", "Monday, the first of December", "2026-12-01"),
        ("en", "I may come on the third of May", "2027-05-03"),
        ("en", "29 February", "2028-02-29"),
        ("en", "3/5/2026", "2026-05-03"),
        ("en-US", "3/5/2026", "2026-03-05"),
        ("en-US", "13/5/2026", "2026-05-13"),
        ("en", "2026-05-03", "2026-05-03"),
        ("en", "03052026", "2026-05-03"),
        ("en", "03 05 26", "2026-05-03"),
        ("en", "21 11", "2026-11-21"),
        ("en", "1/2/84", "1984-02-01"),
        ("en", "next Monday", "2026-11-23"),
        ("en", "Saturday", "2026-11-28"),
        ("en", "Wednesday next week", "2026-11-25"),
        ("en", "tomorrow, Sunday", "2026-11-22"),
        ("en", "in three days", "2026-11-24"),
        ("en", "two weeks ago", "2026-11-07"),
        ("en", "the fifteenth", "2026-12-15"),
        ("fr", "le trois mai", "2027-05-03"),
        ("fr", "le premier janvier deux mille vingt-sept", "2027-01-01"),
        ("fr", "le 1er mars 2027", "2027-03-01"),
        ("fr", "après-demain", "2026-11-23"),
        ("fr", "dans quinze jours", "2026-12-05"),
        ("fr", "lundi prochain", "2026-11-23"),
        ("fr", "le quinze", "2026-12-15"),
        ("de", "am dritten Mai", "2027-05-03"),
        ("de", "am dritten fünften", "2027-05-03"),
        ("de", "der dritte fünfte zweitausendsiebenundzwanzig", "2027-05-03"),
        ("de", "einundzwanzigster Juni neunzehnhundertvierundachtzig", "1984-06-21"),
        ("de", "3.5.", "2027-05-03"),
        ("de", "Montag morgen", "2026-11-23"),
        ("de", "vor drei Tagen", "2026-11-18"),
        ("nl", "de eenentwintigste juni", "2027-06-21"),
        ("nl", "over drie dagen", "2026-11-24"),
        ("nl", "3 mei negentien vierentachtig", "1984-05-03"),
        ("es", "tres de mayo de dos mil veintisiete", "2027-05-03"),
        ("es", "pasado mañana", "2026-11-23"),
        ("es", "el lunes por la mañana", "2026-11-23"),
        ("it", "il primo maggio", "2027-05-01"),
        ("it", "l'otto marzo", "2027-03-08"),
        ("it", "tra tre giorni", "2026-11-24"),
        ("pt", "primeiro de maio de dois mil e vinte e sete", "2027-05-01"),
        ("pt", "depois de amanhã", "2026-11-23"),
        ("pt", "segunda-feira", "2026-11-23"),
    ],
)
def test_dates(language: str, text: str, day: str) -> None:
    assert value("date", text, language) == day


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", ""),
        ("en", "no idea"),
        ("en", "31/2/2026"),
        ("en", "tomorrow or Monday"),
        ("en", "1/2/2026 or 3/4/2026"),
        ("en", "the thirty-first of June"),
        ("en", "2026-13-01"),
        ("en", "fifteen"),
        ("en", "in 4000 days"),
    ],
)
def test_what_is_no_single_date_is_none(language: str, text: str) -> None:
    assert value("date", text, language) is None


@given(st.sampled_from(LANGUAGES), st.dates(date(1950, 1, 1), date(2045, 12, 31)))
def test_a_date_said_in_full_is_understood(language: str, day: date) -> None:
    known = lexicon(language)
    ordinals = known.ordinals[day.day - 1 : day.day] if language in ("en", "de", "nl") or day.day == 1 else ()
    number = ordinals[0][0] if ordinals else number_words(day.day, language)
    said = f"{number} {known.months[day.month - 1][0]} {number_words(day.year, language)}"
    assert value("date", said, language) == day.isoformat()
    assert value("date", f"{day.day}.{day.month}.{day.year}", language) == day.isoformat()


@given(st.sampled_from(LANGUAGES), st.dates(date(1990, 1, 1), date(2050, 1, 1)))
def test_days_without_a_year_are_to_come(language: str, today: date) -> None:
    for phrase, days in lexicon(language).relative_days.items():
        found = parse("date", phrase, language, today=today)
        assert found is not None
        assert found.value == (today + timedelta(days=days)).isoformat()


# --- addresses -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "text", "address"),
    [
        ("en", "john dot doe at example dot com", "john.doe@example.com"),
        ("en", "John.Doe@Example.com", "john.doe@example.com"),
        ("en", "My e-mail address is J O H N at example dot com.", "john@example.com"),
        ("en", "it's anna at mail dot example dot org", "anna@mail.example.org"),
        ("en", "john underscore doe forty two at my dash site dot co dot uk", "john_doe42@my-site.co.uk"),
        ("en", "b as in bravo o b at example dot com", "bob@example.com"),
        ("en", "a double l y at example dot com", "ally@example.com"),
        ("en", "double u at example dot com", "w@example.com"),
        ("en", "john at example com", "john@example.com"),
        ("en", "john dot doe@example.com", "john.doe@example.com"),
        ("en", "please write to john@example.com", "john@example.com"),
        ("fr", "mon adresse est marie tiret claire arobase exemple point fr", "marie-claire@exemple.fr"),
        ("fr", "d comme daniel u p arobase exemple point fr", "dup@exemple.fr"),
        ("de", "max Punkt müller Klammeraffe beispiel Punkt de", "max.mueller@beispiel.de"),
        ("de", "meine Adresse lautet info ät beispiel punkt de", "info@beispiel.de"),
        ("nl", "jan punt de punt vries apenstaartje voorbeeld punt nl", "jan.de.vries@voorbeeld.nl"),
        ("es", "ana guion bajo garcía arroba ejemplo punto es", "ana_garcia@ejemplo.es"),
        ("it", "mario punto rossi chiocciola esempio punto it", "mario.rossi@esempio.it"),
        ("pt", "joão ponto silva arroba exemplo ponto com ponto br", "joao.silva@exemplo.com.br"),
        ("en", "john at example", None),
        ("en", "nothing of the kind", None),
        ("en", "a at b at example dot com", None),
        ("en", "x" * 250 + " at example dot com", None),
    ],
)
def test_addresses(language: str, text: str, address: str | None) -> None:
    assert value("email", text, language) == address


# --- in general ----------------------------------------------------------------------------------------------------
@given(
    st.sampled_from(["free", "digits", "number", "date", "email", "phone", "yesno"]),
    st.text(max_size=80) | st.text(alphabet="0123456789./- ", max_size=30),
    st.sampled_from((*LANGUAGES, "en-US", "xx")),
)
def test_any_answer_is_harmless(kind, text: str, language: str) -> None:
    parsed = parse(kind, text, language, today=TODAY)
    if parsed is not None:
        assert json.loads(json.dumps(parsed.value)) == parsed.value
        assert parsed.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_closed_grammar_has_the_words_of_the_kind(language: str) -> None:
    assert {value("yesno", phrase, language) for phrase in phrases_for("yesno", language)} == {True, False}
    assert set(lexicon(language).numbers.small[:10]) <= set(phrases_for("digits", language))
    assert set(phrases_for("digits", language)) < set(phrases_for("phone", language))
    assert len(phrases_for("number", language)) > 25
    assert {months[0] for months in lexicon(language).months} <= set(phrases_for("date", language))
    assert phrases_for("free", language) == phrases_for("email", language) == []


def test_a_language_can_be_loaded_ahead_of_time() -> None:
    warm("it-CH")
    before = lexicon("it-CH")
    assert value("number", "ventotto", "it-CH") == 28
    assert lexicon("it-CH") is before
