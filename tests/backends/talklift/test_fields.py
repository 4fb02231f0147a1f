"""What answers are worth, when slots are shown, and which patterns are refused."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.backends.talklift.conditions import ConditionError, parse_condition
from gateway.backends.talklift.fields import (
    Answer,
    Invalid,
    Setting,
    is_keyed,
    is_read_back,
    kind_of,
    read,
    read_time,
    type_of,
)
from gateway.backends.talklift.patterns import PatternError, compiled, matches, wants_digits
from gateway.backends.talklift.settings import SlotSection, TalkliftBotSection, options_of
from gateway.backends.talklift.words import Words
from tests.fakes.talklift import CLAIM, project, slots

TODAY = datetime.date(2026, 11, 21)


def slot(**settings: Any) -> SlotSection:
    return SlotSection(id=1, label="L", **settings)


def answer(said: str, *, language: str = "en-GB", caller: str = "+254712345678", **settings: Any) -> str | None:
    country = settings.pop("country", None)
    setting = Setting(words=Words(language, {}), today=TODAY, caller=caller, country=country, date_format="%d.%m.%Y")
    found = read(slot(**settings), said, setting)
    return found.data if isinstance(found, Answer) else None


# --- answers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field_type", "said", "data"),
    [
        ("TEXT", "  Mr Awesome Customer. ", "Mr Awesome Customer"),
        ("TEXT", "ncsp/ik/2018/081463", "ncsp/ik/2018/081463"),
        ("TEXT", " . ", None),
        ("HOLOGRAM", "anything!", "anything"),
        ("number", "two oh nine", "209"),
        ("DECIMAL", "three point five", "3.5"),
        ("INTEGER", "three point five", None),
        ("INTEGER", "twelve", "12"),
        ("NUMBER", "banana", None),
        ("EMAIL", "John dot Doe at example dot com", "john.doe@example.com"),
        ("EMAIL", "nobody", None),
        ("PHONE", "this number", "+254712345678"),
        ("TEL", "0712 345 678", "0712345678"),
        ("PHONE", "+254 712 345 678", "+254712345678"),
        ("DATE", "the first of December", "01.12.2026"),
        ("DATE", "31122026", "31.12.2026"),
        ("DATE", "whenever", None),
        ("TIME", "14:30", "14:30"),
        ("TIME", "sometime", None),
        ("BOOLEAN", "yes please", "yes"),
        ("YES_NO", "2", "no"),
        ("BOOLEAN", "maybe", None),
    ],
)
def test_tl16_types(field_type: str, said: str, data: str | None) -> None:
    assert answer(said, field_type=field_type) == data


def test_tl16_a_number_gets_its_country() -> None:
    assert answer("0712 345 678", field_type="PHONE", country="254") == "+254712345678"


def test_tl20_options_are_split_on_the_first_separator_there_is() -> None:
    assert options_of("Car,Home,Life") == ("Car", "Home", "Life")
    assert options_of("Car, new; Home") == ("Car, new", "Home")
    assert options_of("a;b|c") == ("a;b", "c")
    assert options_of("a|b\nc") == ("a|b", "c")
    assert options_of("  ") == ()
    assert answer("home", choice_options="Car,Home") == "Home"
    assert answer("boat", field_type="TEXT", choice_options="Car,Home") is None


@pytest.mark.parametrize(
    ("pattern", "said", "data"),
    [
        (r"^\d{9}$", "two zero nine one nine two zero nine two", "209192092"),
        (r"^\d{9}$", "209 192 092", "209192092"),
        (r"^\d{9}$", "banana", None),
        (r"^[A-Z]{2}\d{3}$", "AB 123", "AB123"),
        (r"^[A-Z]{2}\d{3}$", "ab 123", None),
        (r"^ncsp/", "ncsp/ik/2018", "ncsp/ik/2018"),
        (r"\d", "room 12", "room 12"),
    ],
)
def test_tl17_the_first_form_that_fits_is_the_answer(pattern: str, said: str, data: str | None) -> None:
    assert answer(said, validation_regex=pattern) == data


def test_tl17_a_typed_answer_must_fit_as_well() -> None:
    assert answer("twelve", field_type="NUMBER", validation_regex=r"^\d{2}$") == "12"
    assert answer("five", field_type="NUMBER", validation_regex=r"^\d{2}$") is None


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("1430", "14:30"),
        ("2:30 pm", "14:30"),
        ("12 am", "00:00"),
        ("12:15 p.m.", "12:15"),
        ("9 uhr", "09:00"),
        ("14h30", "14:30"),
        ("25:00", None),
        ("9:75", None),
        ("at 9 or at 10", None),
        ("", None),
        ("fourteen thirty", "14:30"),
        ("nine thirty", "09:30"),
        ("ten p m", "22:00"),
        ("1:00 am", "01:00"),
        ("13:00 pm", "13:00"),
    ],
)
def test_tl16_times(said: str, time: str | None) -> None:
    assert read_time(said, "en-GB") == time


def test_tl16_how_questions_listen() -> None:
    kinds = {"TEXT": "free", "NUMBER": "number", "EMAIL": "email", "PHONE": "phone", "DATE": "date", "BOOLEAN": "yesno"}
    for field_type, kind in kinds.items():
        assert kind_of(slot(field_type=field_type)) == kind
    assert kind_of(slot(validation_regex=r"^\d{9}$")) == "digits"
    assert kind_of(slot(field_type="NUMBER", choice_options="1,2")) == "free"
    assert is_keyed(slot(field_type="NUMBER"))
    assert not is_keyed(slot())


def test_tl16_what_is_read_back() -> None:
    assert is_read_back(slot(field_type="EMAIL"), "digits")
    assert is_read_back(slot(validation_regex="x"), "digits")
    assert not is_read_back(slot(), "digits")
    assert is_read_back(slot(), "always")
    assert not is_read_back(slot(field_type="EMAIL"), "never")
    assert not is_read_back(slot(field_type="EMAIL", confirm="never"), "always")


@given(st.text(max_size=60), st.sampled_from(["TEXT", "NUMBER", "EMAIL", "PHONE", "DATE", "TIME", "BOOLEAN", "CHOICE"]))
def test_tl16_any_answer_is_taken_or_refused(said: str, field_type: str) -> None:
    setting = Setting(words=Words("en-GB", {}), today=TODAY)
    found = read(slot(field_type=field_type, choice_options="a,b" if field_type == "CHOICE" else ""), said, setting)
    assert isinstance(found, Invalid) or found.data


# --- what the caller is told ---------------------------------------------------------------------------------------
def found_for(said: str, language: str = "en-GB", **settings: Any) -> Answer | Invalid:
    return read(slot(**settings), said, Setting(words=Words(language, {}), today=TODAY))


@pytest.mark.parametrize(
    ("field_type", "said", "complaint"),
    [
        ("NUMBER", "banana", "invalid_number"),
        ("INTEGER", "three point five", "invalid_number"),
        ("EMAIL", "nobody", "invalid_email"),
        ("PHONE", "banana", "invalid_phone"),
        ("DATE", "whenever", "invalid_date"),
        ("BOOLEAN", "maybe", "invalid_yesno"),
        ("TIME", "sometime", "not_understood"),
        ("TEXT", "", "not_understood"),
    ],
)
def test_tl17_a_complaint_fits_the_question(field_type: str, said: str, complaint: str) -> None:
    assert found_for(said, field_type=field_type) == Invalid(complaint)


def test_tl17_an_option_that_there_is_not_and_a_pattern_that_does_not_fit() -> None:
    assert found_for("boat", choice_options="Car,Home") == Invalid("invalid_choice")
    assert found_for("boat", validation_regex=r"^\d+$") == Invalid("not_understood")
    assert found_for("5", field_type="NUMBER", validation_regex=r"^\d{2}$") == Invalid("not_understood")


@pytest.mark.parametrize(
    ("settings", "said", "data", "spoken"),
    [
        ({"validation_regex": r"^\d{9}$"}, "209192092", "209192092", "2 0 9 1 9 2 0 9 2"),
        ({"field_type": "PHONE"}, "+254712345678", "+254712345678", "+ 2 5 4 7 1 2 3 4 5 6 7 8"),
        ({"field_type": "NUMBER"}, "209", "209", "209"),
        ({}, "12", "12", "12"),
        ({}, "123", "123", "1 2 3"),
        ({}, "room 123", "room 123", "room 123"),
    ],
)
def test_tl17_what_is_read_back_digit_by_digit(settings: dict[str, Any], said: str, data: str, spoken: str) -> None:
    assert found_for(said, **settings) == Answer(data, spoken)


def test_tl19_a_date_is_sent_in_its_form_and_read_back_in_another() -> None:
    setting = Setting(words=Words("en-GB", {}), today=TODAY, date_format="%d/%m/%Y")
    past, today = slot(field_type="DATE"), slot(field_type="DATE", date_gte_today=True)
    assert read(past, "20112026", setting) == Answer("20/11/2026", "2026-11-20")
    assert read(today, "21112026", setting) == Answer("21/11/2026", "2026-11-21")
    assert read(today, "20112026", setting) == Invalid("invalid_date")


def test_tl16_this_number_needs_one_and_numbers_abroad_keep_theirs() -> None:
    nobody = Setting(words=Words("en-GB", {}), today=TODAY, caller="")
    assert read(slot(field_type="PHONE"), "this number", nobody) == Invalid("invalid_phone")
    assert answer("00 44 20 7946 0000", field_type="PHONE") == "+442079460000"
    assert answer("this number", field_type="NUMBER") is None
    assert answer("712", field_type="NUMBER", country="254") == "712"


def test_tl16_an_answer_is_taken_up_to_a_thousand_characters() -> None:
    assert answer("x" * 1001) == "x" * 1000
    assert answer(" " * 5 + "x") == "x"


def test_tl16_which_questions_keys_can_answer() -> None:
    keyed = ("NUMBER", "INTEGER", "PHONE", "DATE", "TIME")
    for field_type in (*keyed, "EMAIL", "BOOLEAN", "TEXT", "FILE"):
        assert is_keyed(slot(field_type=field_type)) is (field_type in keyed)
    assert is_keyed(slot(validation_regex=r"^\d{4}$"))
    assert not is_keyed(slot(field_type="NUMBER", choice_options="1,2"))


def test_tl16_which_types_are_read_back() -> None:
    for field_type in ("NUMBER", "DECIMAL", "INTEGER", "EMAIL", "PHONE", "TEL", "DATE", "TIME", "BOOLEAN", "TEXT"):
        expected = field_type in ("NUMBER", "DECIMAL", "INTEGER", "EMAIL", "PHONE", "TEL")
        assert is_read_back(slot(field_type=field_type), "digits") is expected


def test_tl16_choices_make_a_choice_of_any_type_but_two() -> None:
    for field_type, found in (
        (" number ", "choice"),
        ("SELECT", "choice"),
        ("YES_NO", "yesno"),
        ("IMAGE", "media"),
        ("LOCATION", "media"),
    ):
        assert type_of(slot(field_type=field_type, choice_options="a,b")) == found
    assert type_of(slot(field_type="SELECT")) == "choice"
    assert type_of(slot(choice_options="  ")) == "text"


@pytest.mark.parametrize(
    ("said", "language", "time"),
    [
        ("930", "en-GB", None),
        ("9", "en-GB", "09:00"),
        ("09", "en-GB", "09:00"),
        ("23:59", "en-GB", "23:59"),
        ("24:00", "en-GB", None),
        ("9:59", "en-GB", "09:59"),
        ("9:60", "en-GB", None),
        ("0:30 am", "en-GB", "00:30"),
        ("1 p.m.", "en-GB", "13:00"),
        ("12 pm", "en-GB", "12:00"),
        ("11 pm", "en-GB", "23:00"),
        ("half past", "en-GB", None),
        ("2 heures", "fr-FR", "02:00"),
        ("14 h 30", "fr-FR", None),
        ("twenty", "en-GB", "20:00"),
        ("12345", "en-GB", None),
    ],
)
def test_tl16_more_times(said: str, language: str, time: str | None) -> None:
    assert read_time(said, language) == time


# --- conditions ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("condition", "value", "data", "holds"),
    [
        ("A", "yes", "Yes ", True),
        ("A", "yes", None, False),
        ("A ==", "07", "7", True),
        ("A !=", "yes", "no", True),
        ("A contains", "SURE", "I am sure", True),
        ("A contains", "", "x", False),
        ("A in", "car, home|life", "Home", True),
        ("A in", "car,home", "boat", False),
        ("A >", "9", "10", True),
        ("A<", "9", "10", False),
        ("A >", "2026-01-01", "2026-11-21", True),
        ("A >", "1", None, False),
        ("A <", "2026-12-01", "2026-11-21", True),
        ("A <", "2026-01-01", "2026-11-21", False),
        ("A is_set", "", "x", True),
        ("A is_set", "", None, False),
        ("A not_set", "", None, True),
        ("A not_set", "", " ", True),
        ("A not_set", "", "x", False),
        ("A IS_SET", "", "x", True),
        ("A != ", "7", "07", False),
        ("A >", "10", "10", False),
        ("A <", "10", "10", False),
        ("A >", "b", "b", False),
        ("A <", "b", "b", False),
        ("A <", "5", "", False),
        ("A >", "9", "ten", True),
        ("A ==", "", None, True),
        ("A contains", "x", "y", False),
        ("A in", "7", "07", True),
    ],
)
def test_tl18_comparisons(condition: str, value: str, data: str | None, holds: bool) -> None:
    found = parse_condition(condition, value)
    assert found is not None
    assert found.names == "A"
    assert found.holds(data) is holds


def test_tl18_a_slot_is_named_by_id_label_or_order() -> None:
    found = [slot(order=7), SlotSection(id=2, label="Two words", order=1), SlotSection(id=7, label="x", order=9)]
    for name, place in (("7", 2), ("two  words", 1), ("9", 2), ("1", 0)):
        condition = parse_condition(name, "")
        assert condition is not None
        assert condition.find(found) is found[place]
    assert parse_condition(" ", "x") is None
    with pytest.raises(ConditionError):
        parse_condition("==", "x")


# --- patterns ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a*)*", "(.*a){60}x*(b|c+)*", "((ab)*c+)*", "(", "[a", "x" * 501, "(?:a{1,99})+"]
)
def test_tl17_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern", [r"^\d{9}$", r"^[A-Z]{2,3}-\d+$", r"(?i)^(mr|mrs) .+$", r"^(a|b)+$", r"^(\d{3} ?){3}$"]
)
def test_tl17_ordinary_patterns_are_taken(pattern: str) -> None:
    assert compiled(pattern) is not None


def test_tl17_where_a_pattern_begins_to_repeat_too_much() -> None:
    assert compiled("x" * 500) is not None
    assert compiled("") is None
    for pattern in ("(?:a{0,50})+", "(a?)+", "(?:ab){2,51}c*", "a*b*", "(a|b*)c", "(?=a+)b+", "(x+)?y"):
        assert compiled(pattern) is not None
    for pattern in (
        "(?:a{0,51})+",
        "(?:a{2,60})*",
        "((?:a+))*",
        "(?:x|(?:a+))+",
        "(?=(a+)+)b",
        "(a+?)*?",
        "(?:(a*)){3,}",
    ):
        with pytest.raises(PatternError, match="repeats a repetition"):
            compiled(pattern)
    with pytest.raises(PatternError, match="longer than 500"):
        compiled("x" * 501)
    with pytest.raises(PatternError, match="no regular expression"):
        compiled("(")


def test_tl17_what_is_too_long_fits_nothing() -> None:
    assert matches("x", "x" * 200)
    assert not matches("x", "x" * 201)
    assert matches("", "x" * 201)


def test_tl17_patterns_of_digits() -> None:
    for pattern in (r"^\d{9}$", r"[0-9]+", r"^\d{3}[- ]?\d{3}$"):
        assert wants_digits(pattern)
    for pattern in (r"^\d{3}\.\d$", r"(\d|\d\d)", r"[0-9 -]{3}", r"^(?:\d+)$".replace("?:", "")):
        assert wants_digits(pattern)
    for pattern in (r"^[A-Z]\d$", r"^.{3}$", "", "x", r"\d+x", r"[0-9a]+", r"\w\d"):
        assert not wants_digits(pattern)


# --- settings ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"start": "nowhere"}, "no module 'nowhere'"),
        ({"modules": [CLAIM, {**CLAIM, "name": "Other"}]}, "same story"),
        ({"modules": [{**CLAIM, "then": "nowhere"}]}, "no module 'nowhere'"),
        ({"modules": [slots({"label": "a", "id": 1}, {"label": "b", "id": 1})], "start": "Test"}, "same id"),
        (
            {"modules": [slots({"label": "a", "show_condition": "b"}, {"label": "b"})], "start": "Test"},
            "no slot before",
        ),
        ({"modules": [slots({"label": "a", "validation_regex": "("})], "start": "Test"}, "no regular expression"),
        ({"media_slots": "link"}, "needs media_link"),
        ({"webhook": {"url": "http://x", "username": "u"}}, "username and password"),
        ({"webhook": {"url": "ftp://x"}}, "http"),
        ({"texts": {"nothing": "x"}}, "texts has no nothing"),
        ({"modules": []}, "at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TalkliftBotSection(**{**project("http://127.0.0.1/"), **changed})
