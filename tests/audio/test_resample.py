"""Rate conversion measured as sound: level, frequency, aliases, delay and length."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.codecs import convert, g711
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, MediaError
from audio.resample import LIVE_DELAY, Resampler, resample

RATES = [8000, 16000, 22050, 24000, 48000]
PAIRS = list(permutations(RATES, 2))
AMPLITUDE = 16000


def tone(frequency: float, rate: int, seconds: float = 0.5) -> bytes:
    times = np.arange(round(rate * seconds)) / rate
    return np.rint(AMPLITUDE * np.sin(2 * np.pi * frequency * times)).astype("<i2").tobytes()


def middle(pcm: bytes) -> npt.NDArray[np.float64]:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return samples[len(samples) // 8 : -len(samples) // 8]


def measure(pcm: bytes, frequency: float, rate: int) -> tuple[float, float]:
    """Level of the tone against the original, and of everything else against the tone, in dB."""
    samples = middle(pcm)
    angle = 2 * np.pi * frequency * np.arange(len(samples)) / rate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    found = np.linalg.lstsq(basis, samples, rcond=None)[0]
    rest = samples - basis @ found
    noise = 10 * np.log10(np.mean(rest**2) / np.mean(samples**2))
    return 20 * np.log10(np.hypot(*found) / AMPLITUDE), noise


def level(pcm: bytes) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(middle(pcm) ** 2)) * 2**0.5 / AMPLITUDE + 1e-12))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_tone_in_the_speech_band_passes_unchanged(source: int, target: int) -> None:
    for frequency in (300, 1000, 3400):
        gain, noise = measure(Resampler(source, target).process(tone(frequency, source)), frequency, target)
        assert abs(gain) < 0.1
        assert noise < -74


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_nothing_folds_into_the_speech_band(source: int, target: int) -> None:
    above = [share * target for share in (0.58, 0.65, 0.9, 1.4, 2.2) if share * target < source / 2]
    for frequency in above:
        assert level(Resampler(source, target).process(tone(frequency, source))) < -70
        assert level(resample(tone(frequency, source), source, target)) < -70


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_frame_comes_out_as_a_frame_at_once(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    assert {len(resampler.process(bytes(2 * source // 50))) for _ in range(5)} == {2 * target // 50}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_delay_is_two_milliseconds_and_constant(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    chance = np.random.default_rng(1)
    burst = np.zeros(source // 5)
    burst[source // 10] = 1.0
    smooth = np.convolve(burst, np.hanning(source // 500), mode="same") * 20000
    pcm = smooth.astype("<i2").tobytes()
    cuts = [0, *sorted(chance.integers(0, len(pcm), 7)), len(pcm)]
    out = b"".join(resampler.process(pcm[start:end]) for start, end in pairwise(cuts)) + resampler.flush()
    late = np.argmax(np.frombuffer(out, "<i2")) / target - np.argmax(smooth) / source
    assert late == pytest.approx(LIVE_DELAY, abs=1.5 / min(source, target))
    assert resampler.delay_samples == pytest.approx(LIVE_DELAY * target, abs=0.5)


@given(
    pair=st.sampled_from([(8000, 16000), (22050, 8000), (24000, 8000), (8000, 22050), (16000, 24000)]),
    cuts=st.lists(st.integers(0, 5000), max_size=8),
    seed=st.integers(0, 1000),
)
def test_cutting_the_stream_anywhere_changes_nothing(pair: tuple[int, int], cuts: list[int], seed: int) -> None:
    source, target = pair
    pcm = np.random.default_rng(seed).integers(-20000, 20000, 2500).astype("<i2").tobytes()
    whole, pieces = Resampler(source, target), Resampler(source, target)
    places = [0, *sorted(cuts), len(pcm)]
    one = np.frombuffer(whole.process(pcm) + whole.flush(), "<i2")
    many = b"".join(pieces.process(pcm[start:end]) for start, end in pairwise(places)) + pieces.flush()
    difference = one.astype(int) - np.frombuffer(many, "<i2")
    assert np.abs(difference).max() <= 1  # sums of floats in another order
    assert len(one) == 2500 * target // source + whole.delay_samples


def test_after_a_flush_a_stream_begins_anew() -> None:
    resampler = Resampler(24000, 8000)
    pcm = tone(700, 24000)
    first = resampler.process(pcm + b"x") + resampler.flush()
    assert resampler.process(pcm) + resampler.flush() == first


def test_the_same_rate_changes_and_delays_nothing() -> None:
    resampler = Resampler(8000, 8000)
    assert (resampler.process(b"abcd"), resampler.flush(), resampler.delay_samples) == (b"abcd", b"", 0)


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = (np.sign(np.sin(np.arange(1600) / 5)) * 32767).astype("<i2").tobytes()
    out = np.frombuffer(Resampler(8000, 16000).process(square), "<i2").astype(int)
    assert out.max() == 32767
    assert np.abs(np.diff(out)).max() < 50000


@pytest.mark.parametrize(("source", "target"), [*PAIRS, (44100, 8000), (11025, 8000), (8000, 44100), (32000, 8000)])
def test_a_whole_prompt_keeps_its_length_and_place(source: int, target: int) -> None:
    out = resample(tone(1000, source, 1.3), source, target)
    assert len(out) // 2 == -(-round(source * 1.3) * target // source)
    same = np.frombuffer(tone(1000, target, 1.3), "<i2")[200:-200].astype(float)
    assert np.corrcoef(np.frombuffer(out, "<i2")[200:][: len(same)], same)[0, 1] > 0.9999


def test_a_whole_prompt_keeps_all_but_the_edge_of_its_band() -> None:
    for frequency in (300, 3400, 3800):
        gain, noise = measure(resample(tone(frequency, 48000), 48000, 8000), frequency, 8000)
        assert abs(gain) < 0.1
        assert noise < -74


def test_an_empty_prompt_stays_empty() -> None:
    assert resample(b"", 22050, 8000) == b""


@pytest.mark.parametrize("rates", [(0, 8000), (8000, -1), (22051, 8000)])
def test_rates_that_cannot_be_converted_are_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(MediaError):
        Resampler(*rates)
    with pytest.raises(MediaError):
        resample(b"ab", *rates)


@pytest.mark.parametrize("target", [PCMU_8K, PCMA_8K, L16_8K, L16_16K, AudioFormat(Encoding.PCMU, 16000)])
@pytest.mark.parametrize("source", [PCMU_8K, PCMA_8K, L16_16K, AudioFormat(Encoding.L16, 22050)])
def test_a_prompt_is_converted_between_any_two_formats(source: AudioFormat, target: AudioFormat) -> None:
    data = g711.encode(tone(1013, source.rate), source.encoding)
    out = convert(data, source, target)
    assert target.seconds(len(out)) == pytest.approx(0.5)
    gain, noise = measure(g711.decode(out, target.encoding), 1013, target.rate)
    assert abs(gain) < 0.2
    assert noise < -30  # G.711 twice


def test_a_prompt_in_the_right_format_is_not_touched() -> None:
    assert convert(b"\x00\x7f\xff", PCMU_8K, PCMU_8K) == b"\x00\x7f\xff"
