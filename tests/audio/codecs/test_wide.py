"""G.722, Opus and conversions: compared as sound, with losses, and by what odd peers send."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.codecs import convert
from audio.codecs.choice import NATIVE, Converted, live_codec
from audio.codecs.live import Codec, G711Codec
from audio.codecs.wide import FRAME, G722Codec, OpusCodec
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, MediaError
from audio.levels import rms, samples_of
from audio.rtp.jitter import Ear
from audio.rtp.packet import RtpPacket
from audio.rtp.stream import RtpSender
from tests.fakes.lossy_line import Underway, hearing, losing, sending, slots, voice
from tests.fakes.sounds import to_pcm

FORMATS = [PCMU_8K, PCMA_8K, L16_8K, L16_16K]


def spoken(seconds: float, audio_format: AudioFormat) -> list[bytes]:
    """A voice as frames in some format."""
    data = convert(to_pcm(voice(seconds)), L16_8K, audio_format)
    return slots(data, audio_format.size(FRAME))


def pcm(data: bytes, audio_format: AudioFormat) -> npt.NDArray[np.float32]:
    return samples_of(convert(data, audio_format, AudioFormat(Encoding.L16, audio_format.rate)))


def likeness(original: npt.NDArray[np.float32], heard: npt.NDArray[np.float32], rate: int) -> float:
    """The best correlation of the two with up to 30 ms of delay."""
    length = min(len(original), len(heard)) - round(0.03 * rate)
    begin = rate // 4
    best = (
        np.corrcoef(original[begin : length - 1], heard[begin + delay : length - 1 + delay])[0, 1]
        for delay in range(round(0.03 * rate))
    )
    return float(max(best))


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("audio_format", FORMATS)
def test_a_voice_comes_back_in_any_format(name: str, audio_format: AudioFormat) -> None:
    codec = live_codec(name, audio_format)
    frames = spoken(1, audio_format)
    heard = [codec.decode(codec.encode(frame)) for frame in frames]
    assert codec.format == audio_format
    assert [len(data) for data in heard] == [len(frame) for frame in frames]
    original = pcm(b"".join(frames), audio_format)
    result = pcm(b"".join(heard), audio_format)
    assert likeness(original, result, audio_format.rate) > 0.97


@pytest.mark.parametrize(("name", "expected"), NATIVE.items())
def test_each_codec_has_a_format_of_its_own(name: str, expected: AudioFormat) -> None:
    codec = live_codec(name.upper())
    assert codec.format == expected
    assert codec.clock_rate == (48000 if name == "opus" else 8000)
    assert not isinstance(codec, Converted)


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(MediaError, match="G729"):
        live_codec("G729")
    with pytest.raises(MediaError, match="11025"):
        OpusCodec(11025)


def test_g722_keeps_what_a_telephone_cuts_off() -> None:
    times = np.arange(16000) / 16000
    tone = (8000 * np.sin(2 * np.pi * 6000 * times)).astype("<i2").tobytes()
    codec = G722Codec()
    payloads = [codec.encode(frame) for frame in slots(tone, 640)]
    assert {len(payload) for payload in payloads} == {160}  # 64 kbit/s
    heard = b"".join(map(codec.decode, payloads))
    assert rms(heard[3200:]) == pytest.approx(rms(tone), abs=1)


def test_opus_needs_a_tenth_of_the_bits() -> None:
    codec = OpusCodec()
    sizes = [len(codec.encode(frame)) for frame in spoken(3, L16_16K)]
    assert sum(sizes) / len(sizes) * 8 / FRAME < 45_000
    assert max(sizes) < 200


@pytest.mark.parametrize("codec", [G722Codec(), OpusCodec(), OpusCodec(8000)], ids=["g722", "opus", "opus8"])
@pytest.mark.parametrize("size", [0, 2, 638, 642])
def test_a_frame_of_another_length_is_refused(codec: Codec, size: int) -> None:
    with pytest.raises(MediaError, match="frame"):
        codec.encode(bytes(size))


# --- what peers send -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("milliseconds", ["10", "40", "60"])
def test_opus_packets_of_other_lengths(milliseconds: str) -> None:
    size = 32 * int(milliseconds)
    encoder = _stranger({"frame_duration": milliseconds}, "mono", size // 2)
    frames = slots(b"".join(spoken(0.6, L16_16K)), size)
    codec = OpusCodec()
    for frame in frames:
        assert len(codec.decode(encoder(frame))) == size


def test_opus_in_stereo_becomes_mono() -> None:
    encoder = _stranger({}, "stereo", 320)
    codec = OpusCodec()
    heard = []
    for frame in spoken(1, L16_16K):
        samples = np.frombuffer(frame, "<i2")
        heard.append(codec.decode(encoder(np.repeat(samples, 2).tobytes())))
    assert {len(data) for data in heard} == {640}
    assert likeness(pcm(b"".join(spoken(1, L16_16K)), L16_16K), samples_of(b"".join(heard)), 16000) > 0.9


def test_silence_in_opus_may_be_a_single_byte() -> None:
    codec = OpusCodec()
    voiced = [codec.encode(frame) for frame in spoken(0.2, L16_16K)]
    for payload in voiced:
        codec.decode(payload)
    assert len(codec.decode(voiced[-1][:1])) == 640  # only the table of contents: RFC 6716 section 3.1


@pytest.mark.parametrize("codec", [OpusCodec(), G722Codec()], ids=["opus", "g722"])
@given(payload=st.binary(min_size=1, max_size=200))
@settings(max_examples=300)
def test_any_payload_is_decoded_or_refused(codec: Codec, payload: bytes) -> None:
    try:
        data = codec.decode(payload)
    except MediaError:
        return
    assert len(data) % 2 == 0
    assert len(data) <= 2 * 16000 * 0.12  # the most that an Opus packet holds; G.722 has two samples a byte


def _stranger(options: dict[str, str], layout: str, samples: int) -> Callable[[bytes], bytes]:
    """Another encoder than ours, at 16 kHz."""
    from fractions import Fraction

    from av.audio.frame import AudioFrame
    from av.codec.context import CodecContext

    context = CodecContext.create("libopus", "w")
    context.format, context.layout, context.sample_rate = "s16", layout, 16000
    context.time_base, context.bit_rate, context.options = Fraction(1, 16000), 48_000, options
    context.open()
    count = 0

    def encode(data: bytes) -> bytes:
        nonlocal count
        frame = AudioFrame(format="s16", layout=layout, samples=samples)
        frame.planes[0].update(data)
        frame.sample_rate, frame.pts = 16000, count * samples
        count += 1
        return b"".join(map(bytes, context.encode(frame)))

    return encode


# --- losses --------------------------------------------------------------------------------------------------------
@cache
def encoded(name: str) -> list[Underway]:
    codec = live_codec(name)
    sender = RtpSender(ssrc=7, payload_type=9, slot_ticks=codec.clock_rate // 50)
    return sending([codec.encode(frame) for frame in spoken(8, L16_16K)], sender)


@cache
def without_losses(name: str) -> npt.NDArray[np.float32]:
    return samples_of(b"".join(item.frame.data for item in hearing(Ear({9: live_codec(name)}), encoded(name))))


@pytest.mark.parametrize("name", ["g722", "opus"])
@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_losses_through_the_ear_cost_their_own_length_and_do_not_click(name: str, share: float) -> None:
    arrived = losing(encoded(name), share)
    listener = Ear({9: live_codec(name)})
    heard = list(hearing(listener, arrived))
    assert [item.frame.pts_samples for item in heard] == [number * 320 for number in range(400)]
    assert listener.lost == 400 - len(arrived) > 0
    sound, clean = samples_of(b"".join(item.frame.data for item in heard)), without_losses(name)
    assert np.abs(np.diff(sound, 2)).max() <= 1.5 * np.abs(np.diff(clean, 2)).max()
    assert np.corrcoef(sound, clean)[0, 1] > 0.9


@pytest.mark.parametrize("name", ["g722", "opus", "pcmu"])
def test_a_gap_fades_and_what_follows_it_is_real_again(name: str) -> None:
    codec, reference = live_codec(name, L16_16K), live_codec(name, L16_16K)
    payloads = [codec.encode(frame) for frame in spoken(1, L16_16K)]
    for payload in payloads[:20]:
        codec.decode(payload)
        reference.decode(payload)
    gap = [rms(codec.conceal(320)) for _ in range(5)]
    assert gap[0] > -35
    assert gap == sorted(gap, reverse=True)
    assert gap[4] < -80
    for payload in payloads[20:25]:
        reference.decode(payload)
    together = [(codec.decode(payload), reference.decode(payload)) for payload in payloads[25:]]
    ours, theirs = (samples_of(b"".join(pair[side] for pair in together[10:])) for side in (0, 1))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95


@pytest.mark.parametrize("name", NATIVE)
def test_another_stream_begins_as_the_first_one_did(name: str) -> None:
    codec = live_codec(name, L16_16K)
    payloads = [codec.encode(frame) for frame in spoken(0.3, L16_16K)]
    first = [codec.decode(payload) for payload in payloads]
    codec.conceal(320)
    codec.reset()
    assert [codec.decode(payload) for payload in payloads] == first


def test_a_call_keeps_its_format_when_the_codec_changes() -> None:
    listener = Ear({0: G711Codec(Encoding.PCMU), 9: live_codec("g722", PCMU_8K), 8: live_codec("pcma", PCMU_8K)})
    payloads = {0: spoken(0.1, PCMU_8K), 8: spoken(0.1, PCMA_8K), 9: [G722Codec().encode(bytes(640))] * 5}
    frames = []
    for number in range(15):
        kind = (0, 9, 8)[number // 5]
        packet = RtpPacket(kind, number, number * 160, 7, payloads[kind][number % 5])
        frames += listener.push(packet, number * FRAME)
    assert [frame.pts_samples for frame in frames] == [number * 160 for number in range(15)]
    assert {frame.format for frame in frames} == {PCMU_8K}
