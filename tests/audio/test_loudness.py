"""Prompts that are equally loud, judged as sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.levels import active_level, pcm_of, peak
from audio.loudness import CEILING_DBTP, MOST_GAIN, TARGET_DBFS, levelled, true_peak

RATES = [8000, 16000]


def tone(dbfs: float, frequency: float, rate: int, seconds: float = 1.0, phase: float = 0.0) -> bytes:
    """A tone whose RMS is `dbfs`."""
    time = np.arange(round(rate * seconds)) / rate
    return pcm_of(32768 * 2**0.5 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * time + phase))


def speech_like(rate: int, level: float, crest: float) -> bytes:
    """Bursts of noise with pauses between them; `crest` is how far its clicks stand out, in decibels."""
    chance = np.random.default_rng(7)
    noise = chance.normal(size=2 * rate)
    noise *= np.repeat(np.tile([1.0, 0.0], 4), rate // 4)
    noise *= 32768 * 10 ** (level / 20)
    noise[:: rate // 8] *= 10 ** (crest / 20)
    return pcm_of(noise)


def numbers(pcm: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


@pytest.mark.parametrize("rate", RATES)
def test_a_peak_between_the_samples_is_found(rate: int) -> None:
    between = tone(-9.03, rate / 4, rate, phase=np.pi / 4)  # samples only at 0.707 of its peak
    assert peak(between) == pytest.approx(-9.03, abs=0.05)
    assert true_peak(between) == pytest.approx(-6.02, abs=0.15)


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(1600)])
def test_silence_stays_silence(pcm: bytes) -> None:
    assert levelled(pcm, 8000) == pcm
    assert true_peak(pcm) == -96.0


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [-44.0, -20.0, -9.0])
def test_speech_gets_the_common_level_without_its_pauses(rate: int, level: float) -> None:
    spoken = speech_like(rate, level, crest=0.0)
    out = levelled(spoken, rate)
    assert len(out) == len(spoken)
    assert active_level(out, rate) == pytest.approx(TARGET_DBFS, abs=0.1)
    assert true_peak(out) <= CEILING_DBTP + 0.1
    quiet = numbers(out)[rate // 4 + 200 : rate // 2 - 200]
    assert np.abs(quiet).max() == 0


@pytest.mark.parametrize("rate", RATES)
def test_peaks_give_way_instead_of_the_level(rate: int) -> None:
    spoken = speech_like(rate, -40.0, crest=26.0)
    out = levelled(spoken, rate, target_dbfs=-18.0)
    assert active_level(out, rate) == pytest.approx(-18.0, abs=0.3)
    assert true_peak(out) <= CEILING_DBTP + 0.1
    assert np.abs(numbers(out)).max() < 32767  # limited, not clipped


def test_what_needs_no_limiting_is_only_turned_up() -> None:
    given = tone(-32.0, 440, 8000)
    out = levelled(given, 8000)
    assert np.corrcoef(numbers(given), numbers(out))[0, 1] > 0.99999


def test_a_limited_tone_stays_a_tone() -> None:
    """Gain that moves slowly makes no new frequencies worth hearing: under -40 dB of the tone."""
    loud = numbers(tone(-6.0, 500, 8000))
    loud[4000:4400] *= 1.4
    out = numbers(levelled(pcm_of(loud), 8000, target_dbfs=-4.0))
    spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
    beside = np.delete(spectrum, np.arange(400, 601))
    assert beside.max() < spectrum.max() / 100


def test_hiss_is_not_made_a_roar() -> None:
    hiss = tone(-70.0, 1000, 8000)
    assert active_level(levelled(hiss, 8000), 8000) == pytest.approx(-70.0 + MOST_GAIN, abs=1.5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-32768, 32767), max_size=800),
    st.sampled_from(RATES),
    st.floats(-40, -3),
)
def test_whatever_it_is_the_ceiling_holds(values: list[int], rate: int, target: float) -> None:
    pcm = np.array(values, "<i2").tobytes()
    out = levelled(pcm, rate, target)
    assert len(out) == len(pcm)
    if peak(pcm) > -96.0:
        assert true_peak(out) <= max(CEILING_DBTP + 0.3, -40)
