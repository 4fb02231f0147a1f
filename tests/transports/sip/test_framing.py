from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.framing import KeepAlive, StreamFramer, keep_alive
from tests.fakes.captured_sip import NAMES, captured
from tests.fakes.sip_bytes import anything

PING, PONG = KeepAlive.PING, KeepAlive.PONG


def framed(*pieces: bytes) -> tuple[list[bytes | KeepAlive], bool]:
    """Everything that comes out, and whether the stream broke."""
    framer, items = StreamFramer(), []
    for piece in pieces:
        try:
            for item in framer.feed(piece):
                items.append(item)
        except SipParseError:
            return items, True
    return items, False


def test_messages_come_out_whole_and_in_order() -> None:
    messages = [captured(name) for name in NAMES]

    assert framed(b"".join(messages)) == (messages, False)


@given(st.permutations(NAMES), st.lists(st.integers(0, 9000), max_size=12))
def test_where_the_stream_is_cut_makes_no_difference(names: list[str], cuts: list[int]) -> None:
    stream = b"".join(captured(name) + (b"\r\n\r\n" if index % 3 == 0 else b"") for index, name in enumerate(names))
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    assert framed(*(stream[a:b] for a, b in pairwise(places))) == framed(stream)


@given(st.lists(anything, max_size=3), st.lists(st.integers(0, 3000), max_size=8))
def test_nor_does_it_for_anything_else(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    assert framed(*(stream[a:b] for a, b in pairwise(places))) == framed(stream)


def test_every_byte_alone() -> None:
    stream = captured("asterisk_info_dtmf") + b"\r\n\r\n" + captured("asterisk_bye")

    assert framed(*(bytes([byte]) for byte in stream)) == (
        [captured("asterisk_info_dtmf"), PONG, PING, captured("asterisk_bye")],
        False,
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\r\n", [PONG]),
        (b"\r\n\r\n", [PONG, PING]),
        (b"\r\n\r\n\r\n", [PONG, PING, PONG]),
        (b"\n\n", [PONG, PING]),
        (b"\r", []),
    ],
)
def test_line_ends_between_messages_are_keep_alives(data: bytes, expected: list[KeepAlive]) -> None:
    assert framed(data) == (expected, False)


def test_a_line_end_before_a_message_is_no_half_of_a_later_ping() -> None:
    bye = captured("asterisk_bye")

    assert framed(b"\r\n" + bye + b"\r\n" + bye) == ([PONG, bye, PONG, bye], False)


def test_a_length_may_be_short_folded_and_among_others() -> None:
    message = b"BYE sip:a SIP/2.0\r\nX-Content-Length: 9\r\nl :\r\n 3\r\nSubject: l: 7\r\n\r\nabc"

    assert framed(message + b"\r\n") == ([message, PONG], False)


@pytest.mark.parametrize(
    "data",
    [
        b"BYE sip:a SIP/2.0\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\nx",
        b"BYE sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nContent-Length: 1048577\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nContent-Length: 1, 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"x" * 70_000,
        b"BYE sip:a SIP/2.0\r\nX: " + 70_000 * b"x" + b"\r\nl: 0\r\n\r\n",
    ],
)
def test_a_stream_that_cannot_be_cut_is_over_and_stays_so(data: bytes) -> None:
    framer = StreamFramer()
    good = captured("asterisk_bye")
    items = framer.feed(good + data)

    assert next(items) == good
    with pytest.raises(SipParseError) as raised:
        next(items)
    assert raised.value.answer is None
    with pytest.raises(SipParseError):
        list(framer.feed(good))


def test_bytes_are_kept_even_when_nobody_looks() -> None:
    framer, bye = StreamFramer(), captured("asterisk_bye")
    framer.feed(bye[:30])

    assert list(framer.feed(bye[30:])) == [bye]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\r\n\r\n", PING),
        (b"\n\n", PING),
        (b"\r\n", PONG),
        (b"\n", PONG),
        (b"\r\n\r\n\r\n", PING),
        (b"", None),
        (b"x", None),
        (captured("asterisk_bye"), None),
    ],
)
def test_keep_alives_that_are_whole_frames(data: bytes, expected: KeepAlive | None) -> None:
    assert keep_alive(data) is expected
