"""Telephone numbers as lines write them, and the entry that a called number finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.countries import PLANS
from config.numbers import MAX_NUMBER_CHARS, NumberTable, normalise, normalise_caller, normalise_pattern


@pytest.mark.parametrize(
    "written",
    [
        "+33123456789",
        "33123456789",
        "0033123456789",
        "+33 1 23 45 67 89",
        "+33.1.23.45.67.89",
        "+33 (0)1 23 45 67 89",
        "0033 (0)1 23 45 67 89",
        "+33-1\u201123\u00a045\u202f67\u200b89",
        "＋３３１２３４５６７８９",
        "+٣٣١٢٣٤٥٦٧٨٩",
        "sip:+33123456789@pbx.example.com;user=phone",
        "SIP:+33123456789@pbx",
        "sips:0033123456789@10.0.0.1:5061;transport=tls",
        "sip:%2B33123456789@pbx",
        "sip:+33123456789;phone-context=example.com@pbx",
        "sip:+33123456789:password@pbx",
        '"Alice, in (Paris)" <sip:+33123456789@pbx>;tag=1',
        "<tel:+33123456789>",
        "tel:+33-1-2345-6789",
        "+33123456789@pbx",
        " 33123456789\r\n",
    ],
)
def test_one_number_in_many_forms(written: str) -> None:
    assert normalise(written) == "+33123456789"


@pytest.mark.parametrize(
    "written",
    ["100", "0", "112", "999999", "*98", "#31#", "0123456789", "reception", "queue-7", "alice.smith", "1234567"],
)
def test_what_is_not_international_stays(written: str) -> None:
    assert normalise(written) == written
    assert normalise(f"sip:{written}@pbx") == written


@pytest.mark.parametrize(
    ("written", "country", "expected"),
    [
        ("0123456789", "33", "+33123456789"),
        ("0123456789", "+33", "+33123456789"),
        ("01 23 45 67 89", "33", "+33123456789"),
        ("33123456789", "33", "+33123456789"),
        ("123456789", "33", "+33123456789"),
        ("4915112345678", "33", "+4915112345678"),
        ("00447700900123", "33", "+447700900123"),
        ("100", "33", "100"),
        ("2125550123", "1", "+12125550123"),
        ("12125550123", "1", "+12125550123"),
        ("011447700900123", "1", "+447700900123"),
        ("07700900123", "44", "+447700900123"),
        ("447700900123", "44", "+447700900123"),
        ("9112345678", "91", "+919112345678"),
        ("919112345678", "91", "+919112345678"),
        ("0612345678", "39", "+390612345678"),
        ("4512345678", "45", "+4512345678"),
        ("45123456", "45", "+4545123456"),
        ("89161234567", "7", "+79161234567"),
        ("13812345678", "86", "+8613812345678"),
        ("0301234567", "999", "+999301234567"),
    ],
)
def test_national_forms_of_a_known_country(written: str, country: str, expected: str) -> None:
    assert normalise(written, country) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "anonymous",
        "Anonymous",
        "sip:anonymous@anonymous.invalid",
        '"Anonymous" <sip:anonymous@anonymous.invalid>',
        "anonymous@anonymous.invalid",
        "unavailable",
        "Restricted",
        "PRIVATE",
        "withheld",
        "unknown",
        "+266696687",
        "<unknown>",
        "-",
        "+",
    ],
)
def test_a_withheld_caller_is_empty(written: str) -> None:
    assert normalise_caller(written) == ""


def test_withheld_callers_do_not_hide_real_ones() -> None:
    assert normalise_caller("0033123456789") == "+33123456789"
    assert normalise_caller("alice") == "alice"
    assert normalise_caller("100") == "100"


def test_a_called_user_may_have_any_name() -> None:
    assert normalise("sip:private@pbx") == "private"


def test_too_long_for_e164_stays_as_it_is() -> None:
    assert normalise("0" * 3 + "1" * 20) == "000" + "1" * 20
    assert normalise("+" + "1" * 16) == "+" + "1" * 16


numberish = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="+0123456789 -().;:@/<>\"'%=*#siptel", max_size=60),
    st.from_regex(r"\A(sip:|tel:|)(\+|00|0|)[0-9 ()./-]{0,24}(@pbx)?(;x=y)?\Z"),
)
countries = st.one_of(st.none(), st.sampled_from(sorted(PLANS)), st.just("999"), st.text(max_size=4))


@settings(deadline=None)
@given(numberish, countries)
def test_anything_becomes_a_number_without_an_error_and_only_once(written: str, country: str | None) -> None:
    number = normalise(written, country)
    assert len(number) <= MAX_NUMBER_CHARS
    assert number == number.strip()
    assert number.isprintable() or not number.isascii()
    assert normalise(number, country) == number
    assert normalise_caller(written, country) in ("", number)


@settings(deadline=None)
@given(st.sampled_from(sorted(PLANS)), st.integers(10**7, 10**12 - 1).map(str))
def test_international_forms_agree_whatever_the_country_of_the_line(country: str, digits: str) -> None:
    assert normalise(f"00{digits}", country) == normalise(f"+{digits}", country) == normalise(f"+{digits}")


@pytest.mark.parametrize(
    ("written", "country", "expected"),
    [
        ("*", None, "*"),
        ("+3312345*", None, "+3312345*"),
        ("003312345*", None, "+3312345*"),
        ("3312345*", None, "+3312345*"),
        ("+33 1 23*", None, "+33123*"),
        ("0123*", "33", "+33123*"),
        ("0123*", None, "0123*"),
        ("2*", None, "2*"),
        ("2*", "33", "2*"),
        ("sales-*", None, "sales-*"),
        ("0033123456789", None, "+33123456789"),
        ("*98", None, "*98"),
        ("reception", None, "reception"),
    ],
)
def test_keys_under_numbers(written: str, country: str | None, expected: str) -> None:
    assert normalise_pattern(written, country) == expected


def test_the_longest_prefix_wins() -> None:
    keys = ["+33", "+33*", "+331*", "+3312*", "+33123456789", "2*", "*98", "*"]
    table = NumberTable({key: key for key in keys})
    expected = {
        "+33123456789": "+33123456789",
        "+33123456780": "+3312*",
        "+3319": "+331*",
        "+339": "+33*",
        "+33": "+33",
        "20": "2*",
        "*98": "*98",
        "": "*",
    }
    assert {called: table.find(called) for called in expected} == expected


def test_without_a_catch_all_nothing_is_found() -> None:
    table = NumberTable({"+33*": 1, "100": 2})
    assert table.find("+44123") is None
    assert table.find("1000") is None
    assert table.find("") is None


@settings(deadline=None)
@given(st.lists(st.text(alphabet="+012", max_size=4), unique=True), st.text(alphabet="+012", max_size=6))
def test_the_table_agrees_with_looking_at_every_prefix(prefixes: list[str], called: str) -> None:
    table = NumberTable({f"{prefix}*": prefix for prefix in prefixes})
    matching = [prefix for prefix in prefixes if called.startswith(prefix)]
    assert table.find(called) == (max(matching, key=len) if matching else None)
