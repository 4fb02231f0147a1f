"""Where callers may be sent: `transfer.allow` against every way to write a target."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.targets import canonical, is_allowed, is_pattern


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("+33123456789", "+33"),
        ("+33 1 23 45 67 89", "+33"),
        ("0033123456789", "+33"),
        ("tel:+33123456789", "+33"),
        ("+33123456789", "+33 1"),
        ("+33123456789", "0033"),
        ("+33123456789", "+33*"),
        ("+33123456789", "+33123456789"),
        ("100", "100"),
        ("205", "2*"),
        ("*98", "*98"),
        ("sip:100@pbx", "sip:*@pbx"),
        ("SIP:100@PBX", "sip:*@pbx"),
        ("sip:100@pbx", "sip:1*@PBX"),
        ("100@pbx", "sip:100@pbx"),
        ("sip:100@pbx", "*@pbx"),
        ("sips:100@pbx", "sip:*@pbx"),
        ("sip:100@pbx:5060", "sip:*@pbx"),
        ("sip:100@pbx:5070", "sip:*@pbx:5070"),
        ("sip:100@pbx:5070", "sip:*@pbx:*"),
        ("sip:+33123@pbx;user=phone", "sip:*@pbx"),
        ("sip:100@pbx;transport=tcp", "sip:*@pbx"),
        ("sip:a@b.c.example.com", "sip:*@*.example.com"),
        ("sip:a@pbx7", "sip:*@pbx*"),
        ("sip:a@[2001:db8::1]", "sip:*@[2001:db8::1]"),
        ("sip:anyone@anywhere.example", "*"),
        ("112", "*"),
    ],
)
def test_allowed(target: str, pattern: str) -> None:
    assert is_allowed(target, ["+999", pattern])


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("+44123456789", "+33"),
        ("33123456789", "+33"),
        ("1001", "100"),
        ("10", "100"),
        ("+33123;phone-context=evil.com", "+33"),
        ("+33123,,9", "+33"),
        ("+33123&+44123", "+33"),
        ("+33123w1234", "+33"),
        ("+33123\n+44123", "+33"),
        ("+33", "+331"),
        ("sip:x@pbx.evil.com", "sip:*@pbx"),
        ("sip:x@evilpbx", "sip:*@pbx"),
        ("sip:x@pbx.", "sip:*@pbx"),
        ("sip:100@pbx@evil", "sip:*@pbx"),
        ("sip:100@evil@pbx", "sip:*@pbx"),
        ("sip:100%40evil@pbx", "sip:*@pbx"),
        ("sip:100@pbx;maddr=evil.com", "sip:*@pbx"),
        ("sip:100@pbx?Route=%3Csip:evil.com%3E", "sip:*@pbx"),
        ("sip:100@pbx>,<sip:1@evil", "sip:*@pbx"),
        ("sip:100@pbx\r\nX: y", "sip:*@pbx"),
        ("sip:100@pbx:5070", "sip:*@pbx"),
        ("sip:a@example.com", "sip:*@*.example.com"),
        ("sip:a@x.evilexample.com", "sip:*@*.example.com"),
        ("sip:a@pbx.evil.com", "sip:*@pbx*"),
        ("sip:100@pbx", "sips:*@pbx"),
        ("sip:Alice@pbx", "sip:alice@pbx"),
        ("sip:pbx", "sip:*@pbx"),
        ("https://pbx/100@pbx", "sip:*@pbx"),
        ("sip:+33123@pbx", "+33"),
        ("", "*"),
        ("sip:100@", "*"),
        ("a b@pbx", "*"),
        ("+33１２３", "+33"),
        ("sip:x@pbх", "sip:*@*"),  # a Cyrillic letter
        ("1" * 300, "*"),
    ],
)
def test_refused(target: str, pattern: str) -> None:
    assert not is_allowed(target, [pattern])


def test_without_patterns_nobody_goes_anywhere() -> None:
    assert not is_allowed("+33123456789", [])


def test_patterns_that_match_nothing_are_told_apart() -> None:
    assert all(map(is_pattern, ["+33", "100", "2*", "*", "*98", "sip:*@pbx", "*@*.example.com", "sip:?00@pbx"]))
    assert not any(map(is_pattern, ["", "pbx", "sip:pbx", "sip:*@", "@pbx", "+33x", "sip:a@b@c"]))


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(["sip:*@pbx", "+33", "2*", "100"]))
def test_what_is_allowed_is_plain(target: str, pattern: str) -> None:
    if is_allowed(target, [pattern]):
        plain = canonical(target)
        assert plain is not None
        assert plain.isascii()
        assert plain.count("@") == (1 if pattern.startswith("sip") else 0)


@settings(deadline=None)
@given(st.text(alphabet="sip:@+33pbx.evil;,?%<> 0\t*-", max_size=40))
def test_no_spelling_leads_past_the_host(rest: str) -> None:
    for target in (rest, f"sip:{rest}", f"sip:1@{rest}", f"sip:{rest}@pbx", f"sip:1@pbx{rest}"):
        if is_allowed(target, ["sip:*@pbx"]):
            address = (canonical(target) or "").partition("@")[2]
            assert address.partition(";")[0] in ("pbx", "pbx:5060", "pbx:5061")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_the_canonical_form_is_final(target: str) -> None:
    plain = canonical(target)
    assert plain is None or canonical(plain) == plain
