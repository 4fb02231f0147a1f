"""The Replaces header: what is read, what is refused, and that nothing else is raised."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.headers import Headers
from gateway.transports.sip.replaces import Replaces, parse_replaces, replaces_of

WORDS = st.text("abcXYZ0189-.!%*_+`'~", min_size=1, max_size=20)
CALL_IDS = st.text("abcXYZ0189-.!%*_+`'~()<>:\\\"/[]?{}@", min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # the examples of RFC 3891 sections 6.1 and 7
        (
            "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
            Replaces("98732@sip.example.com", "ff87ff", "r33th4x0r"),
        ),
        ("12adf2f34456gs5;to-tag=12345;from-tag=54321", Replaces("12adf2f34456gs5", "12345", "54321")),
        ("87134@171.161.34.23;to-tag=24796;from-tag=0", Replaces("87134@171.161.34.23", "24796", "0")),
        (
            "425928@phone.example.org;to-tag=7743;from-tag=6472;early-only",
            Replaces("425928@phone.example.org", "7743", "6472", True),
        ),
        (" a ; TO-TAG = b ; x=y;Early-Only ; from-tag=c; ", Replaces("a", "b", "c", True)),
        ('<a>:"[]?@b;to-tag=1;from-tag="2"', Replaces('<a>:"[]?@b', "1", "2")),
    ],
)
def test_what_can_be_read(text: str, read: Replaces) -> None:
    assert parse_replaces(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        ";to-tag=b;from-tag=c",
        "a;to-tag=b",
        "a;from-tag=c",
        "a;to-tag=b;to-tag=d;from-tag=c",
        "a;to-tag=b;from-tag=c;from-tag=c",
        "a;to-tag;from-tag=c",
        "a;to-tag=;from-tag=c",
        "a;to-tag=b;from-tag=",
        "a b;to-tag=b;from-tag=c",
        "a,b;to-tag=b;from-tag=c",
        "a;to-tag=b;;from-tag=c",
        "a;to-tag=b c;from-tag=c",
        "a;to-tag=b;from-tag=c, d;to-tag=e;from-tag=f",
    ],
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(SipParseError) as refused:
        parse_replaces(text)
    assert "Replaces" in str(refused.value) or "parameter" in str(refused.value)


@pytest.mark.parametrize(
    "more", [("Replaces", "d;to-tag=e;from-tag=f"), ("Join", "d;to-tag=e;from-tag=f")], ids=["two", "join"]
)
def test_one_call_takes_the_place_of_one(more: tuple[str, str]) -> None:
    headers = Headers([("Replaces", "a;to-tag=b;from-tag=c")])
    assert replaces_of(headers) == Replaces("a", "b", "c")
    headers.add(*more)
    with pytest.raises(SipParseError):
        replaces_of(headers)
    assert replaces_of(Headers([("Join", "a;to-tag=b;from-tag=c")])) is None


@given(st.builds(Replaces, CALL_IDS, WORDS, WORDS, st.booleans()))
def test_what_is_written_is_read(value: Replaces) -> None:
    assert parse_replaces(str(value)) == value


@given(st.text() | st.text('ab;=-," \ttofrm-tagely\\<>%', max_size=60))
def test_anything_is_read_or_refused(text: str) -> None:
    with suppress(SipParseError):
        read = parse_replaces(text)
        assert read.call_id
        assert read.to_tag
        assert read.from_tag
