"""JSON from strangers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.jsonbody import JsonRefused, parse_json

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_was_written_is_read(value, ascii_only):
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text('[]{}",:\\u0d8 1eN').map(str.encode))
def test_anything_is_read_or_refused_and_can_be_written_again(body):
    try:
        value = parse_json(body)
    except JsonRefused:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("levels", [65, 20_000])
def test_what_is_nested_too_deeply_is_refused(opening, levels):
    closing = b"]" if opening == b"[" else b"}"
    with pytest.raises(JsonRefused, match="deeper than 64"):
        parse_json(opening * levels + b"1" + closing * levels)
    with pytest.raises(JsonRefused, match="deeper than 64"):
        parse_json(opening * levels)


def test_the_deepest_that_is_allowed_is_read():
    value = parse_json(b"[" * 64 + b"]" * 64)
    for _ in range(63):
        (value,) = value
    assert value == []
    assert parse_json(b'{"a": [1]}', max_depth=2) == {"a": [1]}
    with pytest.raises(JsonRefused):
        parse_json(b'{"a": [1]}', max_depth=1)


def test_brackets_in_strings_do_not_count():
    text = "[" * 1000 + '"\\' + "{" * 1000
    assert parse_json(json.dumps([text]).encode()) == [text]


def test_a_depth_that_the_interpreter_cannot_keep_is_refused_too():
    with pytest.raises(JsonRefused):
        parse_json(b"[" * 20_000 + b"]" * 20_000, max_depth=50_000)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"}{", b"]" * 100 + b"[" * 100, b"'a'", b"[1,]", b'"\n"', b'"\\"' * 1000, b'{"a" 1}', b"nul"],
)
def test_what_is_no_json_is_refused(body):
    with pytest.raises(JsonRefused, match="no JSON"):
        parse_json(body)


@pytest.mark.parametrize(
    "body", [b'"\xff"', b'"\xc3', b'"\xed\xa0\x80"', '"ü"'.encode("latin-1"), "{}".encode("utf-16")]
)
def test_only_utf_8_is_read(body):
    with pytest.raises(JsonRefused, match="UTF-8"):
        parse_json(body)


def test_a_byte_order_mark_is_skipped():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "Infinity", "1e999", "-1e400", "1" * 5000, "0." + "1" * 500])
def test_numbers_beyond_any_measure_are_refused(number):
    with pytest.raises(JsonRefused, match="number"):
        parse_json(f'{{"a": {number}}}'.encode())


def test_the_last_of_two_equal_names_counts():
    assert parse_json(b'{"a": 1, "a": 2}') == {"a": 2}


def test_half_a_surrogate_pair_is_replaced_everywhere():
    body = rb'{"\ud800": ["\udc00x", {"k": "a\uD83D\uDE00b"}], "ok": "\u00e9"}'
    assert parse_json(body) == {"�": ["�x", {"k": "a\U0001f600b"}], "ok": "é"}


def test_a_refusal_quotes_nothing():
    with pytest.raises(JsonRefused) as refused:
        parse_json(b'{"password": hunter2}')
    assert "hunter2" not in str(refused.value)
