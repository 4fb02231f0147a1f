"""RTP headers, bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import MediaError
from audio.rtp.packet import RtpPacket, is_rtcp

PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
)
FIXED = bytes.fromhex("00 01 00000002 00000003")  # sequence, timestamp, SSRC


@given(PACKETS)
def test_a_packet_comes_back_as_it_was(packet: RtpPacket) -> None:
    assert RtpPacket.from_wire(packet.to_wire()) == packet


def test_every_field_is_where_the_rfc_has_it() -> None:
    packet = RtpPacket.from_wire(bytes.fromhex("80 80 1234 89abcdef deadbeef ff7f"))
    assert packet == RtpPacket(0, 0x1234, 0x89ABCDEF, 0xDEADBEEF, b"\xff\x7f", marker=True)


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (0x82, bytes(8) + b"audio"),  # two contributing sources
        (0x90, bytes.fromhex("bede 0001 10ff 0000") + b"audio"),  # a header extension of one word
        (0x90, bytes.fromhex("bede 0000") + b"audio"),
        (0xA0, b"audio" + bytes([0, 0, 3])),  # padding
        (0xB1, bytes(4) + bytes.fromhex("bede 0001 10ff 0000") + b"audio" + bytes([1])),  # all of them
    ],
)
def test_what_stands_around_the_payload_is_read_over(first: int, rest: bytes) -> None:
    assert RtpPacket.from_wire(bytes([first, 8]) + FIXED + rest).payload == b"audio"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes([0x80, 0]) + FIXED[:-1],
        bytes([0x40, 0]) + FIXED,  # version 1
        bytes([0x00, 0x01]) + FIXED,  # STUN
        bytes([0x81, 0]) + FIXED,  # a contributing source that is not there
        bytes([0x90, 0]) + FIXED + bytes(3),
        bytes([0x90, 0]) + FIXED + bytes.fromhex("bede 0002 00000000"),
        bytes([0xA0, 0]) + FIXED + b"xx" + bytes([0]),
        bytes([0xA0, 0]) + FIXED + b"xx" + bytes([4]),
        bytes([0xA1, 0]) + FIXED + bytes(4) + bytes([2]),  # padding that reaches into the header
    ],
)
def test_what_is_too_short_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        RtpPacket.from_wire(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        packet = RtpPacket.from_wire(data)
    except MediaError:
        return
    assert len(packet.payload) <= len(data) - 12


def test_padding_alone_is_an_empty_payload() -> None:
    assert RtpPacket.from_wire(bytes([0xA0, 0]) + FIXED + bytes([0, 2])).payload == b""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes([0x80, 200]), True),  # sender report
        (bytes([0x81, 201]), True),
        (bytes([0x81, 206]), True),  # feedback
        (bytes([0x80, 0]), False),
        (bytes([0x80, 0x80 | 111]), False),  # Opus with the marker
        (bytes([0x80, 126]), False),
        (bytes([0x00, 200]), False),
        (b"\x80", False),
    ],
)
def test_rtcp_on_the_same_port_is_told_apart(data: bytes, expected: bool) -> None:
    assert is_rtcp(data) is expected


@given(PACKETS.filter(lambda packet: not 64 <= packet.payload_type <= 95))
def test_no_audio_is_taken_for_rtcp(packet: RtpPacket) -> None:
    assert not is_rtcp(packet.to_wire())
