"""Media of one call between a leg and a path, slot by slot, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from audio.codecs.live import G711Codec
from audio.format import L16_8K, PCMU_8K, Encoding
from audio.frame import Frame
from audio.rtp import rtcp
from audio.rtp.packet import RtpPacket
from gateway.errors import LocalProtocolError
from gateway.events import AudioReceived, DigitPressed, LegEvent, MarkReached
from gateway.transports.media.session import MediaOrigin, MediaSession, MediaTerms
from gateway.transports.media.ticker import PTIME, Ticker
from tests.fakes.rtp_path import FakePath, event_payload
from tests.fakes.virtual_loop import virtual_time

PCMU, EVENT = 0, 101
SILENCE = b"\xff" * 160
ORIGIN = MediaOrigin(ssrc=0xABCD, sequence=65000, timestamp=1000, cname="c")
PEER_SSRC = 77


def terms(**kwargs: Any) -> MediaTerms:
    return MediaTerms(**{"codec": G711Codec(Encoding.PCMU), "payload_type": PCMU, "event_type": EVENT, **kwargs})


def tone(seconds: float) -> bytes:
    """Bytes that are all different from their neighbours, and never silence."""
    return bytes((i * 7 + i // 251) % 254 for i in range(PCMU_8K.size(seconds)))


def now() -> float:
    return asyncio.get_running_loop().time()


class Call:
    """A session, what it says, and a peer that sends."""

    def __init__(self, agreed: MediaTerms | None = None, **kwargs: Any) -> None:
        self.path = FakePath()
        self.ticker = Ticker()
        self.events: list[tuple[float, LegEvent]] = []
        self.lost: list[tuple[float, str]] = []
        self.start = now()
        self.media = MediaSession(
            self.path,
            agreed or terms(),
            origin=ORIGIN,
            ticker=self.ticker,
            post=lambda event: self.events.append((now(), event)),
            lost=lambda reason: self.lost.append((now(), reason)),
            **kwargs,
        )
        self._sequence = itertools.count(100)

    # --- the peer --------------------------------------------------------------------------------------------------
    def hear(self, payload: bytes = SILENCE, *, at: int, payload_type: int = PCMU, sequence: int | None = None) -> None:
        """A packet whose first sample is the ``at``-th."""
        if sequence is None:
            sequence = next(self._sequence)
        self.path.arrive(RtpPacket(payload_type, sequence, 5000 + at, PEER_SSRC, payload))

    # --- what came of it -------------------------------------------------------------------------------------------
    def frames(self) -> list[Frame]:
        return [event.frame for _, event in self.events if isinstance(event, AudioReceived)]

    def told(self) -> list[LegEvent]:
        return [event for _, event in self.events if not isinstance(event, AudioReceived)]

    def marks(self) -> dict[str, float]:
        return {event.mark_id: at - self.start for at, event in self.events if isinstance(event, MarkReached)}

    async def say(self, data: bytes) -> None:
        await self.media.send_audio(Frame(data, self.media.format))

    async def slots(self, count: int) -> None:
        """Let that many slots pass, and a little."""
        await asyncio.sleep(count * PTIME + 0.001)


@asynccontextmanager
async def call(agreed: MediaTerms | None = None, **kwargs: Any) -> AsyncIterator[Call]:
    made = Call(agreed, **kwargs)
    made.media.start()
    try:
        yield made
    finally:
        await made.media.close()
        assert made.ticker.members == 0


# --- sending -----------------------------------------------------------------------------------------------------
@virtual_time
async def test_silence_is_sent_when_there_is_nothing_to_say() -> None:
    async with call() as made:
        await made.slots(50)
        packets = made.path.packets
        assert [packet.payload for packet in packets] == [SILENCE] * 50
        assert [at - made.start for at, _ in made.path.sent] == pytest.approx([PTIME * n for n in range(1, 51)])
        assert [p.sequence for p in packets] == list(range(32232, 32282))  # 65000 without its highest bit
        assert [p.timestamp for p in packets] == [1000 + 160 * n for n in range(50)]
        assert {(p.ssrc, p.payload_type) for p in packets} == {(0xABCD, PCMU)}
        assert [p.marker for p in packets] == [True] + [False] * 49


@virtual_time
async def test_speech_leaves_as_it_was_said_with_a_marker_where_it_begins() -> None:
    async with call() as made:
        await made.slots(3)
        said = tone(0.4)
        await made.say(said[:1000])
        await made.say(said[1000:])
        await made.slots(25)
        assert made.path.audio(PCMU) == SILENCE * 3 + said + SILENCE * 5
        assert [index for index, packet in enumerate(made.path.packets) if packet.marker] == [0, 3]


@virtual_time
async def test_whether_the_peer_sends_can_be_waited_for() -> None:
    async with call() as made:
        waiting = asyncio.create_task(made.media.until_peer_sends())
        await made.slots(50)
        assert not waiting.done()
        made.hear(at=0)
        await waiting
        await made.media.until_peer_sends()  # it does
        assert now() - made.start == pytest.approx(1.0, abs=0.01)


@virtual_time
async def test_what_waits_is_bounded_and_the_rest_waits_outside() -> None:
    async with call(lookahead=0.5) as made:
        said = tone(3.0)
        await made.say(said)
        assert now() - made.start == pytest.approx(2.5, abs=0.1 + PTIME)
        await made.slots(30)
        assert made.path.audio(PCMU)[: len(said)] == said


@virtual_time
async def test_who_keeps_just_the_lookahead_never_waits() -> None:
    async with call(lookahead=0.12) as made:
        await asyncio.sleep(0.007)
        begun = now()
        for number in range(100):
            await asyncio.sleep(max(0.0, begun + number * PTIME - 0.12 - now()))
            before = now()
            await made.say(tone(0.02))
            assert now() == before


@virtual_time
async def test_marks_are_reached_when_what_is_before_them_has_left() -> None:
    async with call() as made:
        await made.say(tone(0.3))
        made.media.mark("one")
        await made.say(tone(0.1) + b"\x01" * 40)
        made.media.mark("two")
        await made.slots(40)
        assert made.marks() == {"one": pytest.approx(0.3), "two": pytest.approx(0.42)}


@virtual_time
async def test_a_mark_behind_nothing_is_reached_at_once() -> None:
    async with call() as made:
        made.media.mark("now")
        assert made.told() == [MarkReached(mark_id="now")]


@virtual_time
async def test_a_clear_takes_back_everything_and_costs_one_slot_at_most() -> None:
    async with call() as made:
        said = tone(0.5)
        await made.say(said)
        made.media.mark("old")
        await made.slots(10)
        made.media.clear()
        await made.slots(10)
        assert made.path.audio(PCMU) == said[:1600] + SILENCE * 10
        await made.say(said[:160])
        made.media.mark("new")
        await made.slots(1)
        assert made.path.audio(PCMU).endswith(said[:160])
        assert made.told() == [MarkReached(mark_id="new")]


@virtual_time
async def test_a_clear_ends_a_wait_in_send_audio_and_drops_the_rest() -> None:
    async with call(lookahead=0.2) as made:
        sending = asyncio.create_task(made.say(tone(5.0)))
        await made.slots(10)
        assert not sending.done()
        made.media.clear()
        async with asyncio.timeout(0.001):
            await sending
        await made.slots(10)
        assert made.path.audio(PCMU) == tone(5.0)[:1600] + SILENCE * 10


@virtual_time
async def test_audio_of_another_format_is_a_bug_of_ours() -> None:
    async with call() as made:
        with pytest.raises(LocalProtocolError):
            await made.media.send_audio(Frame(b"\0\0", L16_8K))


@virtual_time
async def test_a_process_that_was_held_up_leaves_slots_out_rather_than_bursting() -> None:
    async with call() as made:
        await made.say(tone(0.4))
        await made.slots(2)
        made.media._tick(25)
        await made.slots(1)
        packets = made.path.packets
        assert packets[2].timestamp - packets[1].timestamp == 26 * 160
        assert packets[2].sequence - packets[1].sequence == 1
        assert [packet.marker for packet in packets[:4]] == [True, False, True, False]
        assert made.path.audio(PCMU) == tone(0.4)[: len(made.path.audio(PCMU))]


@virtual_time
async def test_a_law_has_its_own_silence_and_transcodes() -> None:
    async with call(terms(codec=G711Codec(Encoding.PCMA, L16_8K), payload_type=8)) as made:
        assert made.media.format == L16_8K
        await made.slots(2)
        assert made.path.audio(8) == b"\xd5" * 320


# --- keys out ----------------------------------------------------------------------------------------------------
@virtual_time
async def test_keys_are_sent_in_place_of_audio_which_goes_on_behind_them() -> None:
    async with call() as made:
        await made.say(tone(0.4))
        await made.slots(2)
        await made.media.send_digits("1#")
        pressed = now() - made.start
        await made.slots(30)
        keys = [packet for packet in made.path.packets if packet.payload_type == EVENT]
        assert [packet.payload[0] for packet in keys if packet.marker] == [1, 11]
        assert [packet.payload[0] for packet in keys if packet.payload[1] & 0x80] == [1] * 3 + [11] * 3
        assert pressed == pytest.approx(0.04 + 2 * 0.16, abs=2 * PTIME)
        assert made.path.audio(PCMU)[: len(tone(0.4))] == tone(0.4)
        sequences = [packet.sequence for packet in made.path.packets]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


@virtual_time
async def test_a_peer_without_telephone_events_gets_none() -> None:
    async with call(terms(event_type=None)) as made:
        with pytest.raises(LocalProtocolError):
            await made.media.send_digits("1")


@virtual_time
async def test_what_is_no_key_is_refused() -> None:
    async with call() as made:
        with pytest.raises(LocalProtocolError):
            await made.media.send_digits("1x")


@virtual_time
async def test_a_call_that_ends_while_keys_or_audio_wait() -> None:
    async with call(lookahead=0.1) as made:
        pressing = asyncio.create_task(made.media.send_digits("123456"))
        speaking = asyncio.create_task(made.say(tone(3.0)))
        await made.slots(3)
        await made.media.close()
        async with asyncio.timeout(0.001):
            await asyncio.gather(pressing, speaking)
        sent = len(made.path.sent)
        await made.say(tone(1.0))
        made.media.mark("late")
        made.media.clear()
        await made.slots(10)
        assert (len(made.path.sent), made.told()) == (sent, [])


@virtual_time
async def test_who_sends_on_after_the_end_does_not_hold_up_the_loop() -> None:
    async with call() as made:
        await made.media.close()

        async def speak() -> None:
            while True:
                await made.say(tone(0.02))

        speaking = asyncio.create_task(speak())
        for _ in range(3):
            await asyncio.sleep(0)
        speaking.cancel()
        await asyncio.wait([speaking])
        assert speaking.cancelled()


# --- receiving ---------------------------------------------------------------------------------------------------
@virtual_time
async def test_audio_arrives_on_the_peers_time_line() -> None:
    async with call() as made:
        for at in (0, 160, 320, 1600):  # after 320 a pause of 0.14 s
            made.hear(tone(0.02), at=at)
        assert [frame.pts_samples for frame in made.frames()] == [0, 160, 320, 1600]
        assert {frame.format for frame in made.frames()} == {PCMU_8K}


@virtual_time
async def test_swapped_packets_are_put_right() -> None:
    async with call() as made:
        pieces = [bytes([n]) * 160 for n in range(4)]
        for n in (0, 2, 1, 3):
            made.hear(pieces[n], at=160 * n, sequence=n)
        assert [frame.data for frame in made.frames()] == pieces


@virtual_time
async def test_a_lost_packet_is_given_up_by_the_ticker_when_nothing_follows() -> None:
    async with call() as made:
        made.hear(at=0, sequence=1)
        made.hear(at=320, sequence=3)
        assert len(made.frames()) == 1
        await made.slots(5)
        assert [frame.pts_samples for frame in made.frames()] == [0, 160, 320]


@virtual_time
async def test_keys_are_reported_once_and_take_no_place_in_the_audio() -> None:
    async with call() as made:
        made.hear(at=0)
        for n in range(1, 6):
            made.hear(event_payload(5, 160 * n), at=160, payload_type=EVENT)
        for _ in range(3):
            made.hear(event_payload(5, 960, end=True), at=160, payload_type=EVENT)
        made.hear(at=1120)
        assert made.told() == [DigitPressed(digit="5")]
        assert [frame.pts_samples for frame in made.frames()] == [0, 1120]


@virtual_time
async def test_what_is_no_rtp_is_counted() -> None:
    async with call() as made:
        made.path.sink.rtp_received(b"\x80\x00")
        made.path.sink.rtp_received(b"\x9f" + b"\0" * 20)
        assert (made.media.malformed, made.events) == (2, [])


# --- reports -----------------------------------------------------------------------------------------------------
@virtual_time
async def test_every_five_seconds_a_report_says_what_was_sent_and_heard() -> None:
    async with call() as made:
        for n in (1, 2, 4):
            made.hear(at=160 * n, sequence=n)
        await asyncio.sleep(10.5)
        assert [at - made.start for at, _ in made.path.reports] == pytest.approx([5.0, 10.0], abs=PTIME)
        (first,) = rtcp.from_wire(made.path.reports[0][1])
        assert isinstance(first, rtcp.SenderReport)
        assert (first.ssrc, first.packets, first.octets) == (0xABCD, 250, 250 * 160)
        assert (first.blocks[0].ssrc, first.blocks[0].lost) == (PEER_SSRC, 1)
        assert (made.media.quality.received, made.media.quality.lost) == (3, 1)


@virtual_time
async def test_the_peers_reports_tell_the_round_trip() -> None:
    async with call() as made:
        await asyncio.sleep(5.1)
        (ours,) = rtcp.from_wire(made.path.reports[0][1])
        assert isinstance(ours, rtcp.SenderReport)
        await asyncio.sleep(0.5)
        told = rtcp.ReportBlock(
            ssrc=0xABCD, lost=7, jitter=80, last_report=ours.ntp >> 16 & 0xFFFFFFFF, delay=round(0.4 * 65536)
        )
        asked = now() - made.path.reports[0][0] - 0.4
        made.path.sink.rtcp_received(rtcp.to_wire(rtcp.ReceiverReport(ssrc=PEER_SSRC, blocks=(told,)), "peer"))
        quality = made.media.quality
        assert (quality.peer_lost, quality.peer_jitter) == (7, 0.01)
        assert quality.round_trip == pytest.approx(asked, abs=0.001)


@virtual_time
async def test_a_report_that_cannot_be_read_is_counted() -> None:
    async with call() as made:
        made.path.sink.rtcp_received(b"\x80\xc8\x00\x06" + b"\0" * 8)
        assert made.media.malformed == 1


@virtual_time
async def test_goodbye_is_said_once() -> None:
    async with call() as made:
        await made.slots(3)
        await made.media.close()
        await made.media.close()
        (_, last) = made.path.reports[-1]
        assert rtcp.Goodbye(ssrcs=(0xABCD,)) in rtcp.from_wire(last)
        assert len(made.path.reports) == 1


@pytest.mark.parametrize(("ssrc", "goodbyes"), [(PEER_SSRC, 1), (PEER_SSRC + 1, 0)])
@virtual_time
async def test_a_peers_goodbye_is_counted_and_ends_nothing(ssrc: int, goodbyes: int) -> None:
    async with call(silence_limit=20.0) as made:
        made.hear(at=0)
        made.path.sink.rtcp_received(rtcp.to_wire(rtcp.Goodbye(ssrcs=(ssrc,)), "peer"))
        assert made.media.goodbyes == goodbyes
        await made.slots(50)
        made.hear(at=160)
        await made.slots(5)
        assert len(made.frames()) == 2, "as after a hold, or a codec that has changed"
        assert (len(made.path.packets), made.lost) == (55, [])


@virtual_time
async def test_a_peer_that_has_said_goodbye_and_stays_silent_is_told_apart() -> None:
    async with call(silence_limit=20.0) as made:
        made.hear(at=0)
        made.path.sink.rtcp_received(rtcp.to_wire(rtcp.Goodbye(ssrcs=(PEER_SSRC,)), "peer"))
        await made.slots(1002)
        assert [why for _, why in made.lost] == [
            "no media from the peer for 20 s, since its stream said goodbye (RTCP)"
        ]


# --- hold, other terms, ends ---------------------------------------------------------------------------------------
@virtual_time
async def test_on_hold_nothing_goes_either_way_and_then_it_goes_on() -> None:
    agreed = terms()
    async with call(agreed) as made:
        await made.say(tone(0.4))
        await made.slots(5)
        held = MediaTerms(codec=agreed.codec, payload_type=PCMU, event_type=EVENT, sending=False, receiving=False)
        made.media.agree(held)
        made.hear(at=0)
        await made.slots(5)
        assert (len(made.path.packets), made.frames()) == (5, [])
        made.media.agree(agreed)
        made.hear(at=160)
        await made.slots(5)
        packets = made.path.packets
        assert made.path.audio(PCMU) == tone(0.4)[:1600]
        assert (packets[5].timestamp - packets[4].timestamp, packets[5].marker) == (6 * 160, True)
        assert [frame.pts_samples for frame in made.frames()] == [160]


@virtual_time
async def test_another_codec_goes_on_where_the_old_one_stopped() -> None:
    async with call() as made:
        made.hear(at=0)
        made.hear(at=160)
        made.media.agree(terms(codec=G711Codec(Encoding.PCMA, PCMU_8K), payload_type=8, event_type=96))
        made.hear(b"\xd5" * 160, at=90000, payload_type=8)
        made.hear(event_payload(3, 160), at=90160, payload_type=96)
        await made.slots(1)
        assert [frame.pts_samples for frame in made.frames()] == [0, 160, 320]
        assert made.frames()[2].data == b"\xfe" * 160  # the silence of A-law is one step above zero
        assert made.told() == [DigitPressed(digit="3")]
        assert made.path.packets[-1].payload_type == 8
        with pytest.raises(LocalProtocolError):
            made.media.agree(terms(codec=G711Codec(Encoding.PCMA)))


@virtual_time
async def test_a_peer_that_falls_silent_is_gone_after_its_limit() -> None:
    async with call(silence_limit=20.0) as made:
        await asyncio.sleep(15.0)
        made.hear(at=0)
        await asyncio.sleep(30.0)
        assert [reason for _, reason in made.lost] == ["no media from the peer for 20 s"]
        assert made.lost[0][0] - made.start == pytest.approx(35.0, abs=2 * PTIME)
        assert made.path.sent[-1][0] - made.start < 35.1


@virtual_time
async def test_on_hold_the_peer_may_be_silent() -> None:
    agreed = terms()
    async with call(agreed, silence_limit=20.0) as made:
        made.media.agree(MediaTerms(codec=agreed.codec, payload_type=PCMU, event_type=EVENT, receiving=False))
        await asyncio.sleep(60.0)
        made.media.agree(agreed)
        await asyncio.sleep(19.0)
        assert made.lost == []
        await asyncio.sleep(2.0)
        assert len(made.lost) == 1


@virtual_time
async def test_without_a_limit_it_may_be_silent_for_ever() -> None:
    async with call(silence_limit=None) as made:
        await asyncio.sleep(1000.0)
        assert made.lost == []


@virtual_time
async def test_a_lost_path_is_told_once() -> None:
    async with call() as made:
        made.path.lose("the peer closed DTLS")
        made.path.lose("again")
        await asyncio.sleep(60.0)
        assert [reason for _, reason in made.lost] == ["the peer closed DTLS"]
        await made.media.close()
        assert made.path.closed == 1


@virtual_time
async def test_a_bug_in_one_call_ends_that_call() -> None:
    async with call() as made:
        made.path.breaks = True
        await made.slots(3)
        assert [reason for _, reason in made.lost] == ["sending failed"]


@virtual_time
async def test_when_we_close_nobody_is_told_of_a_loss() -> None:
    async with call() as made:
        await made.media.close()
        made.path.lose("closed")
        assert made.lost == []
