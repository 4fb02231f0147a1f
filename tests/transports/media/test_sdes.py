"""Keys in session descriptions: RFC 4568's own examples, what has to be refused, and how long our keys last."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.media.sdes import OFFERED_SUITES, SUITES, Crypto, OwnKeys, SdesError, fresh, parse_crypto

SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
"""Of the examples in RFC 4568 section 6.1."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 4568 sections 4, 6.1 and 9.1, with the line ends of print taken out
        (f"1 {SHA1_80} inline:{KEY}|2^20|1:32", ("1", SHA1_80, 1 << 20, 32)),
        (f"1 {SHA1_80} inline:{KEY}|2^20|1:4", ("1", SHA1_80, 1 << 20, 4)),
        (f"1 {SHA1_80} inline:{KEY}|1048576|1:4", ("1", SHA1_80, 1 << 20, 4)),
        (f"1 {SHA1_80} inline:{KEY}|1:4", ("1", SHA1_80, None, 4)),
        (f"1 {SHA1_80} inline:{KEY}|2^31", ("1", SHA1_80, 1 << 31, 0)),
        (f"1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}", ("1", "AES_CM_128_HMAC_SHA1_32", None, 0)),
        (f"999999999 {SHA1_80.lower()} INLINE:{KEY}", ("999999999", SHA1_80, None, 0)),
        (f"1 {SHA1_80} inline:{KEY} WSH=128 -SOMETHING=new", ("1", SHA1_80, None, 0)),
    ],
)
def test_lines_that_can_be_used(value: str, expected: tuple[str, str, int | None, int]) -> None:
    crypto = parse_crypto(value)
    assert (crypto.tag, crypto.suite, crypto.lifetime, crypto.mki_bytes) == expected
    assert crypto.key == base64.b64decode(KEY)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "without tag"),
        (f"1 {SHA1_80}", "without tag"),
        (f"0 {SHA1_80} inline:{KEY}", "without tag"),
        (f"x {SHA1_80} inline:{KEY}", "without tag"),
        (f"1 AES_CM_256_HMAC_SHA1_80 inline:{KEY}", "suite AES_CM_256_HMAC_SHA1_80 is unknown"),
        (f"1 F8_128_HMAC_SHA1_80 inline:{KEY}", "is unknown"),
        (f"1 {SHA1_80} mikey:{KEY}", "keys by mikey"),
        (f"1 {SHA1_80} inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4", "more than one key"),
        (f"1 {SHA1_80} inline:{KEY[:-4]}", "27 bytes"),
        (f"1 {SHA1_80} inline:{KEY}AAAA", "33 bytes"),
        (f"1 {SHA1_80} inline:{KEY[:-1]}!", "no base64"),
        (f"1 {SHA1_80} inline:", "a key of 0 bytes"),
        (f"1 {SHA1_80} inline:{KEY}|2^49", "lifetime out of bounds"),
        (f"1 {SHA1_80} inline:{KEY}|0", "lifetime out of bounds"),
        (f"1 {SHA1_80} inline:{KEY}|1:0", "MKI out of bounds"),
        (f"1 {SHA1_80} inline:{KEY}|1:129", "MKI out of bounds"),
        (f"1 {SHA1_80} inline:{KEY}|256:1", "MKI out of bounds"),
        (f"1 {SHA1_80} inline:{KEY}|2^20|1:4|x", "neither lifetime nor MKI"),
        (f"1 {SHA1_80} inline:{KEY}|forever", "neither lifetime nor MKI"),
        (f"1 {SHA1_80} inline:{KEY} UNENCRYPTED_SRTP", "UNENCRYPTED_SRTP cannot be met"),
        (f"1 {SHA1_80} inline:{KEY} KDR=1", "KDR cannot be met"),
        (f"1 {SHA1_80} inline:{KEY} FEC_KEY=inline:{KEY}", "FEC_KEY cannot be met"),
        (f"1 {SHA1_80} inline:{KEY} WSH=63", "WSH cannot be met"),
    ],
)
def test_lines_that_cannot(value: str, reason: str) -> None:
    with pytest.raises(SdesError, match=reason) as wrong:
        parse_crypto(value)
    assert KEY[:16] not in str(wrong.value)


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from([SHA1_80, "1", f"inline:{KEY}", "|", ":", "2^", ";", " "])).map("".join)
)
def test_any_text_is_a_line_or_refused(value: str) -> None:
    try:
        crypto = parse_crypto(value)
    except SdesError:
        return
    assert len(crypto.key) == SUITES[crypto.suite].key_bytes


@given(st.sampled_from(sorted(SUITES)), st.integers(1, 999_999_999), st.booleans())
def test_what_we_write_can_be_read(suite: str, tag: int, is_padded: bool) -> None:
    ours = fresh(suite, str(tag))
    written = str(ours) if is_padded else str(ours).rstrip("=")
    assert parse_crypto(written) == ours


def test_no_key_is_shown() -> None:
    ours = fresh(SHA1_80, "1")
    assert base64.b64encode(ours.key).decode() not in repr(ours)
    assert repr(ours.key) not in repr(ours)


def line(key: int = 0, tag: str = "1", suite: str = SHA1_80) -> Crypto:
    return Crypto(tag, suite, bytes([key]) * SUITES[suite].key_bytes)


def test_our_key_lasts_as_long_as_theirs() -> None:
    keys = OwnKeys()
    first = keys.for_answer(line(1))
    assert keys.for_answer(line(1)) == first
    assert keys.for_offer() == (first,)
    second = keys.for_answer(line(2))
    assert second.key != first.key
    other = keys.for_answer(line(2, "4", "AEAD_AES_128_GCM"))
    assert (other.tag, other.suite, len(other.key)) == ("4", "AEAD_AES_128_GCM", 28)
    assert keys.matching(line(3)) is None
    assert OwnKeys().for_answer(line(1)).key != first.key, "no two calls have one"


def test_what_we_offer_and_what_is_left_of_it() -> None:
    keys = OwnKeys()
    offered = keys.for_offer()
    assert [(our.tag, our.suite) for our in offered] == [(str(n), suite) for n, suite in enumerate(OFFERED_SUITES, 1)]
    assert len({our.key for our in offered}) == len(OFFERED_SUITES)
    assert keys.for_offer() == offered
    chosen = line(9, offered[1].tag, offered[1].suite)
    keys.answered(chosen)
    assert keys.for_offer() == (offered[1],)
    assert keys.matching(chosen) == offered[1]
    assert keys.for_answer(chosen) == offered[1], "they repeat theirs, and so do we"
