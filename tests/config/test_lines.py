"""Lines: who may call, and whom the call data names."""

from __future__ import annotations

import pytest

from config.lines import AuthSection, FieldsSection, LineSection


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("none", "none"),
        (" None ", "none"),
        ({"none": True}, "none"),
        ({"bearer": "t"}, "bearer"),
        ({"bearer": {"token": "t"}}, "bearer"),
        ({"basic": {"username": "u", "password": "p"}}, "basic"),
        ({"twilio_signature": "t"}, "twilio_signature"),
        ({"digest": {"realm": "example.com", "users": {"alice": "p"}}}, "digest"),
    ],
)
def test_ways_to_prove_who_calls(written: object, kind: str) -> None:
    assert AuthSection.model_validate(written).kind == kind


def test_a_line_with_a_path_says_who_may_call() -> None:
    with pytest.raises(ValueError, match="needs `auth`"):
        LineSection(transport="x", path="/m")
    assert LineSection(transport="x").auth is None


def test_identity_by_the_usual_names() -> None:
    line = LineSection(transport="x")
    data = {"From": "0033123456789", "TO": "sip:100@pbx", "uid": "7", "callerid": "555"}
    assert line.identity(data) == ("+33123456789", "100", {"uid": "7", "callerid": "555"})


@pytest.mark.parametrize("name", ["to", "called", "dnid", "did", "exten", "Exten", "DNID"])
def test_aliases_of_the_called_number(name: str) -> None:
    assert LineSection(transport="x").identity({name: "100"}) == ("", "100", {})


@pytest.mark.parametrize("name", ["from", "caller", "callerid", "CallerID"])
def test_aliases_of_the_caller(name: str) -> None:
    assert LineSection(transport="x").identity({name: "anonymous"}) == ("", "", {})


def test_an_empty_name_gives_way_to_one_with_a_value() -> None:
    line = LineSection(transport="x")
    assert line.identity({"from": " ", "caller": "100"}) == ("100", "", {"from": " "})
    assert line.identity({"from": ""}) == ("", "", {})


def test_names_are_the_operators_choice() -> None:
    fields = FieldsSection.model_validate({"from": "ani", "to": ["dnis", "target"]})
    line = LineSection(transport="x", fields=fields)
    assert line.identity({"ANI": "100", "target": "200", "from": "x"}) == ("100", "200", {"from": "x"})


def test_the_lines_own_country_goes_first() -> None:
    data = {"from": "0123456789", "to": "0301234567"}
    assert LineSection(transport="x").identity(data, "33")[:2] == ("+33123456789", "+33301234567")
    assert LineSection(transport="x", country="49").identity(data, "33")[1] == "+49301234567"
