"""The ear: order, losses, pauses, and what a bad network may do to a call."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.codecs.live import G711Codec
from audio.format import L16_16K, PCMU_8K, Encoding, MediaError
from audio.framing import Timeline
from audio.rtp.jitter import Ear
from audio.rtp.packet import RtpPacket
from audio.rtp.stream import RtpSender
from tests.fakes.lossy_line import (
    PTIME,
    SLOT,
    Heard,
    Underway,
    hearing,
    jittered,
    losing,
    sending,
    slots,
    speech,
)

PCMU, PCMA, EVENT = 0, 8, 101
JOIN = 32  # samples of real audio, for each packet of a gap, that concealed audio is mixed into


def ear() -> Ear:
    return Ear({PCMU: G711Codec(Encoding.PCMU), PCMA: G711Codec(Encoding.PCMA, PCMU_8K)})


def audio(number: int, *, timestamp: int | None = None, ssrc: int = 7, payload: bytes = b"") -> RtpPacket:
    """The `number`-th packet of a stream; its payload tells which one it is."""
    payload = payload or bytes([number % 251]) * SLOT
    stamp = number * SLOT if timestamp is None else timestamp
    return RtpPacket(PCMU, number & 0xFFFF, stamp & 0xFFFFFFFF, ssrc, payload)


def joined(heard: list[Heard]) -> bytes:
    """What was heard, as one piece; that there is no hole and no overlap is checked on the way."""
    position = 0
    for item in heard:
        assert item.frame.pts_samples == position
        position = item.frame.end_samples
    return b"".join(item.frame.data for item in heard)


# --- a good network --------------------------------------------------------------------------------------------------
def test_what_comes_in_order_passes_at_once() -> None:
    wire = speech(2)
    packets = sending(slots(wire))
    heard = list(hearing(ear(), packets))
    assert joined(heard) == wire
    assert [item.at for item in heard] == [packet.at for packet in packets]


def test_sequence_and_timestamp_may_wrap() -> None:
    wire = speech(1)
    sender = RtpSender(ssrc=1, payload_type=PCMU, sequence=65520, timestamp=2**32 - 10 * SLOT)
    assert joined(list(hearing(ear(), sending(slots(wire), sender)))) == wire


def test_losses_around_the_wrap_are_losses() -> None:
    sender = RtpSender(ssrc=1, payload_type=PCMU, sequence=65534, timestamp=2**32 - 2 * SLOT)
    packets = [packet for packet in sending(slots(speech(1)), sender) if packet.number not in (1, 2)]
    listener = ear()
    assert len(joined(list(hearing(listener, packets)))) == 8000
    assert listener.lost == 2


def test_packets_of_other_lengths() -> None:
    wire = speech(1.2)
    sender = RtpSender(ssrc=1, payload_type=PCMU, slot_ticks=240)
    assert joined(list(hearing(ear(), sending(slots(wire, 240), sender)))) == wire


# --- losses --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("law", [Encoding.PCMU, Encoding.PCMA])
def test_no_more_is_lost_than_the_network_lost_and_the_delay_does_not_grow(share: float, law: Encoding) -> None:
    wire = speech(60, law)
    payload_type = PCMU if law is Encoding.PCMU else PCMA
    everything = sending(slots(wire), RtpSender(ssrc=7, payload_type=payload_type, sequence=9, timestamp=77))
    packets = losing(everything, share)
    listener = Ear({payload_type: G711Codec(law)})
    heard = list(hearing(listener, packets))
    missing = len(everything) - len(packets)
    assert listener.lost == missing > 0
    assert len(heard) == len(everything)
    together = joined(heard)
    changed = sum(a != b for a, b in zip(together, wire, strict=True))
    assert changed <= missing * (SLOT + JOIN)
    arrived = {packet.number for packet in packets}
    delays = [item.at - number * PTIME for number, item in enumerate(heard) if number in arrived]
    assert max(delays) <= Ear.WAIT + 1e-6
    after_the_losses = [delay for number, delay in enumerate(delays) if number % 50 == 0]
    assert sum(delay > 1e-9 for delay in after_the_losses) <= len(after_the_losses) * share * 6  # 3 packets a loss


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_with_jitter_and_losses_the_time_line_stays_with_the_clock(share: float) -> None:
    """The ear and the time line together, as in a call: what was heard is where it was said, and nothing piles up."""
    wire = speech(60)
    packets = jittered(losing(sending(slots(wire)), share), 0.03)
    line = Timeline(PCMU_8K, start=0.0, wire_pts=True)
    placed: list[bytes] = []
    clock = 0.0
    for item in hearing(ear(), packets):
        while clock + PTIME <= item.at:
            clock += PTIME
            placed += [frame.data for frame in line.fill(clock)]
        placed += [frame.data for frame in line.place(item.frame, item.at)]
        assert abs(item.at - line.position / 8000) <= Timeline.PATIENCE + PTIME
    together = b"".join(placed)
    assert abs(len(together) - len(wire)) <= 2 * SLOT
    assert together.count(PCMU_8K.silence(SLOT)) == 0


def test_a_hole_waits_for_three_packets_and_is_filled_then() -> None:
    listener = ear()
    assert len(listener.push(audio(0), 0.00)) == 1
    assert listener.push(audio(2), 0.04) == []
    assert listener.push(audio(3), 0.06) == []
    assert listener.next_deadline() == pytest.approx(0.10)
    frames = listener.push(audio(4), 0.08)
    assert [frame.pts_samples for frame in frames] == [160, 320, 480, 640]
    assert frames[3].data == audio(4).payload
    assert listener.next_deadline() == float("inf")
    assert listener.lost == 1


def test_a_hole_before_a_pause_waits_for_sixty_milliseconds() -> None:
    listener = ear()
    listener.push(audio(0), 0.00)
    assert listener.push(audio(2), 0.04) == []
    assert listener.release(0.09) == []
    assert [frame.pts_samples for frame in listener.release(0.10)] == [160, 320]


def test_what_comes_after_it_was_given_up_is_ignored() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    for number in (2, 3, 4):
        listener.push(audio(number), number * PTIME)
    assert listener.push(audio(1), 0.09) == []
    assert (listener.lost, listener.ignored, listener.position) == (1, 1, 800)


def test_a_long_loss_is_a_pause_rather_than_minutes_of_made_up_sound() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    frames = [frame for number in (20, 21, 22, 23) for frame in listener.push(audio(number), number * PTIME)]
    assert [frame.pts_samples for frame in frames] == [number * SLOT for number in (20, 21, 22, 23)]
    assert listener.lost == 19


def test_a_packet_that_cannot_be_decoded_is_concealed() -> None:
    class Picky(G711Codec):
        def decode(self, payload: bytes) -> bytes:
            if payload == b"broken":
                raise MediaError("broken")
            return super().decode(payload)

    listener = Ear({PCMU: Picky(Encoding.PCMU)})
    wire = speech(0.1)
    for number, payload in enumerate(slots(wire)[:3]):
        listener.push(audio(number, payload=payload), 0.0)
    (frame,) = listener.push(audio(3, payload=b"broken"), 0.06)
    assert (frame.pts_samples, frame.samples) == (480, SLOT)
    assert frame.data != PCMU_8K.silence(SLOT)
    assert [item.pts_samples for item in listener.push(audio(4), 0.08)] == [640]
    assert listener.undecodable == 1


# --- order ---------------------------------------------------------------------------------------------------------
def test_neighbours_that_changed_places_change_back() -> None:
    wire = speech(4)
    packets = sending(slots(wire))
    swapped = [replace(p, at=p.at + (0.025 if p.number % 5 == 3 else 0)) for p in packets]
    listener = ear()
    assert joined(list(hearing(listener, swapped))) == wire
    assert (listener.lost, listener.ignored) == (0, 0)


def test_jitter_up_to_the_wait_loses_nothing() -> None:
    wire = speech(10)
    listener = ear()
    assert joined(list(hearing(listener, jittered(sending(slots(wire)), 0.055)))) == wire
    assert listener.lost == 0


def test_every_packet_twice_is_heard_once() -> None:
    wire = speech(2)
    packets = sending(slots(wire))
    listener = ear()
    again = [replace(packet, at=packet.at + 0.013) for packet in packets]
    assert joined(list(hearing(listener, packets + again))) == wire
    assert listener.ignored == len(packets)


def test_a_packet_that_waits_is_not_taken_twice() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    listener.push(audio(2), 0.04)
    assert listener.push(audio(2), 0.041) == []
    assert [frame.pts_samples for frame in listener.push(audio(1), 0.042)] == [160, 320]
    assert listener.ignored == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 2)), max_size=80), st.integers(0, 0xFFFF))
def test_whatever_the_network_does_everything_is_heard_once_and_in_order(
    arrivals: list[tuple[int, float]], first: int
) -> None:
    listener = ear()
    payloads = [bytes([number + 1]) * SLOT for number in range(41)]
    sender = RtpSender(ssrc=1, payload_type=PCMU, sequence=first, timestamp=first * 12345)
    sent = sending(payloads, sender)
    heard = list(hearing(listener, [Underway(at, n, sent[n].data) for n, at in arrivals]))
    ends = [0, *(item.frame.end_samples for item in heard)]
    assert all(end <= item.frame.pts_samples for end, item in zip(ends, heard, strict=False))
    numbers = [item.frame.data[-1] for item in heard if item.frame.data in payloads]
    assert numbers == sorted(set(numbers))
    assert listener.next_deadline() == float("inf")


def test_what_waits_is_bounded() -> None:
    draw = random.Random(5)
    listener = ear()
    tail = SLOT // 2  # of real audio, also where its beginning is mixed with concealed audio
    tails, real = set(), 0
    for pushed in range(1, 2001):
        number = draw.randrange(600)
        payload = number.to_bytes(2, "big") * tail
        tails.add(payload[-tail:])
        real += sum(frame.data[-tail:] in tails for frame in listener.push(audio(number, payload=payload), 0.0))
        assert pushed - listener.ignored - real <= Ear.DEPTH


# --- other streams -------------------------------------------------------------------------------------------------
def test_another_source_goes_on_where_the_first_one_ended() -> None:
    first, second = sending(slots(speech(0.2))), slots(speech(0.3))
    other = RtpSender(ssrc=99, payload_type=PCMU, sequence=40000, timestamp=1)
    later = [replace(packet, at=packet.at + 0.2) for packet in sending(second, other)]
    assert joined(list(hearing(ear(), first + later))) == speech(0.2) + speech(0.3)


def test_what_waited_of_the_first_source_is_heard_before_the_second() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    listener.push(audio(2), 0.04)
    frames = listener.push(audio(500, ssrc=8), 0.06)
    assert [frame.pts_samples for frame in frames] == [160, 320, 480]
    assert frames[-1].data == audio(500).payload


@pytest.mark.parametrize("to", [1000, 30000, 50000, 65300])
def test_a_leap_of_the_sequence_begins_anew(to: int) -> None:
    listener = ear()
    listener.push(audio(500), 0.0)
    (frame,) = listener.push(audio(to), 0.02)
    assert frame.pts_samples == SLOT
    assert listener.lost == 0
    assert len(listener.push(audio(to + 1), 0.04)) == 1


def test_the_codec_may_change_in_mid_call() -> None:
    listener = ear()
    silence = Encoding.PCMA.silence * SLOT
    listener.push(audio(0), 0.0)
    (frame,) = listener.push(RtpPacket(PCMA, 1, SLOT, 7, silence), 0.02)
    assert (frame.format, frame.pts_samples) == (PCMU_8K, 160)
    assert frame.pcm() == b"\x08\x00" * SLOT  # A-law has no zero; mu-law has this value, too


def test_codecs_have_to_agree_on_what_they_give() -> None:
    with pytest.raises(MediaError, match="2 formats"):
        Ear({PCMU: G711Codec(Encoding.PCMU), PCMA: G711Codec(Encoding.PCMA)})
    with pytest.raises(MediaError, match="0 formats"):
        Ear({})


# --- timestamps ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("leap", "pause"),
    [
        (80, 80),
        (8000, 8000),
        (29 * 8000, 29 * 8000),
        (31 * 8000, 0),  # nobody believes that
        (2**31, 0),
        (-160, 0),  # a new clock, or the same one again
        (-80000, 0),
    ],
)
def test_a_timestamp_that_leaps_without_a_missing_packet(leap: int, pause: int) -> None:
    listener = ear()
    listener.push(audio(0, timestamp=1000), 0.0)
    (frame,) = listener.push(audio(1, timestamp=1160 + leap), 0.02)
    assert frame.pts_samples == 160 + pause
    (frame,) = listener.push(audio(2, timestamp=1320 + leap), 0.04)
    assert frame.pts_samples == 320 + pause


def test_timestamps_that_never_move() -> None:
    listener = ear()
    frames = [frame for number in range(5) for frame in listener.push(audio(number, timestamp=42), number * PTIME)]
    assert [frame.pts_samples for frame in frames] == [0, 160, 320, 480, 640]


def test_silence_suppression_makes_a_pause_of_the_right_length() -> None:
    wire = slots(speech(1))
    sender = RtpSender(ssrc=7, payload_type=PCMU)
    packets = sending(wire[:25], sender)
    sender.skip(100)
    packets += [replace(packet, at=packet.at + 2.5) for packet in sending(wire[25:], sender)]
    heard = list(hearing(ear(), packets))
    assert [item.frame.pts_samples for item in heard[24:26]] == [24 * SLOT, 125 * SLOT]
    line = Timeline(PCMU_8K, start=-PTIME, wire_pts=True)
    placed = [frame for item in heard for frame in [*line.fill(item.at), *line.place(item.frame, item.at)]]
    together = b"".join(frame.data for frame in placed)
    assert together == b"".join(wire[:25]) + PCMU_8K.silence(100 * SLOT) + b"".join(wire[25:])


def test_a_loss_before_a_pause_is_no_second_of_made_up_sound() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    listener.push(audio(2, timestamp=20 * SLOT), 0.4)
    (frame,) = listener.release(0.46)
    assert frame.pts_samples == 20 * SLOT


def test_keys_and_comfort_noise_fill_their_place_without_audio() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    for number in range(1, 6):
        assert listener.push(RtpPacket(EVENT, number, SLOT, 7, b"\x05\x0a\x00\xa0"), number * PTIME) == []
    assert listener.push(RtpPacket(13, 6, 7 * SLOT, 7, b"\x40"), 0.12) == []
    (frame,) = listener.push(audio(7, timestamp=8 * SLOT), 0.16)
    assert (frame.pts_samples, listener.lost) == (8 * SLOT, 0)


def test_lost_packets_of_a_key_are_not_concealed() -> None:
    listener = ear()
    listener.push(audio(0), 0.0)
    for number in (1, 4):
        listener.push(RtpPacket(EVENT, number, SLOT, 7, b"\x05\x0a\x00\xa0"), number * PTIME)
    frames = [frame for number in (5, 6) for frame in listener.push(audio(number, timestamp=number * SLOT), 0.1)]
    assert [frame.pts_samples for frame in frames] == [5 * SLOT, 6 * SLOT]
    assert listener.lost == 2


def test_an_empty_payload_is_no_audio() -> None:
    listener = ear()
    assert listener.push(RtpPacket(PCMU, 0, 0, 7, b""), 0.0) == []
    assert [frame.pts_samples for frame in listener.push(audio(1), 0.02)] == [0]


# --- five minutes ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ppm", "share"), [(500, 0.02), (-500, 0.0)])
def test_a_clock_that_is_off_for_five_minutes(ppm: int, share: float) -> None:
    """Half a second of five minutes has to be taken out or put in: in pieces of a frame, and no more than that."""
    wire = speech(10) + PCMU_8K.silence(8000)
    packets = jittered(losing(sending(slots(wire * 27), ppm=ppm), share), 0.02)
    line = Timeline(PCMU_8K, start=0.0, wire_pts=True)
    placed = 0
    for item in hearing(ear(), packets):
        placed += sum(frame.samples for frame in [*line.fill(item.at), *line.place(item.frame, item.at)])
        assert abs(item.at - placed / 8000) < Timeline.PATIENCE + 2 * PTIME
    drift = abs(placed - len(wire * 27)) / 8000
    assert drift == pytest.approx(297 * 500e-6, abs=4 * PTIME)


def test_wider_audio_is_counted_by_its_own_rate() -> None:
    """As G.722 does: sixteen thousand samples, eight thousand ticks."""

    class Wide:
        format = L16_16K
        clock_rate = 8000

        def encode(self, data: bytes) -> bytes:
            return data

        def decode(self, payload: bytes) -> bytes:
            return payload

        def conceal(self, samples: int) -> bytes:
            return bytes(2 * samples)

        def reset(self) -> None: ...

    listener = Ear({9: Wide()})
    packet = RtpPacket(9, 0, 0, 7, bytes(640))
    listener.push(packet, 0.0)
    frames = []
    for number in (2, 3, 4):
        frames += listener.push(replace(packet, sequence=number, timestamp=number * 160), number * PTIME)
    assert [(frame.pts_samples, frame.samples) for frame in frames] == [(n * 320, 320) for n in (1, 2, 3, 4)]
    (late,) = listener.push(replace(packet, sequence=5, timestamp=7 * 160), 0.2)
    assert late.pts_samples == 7 * 320


# --- codecs that are learned ---------------------------------------------------------------------------------------
def test_a_codec_that_is_learned_goes_on_where_the_last_one_has_ended() -> None:
    listener = Ear({PCMU: G711Codec(Encoding.PCMU)})
    law = G711Codec(Encoding.PCMA, PCMU_8K)
    unknown = replace(audio(2), payload_type=PCMA)
    assert [frame.pts_samples for frame in listener.push(audio(1), 0.0)] == [0]
    assert listener.push(unknown, 0.02) == []
    listener.learn(PCMA, law)
    leap = replace(audio(3, timestamp=900_000), payload_type=PCMA)
    assert [frame.pts_samples for frame in listener.push(leap, 0.04)] == [SLOT]
    listener.learn(PCMA, law)  # nothing new
    pause = replace(audio(4, timestamp=900_000 + 3 * SLOT), payload_type=PCMA)
    assert [frame.pts_samples for frame in listener.push(pause, 0.08)] == [4 * SLOT]
    assert [frame.pts_samples for frame in listener.push(audio(5, timestamp=900_000 + 4 * SLOT), 0.1)] == [5 * SLOT]
    listener.forget(PCMA)
    listener.forget(96)
    assert listener.push(replace(audio(6), payload_type=PCMA), 0.12) == []


def test_a_codec_of_another_format_cannot_be_learned() -> None:
    with pytest.raises(MediaError, match="this stream is heard as"):
        ear().learn(96, G711Codec(Encoding.PCMA))
