"""Reports on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import MediaError
from audio.rtp.packet import is_rtcp
from audio.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    from_wire,
    ntp_of,
    to_wire,
)

WORDS = st.integers(0, 0xFFFFFFFF)
BLOCKS = st.builds(
    ReportBlock,
    ssrc=WORDS,
    fraction_lost=st.integers(0, 255).map(lambda part: part / 256),
    lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest=WORDS,
    jitter=WORDS,
    last_report=WORDS,
    delay=WORDS,
)
SOME_BLOCKS = st.lists(BLOCKS, max_size=31).map(tuple)
PACKETS = st.one_of(
    st.builds(ReceiverReport, ssrc=WORDS, blocks=SOME_BLOCKS),
    st.builds(
        SenderReport,
        ssrc=WORDS,
        ntp=st.integers(0, 2**64 - 1),
        timestamp=WORDS,
        packets=WORDS,
        octets=WORDS,
        blocks=SOME_BLOCKS,
    ),
)


@given(PACKETS, st.text(max_size=60))
def test_a_report_comes_back_as_it_was(packet: RtcpPacket, cname: str) -> None:
    data = to_wire(packet, cname)
    assert from_wire(data) == [packet]
    assert is_rtcp(data)
    assert len(data) % 4 == 0


def test_every_field_is_where_the_rfc_has_it() -> None:
    block = ReportBlock(
        ssrc=0xAABBCCDD, fraction_lost=0.25, lost=-2, highest=0x00010203, jitter=9, last_report=0x11223344, delay=65536
    )
    report = SenderReport(ssrc=1, ntp=0x0102030405060708, timestamp=0xA0, packets=2, octets=320, blocks=(block,))
    assert to_wire(report, "me").hex() == (
        "81c8000c" "00000001" "0102030405060708" "000000a0" "00000002" "00000140"
        "aabbccdd" "40fffffe" "00010203" "00000009" "11223344" "00010000"
        "81ca0003" "00000001" "01026d65" "00000000"
    )  # fmt: skip


def test_a_goodbye_follows_a_report_and_a_name() -> None:
    data = to_wire(Goodbye(ssrcs=(5,)), "x")
    assert [data[start + 1] for start in (0, 8, 20)] == [201, 202, 203]
    assert from_wire(data) == [ReceiverReport(ssrc=5), Goodbye(ssrcs=(5,))]


def test_what_is_of_no_use_is_read_over() -> None:
    feedback = bytes.fromhex("81ce0002 00000001 00000002")
    application = bytes.fromhex("80cc0002 00000001 6e616d65")
    goodbye = bytes.fromhex("81cb0002 00000009 03627965")
    assert from_wire(feedback + application + goodbye) == [Goodbye(ssrcs=(9,))]
    assert from_wire(b"") == []


@pytest.mark.parametrize(
    "data",
    [
        "80c9",
        "80c90001",
        "80c90002 00000001",  # says more than it has
        "81c90001 00000001",  # says that there is a block
        "80c80001 00000001",
        "82cb0001 00000001",
        "40c90001 00000001",  # version 1
        "80c90001 00000001 80",
    ],
)
def test_what_is_too_short_is_refused(data: str) -> None:
    with pytest.raises(MediaError):
        from_wire(bytes.fromhex(data))


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        from_wire(data)
    except MediaError:
        return


@given(PACKETS, st.data())
def test_a_report_cut_anywhere_is_read_or_refused(packet: RtcpPacket, data: st.DataObject) -> None:
    whole = to_wire(packet, "name")
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert from_wire(cut) in ([], [packet])
    except MediaError:
        return


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MediaError, match="canonical"):
        to_wire(ReceiverReport(ssrc=1), "x" * 256)
    with pytest.raises(MediaError, match="blocks"):
        to_wire(ReceiverReport(ssrc=1, blocks=(ReportBlock(ssrc=1),) * 32), "x")
    with pytest.raises(MediaError, match="sources"):
        to_wire(Goodbye(ssrcs=(1,) * 32), "x")


def test_what_is_beyond_its_field_is_the_most_it_can_say() -> None:
    block = ReportBlock(ssrc=1, fraction_lost=1.0, lost=1 << 30)
    (report,) = from_wire(to_wire(ReceiverReport(ssrc=1, blocks=(block,)), "x"))
    assert isinstance(report, ReceiverReport)
    assert (report.blocks[0].fraction_lost, report.blocks[0].lost) == (255 / 256, (1 << 23) - 1)


@pytest.mark.parametrize("lost", [0, 1, -1, (1 << 23) - 1, -(1 << 23)])
def test_losses_may_be_negative(lost: int) -> None:
    (report,) = from_wire(to_wire(ReceiverReport(ssrc=1, blocks=(ReportBlock(ssrc=1, lost=lost),)), "x"))
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].lost == lost


def test_the_time_of_day_as_ntp_has_it() -> None:
    assert ntp_of(0.0) == 2_208_988_800 << 32
    assert ntp_of(0.5) - ntp_of(0.0) == 1 << 31
    assert ntp_of(2_085_978_496.0) == 0  # February 2036: the next era
