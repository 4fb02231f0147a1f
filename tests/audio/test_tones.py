"""Computed sounds, measured; keys recognised under noise, twist and speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio import levels, tones
from audio.codecs import g711
from audio.format import Encoding, MediaError
from tests.recordings import recording, transcripts

RATES = [8000, 16000, 24000]
ALL_DIGITS = "123A456B789C*0#D"


def spectrum(pcm: bytes, rate: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]  # whatever numbers they are
    samples = levels.samples_of(pcm)
    return np.fft.rfftfreq(len(samples), 1 / rate), np.abs(np.fft.rfft(samples))


def strongest(pcm: bytes, rate: int, count: int) -> set[int]:
    frequencies, power = spectrum(pcm, rate)
    peaks = [n for n in range(1, len(power) - 1) if power[n - 1] < power[n] >= power[n + 1]]
    return {round(frequencies[n]) for n in sorted(peaks, key=lambda n: -power[n])[:count]}


def detect(pcm: bytes, size: int = 320, rate: int = 8000) -> str:
    detector = tones.DtmfDetector(rate)
    pieces = [pcm[start : start + size] for start in range(0, len(pcm), size)]
    return "".join(found.digit for piece in pieces for found in detector.push(piece))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("digit", "low", "high"), [("1", 697, 1209), ("5", 770, 1336), ("#", 941, 1477), ("d", 941, 1633)]
)
def test_a_key_is_its_two_frequencies(digit: str, low: int, high: int, rate: int) -> None:
    assert strongest(tones.dtmf(digit, 1.0, rate), rate, 2) == {low, high}


def test_a_key_has_its_length_and_level() -> None:
    pcm = tones.dtmf("7", 0.2)
    assert len(pcm) == 2 * 1600
    assert levels.active_level(pcm, 8000) == pytest.approx(-6.9, abs=0.5)
    assert levels.peak(pcm) < -0.5


@pytest.mark.parametrize("digit", ["", "x", "12", "é"])
def test_there_are_sixteen_keys(digit: str) -> None:
    with pytest.raises(MediaError):
        tones.dtmf(digit)


@pytest.mark.parametrize("law", [Encoding.PCMU, Encoding.PCMA])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_every_key_is_recognised_after_a_telephone_line(law: Encoding, rate: int) -> None:
    pcm = tones.dtmf_string(ALL_DIGITS + "1155", 0.05, 0.05, rate)
    assert detect(g711.decode(g711.encode(pcm, law), law), rate=rate) == ALL_DIGITS + "1155"


@given(
    digits=st.text("0123456789*#", min_size=1, max_size=6),
    start=st.integers(0, 200),
    size=st.integers(1, 500).map(lambda size: 2 * size),
    dbfs=st.floats(-30, -6),
)
def test_keys_are_recognised_wherever_they_begin(digits: str, start: int, size: int, dbfs: float) -> None:
    pcm = bytes(2 * start) + b"".join(tones.dtmf(digit, 0.05, dbfs=dbfs) + tones.silence(0.05) for digit in digits)
    assert detect(pcm, size) == digits


def test_a_key_tells_where_it_was_pressed() -> None:
    (found,) = tones.DtmfDetector().push(tones.silence(0.5) + tones.dtmf("5") + tones.silence(0.1))
    assert found.pts_samples == pytest.approx(4000, abs=160)


def test_a_long_key_is_one_key_and_a_short_click_is_none() -> None:
    assert detect(tones.dtmf("5", 3.0) + tones.silence(0.1)) == "5"
    assert detect(tones.silence(0.1) + tones.dtmf("5", 0.02) + tones.silence(0.1)) == ""


def test_keys_are_recognised_in_noise() -> None:
    pcm = tones.dtmf_string("0123456789", 0.08, 0.08)
    noise = levels.samples_of(tones.comfort_noise(len(pcm) / 16000, dbfs=-30, seed=3))
    assert detect(levels.pcm_of(levels.samples_of(pcm) + noise)) == "0123456789"


@pytest.mark.parametrize("country", sorted(tones.RINGBACK))
def test_other_tones_are_not_keys(country: str) -> None:
    assert detect(tones.ringback(5, country=country)) == ""
    assert detect(tones.waiting_tone(3)) == ""
    assert detect(tones.comfort_noise(3, dbfs=-20)) == ""


@pytest.mark.recordings
def test_speech_is_not_taken_for_keys() -> None:
    """Ten minutes of a voice actor; a real key in the middle is still found."""
    speech = [recording("en", name) for name in sorted(transcripts("en"))[:250]]
    assert sum(map(len, speech)) / 16000 > 600
    assert detect(b"".join(speech)) == ""
    assert detect(speech[0] + tones.dtmf("4") + speech[1]) == "4"


@pytest.mark.parametrize(
    ("country", "frequencies", "on"), [("us", {440, 480}, 2.0), ("fr", {440}, 1.5), ("??", {425}, 1.0)]
)
def test_ringback_rings_as_the_country_does(country: str, frequencies: set[int], on: float) -> None:
    pcm = tones.ringback(7.0, country=country)
    assert len(pcm) == 7 * 16000
    assert strongest(pcm[: round(on * 16000)], 8000, len(frequencies)) == frequencies
    assert levels.rms(pcm[: round(on * 16000)]) == pytest.approx(-20, abs=0.3)
    assert levels.peak(pcm[round(on * 16000) : round(on * 16000) + 32000]) == levels.SILENT


@pytest.mark.parametrize("rate", RATES)
def test_the_waiting_tone_is_soft_and_repeats_without_a_seam(rate: int) -> None:
    second = tones.waiting_tone(1.0, rate)
    assert tones.waiting_tone(3.0, rate) == second * 3
    blip = round(0.12 * rate) * 2
    assert levels.rms(second[:blip]) == pytest.approx(-30, abs=0.2)
    assert levels.peak(second[blip:rate]) == levels.SILENT
    assert second[:rate] == second[rate:]


def test_comfort_noise_has_its_level_and_no_pitch() -> None:
    pcm = tones.comfort_noise(2.0, dbfs=-50)
    assert levels.rms(pcm) == pytest.approx(-50, abs=0.2)
    assert tones.comfort_noise(2.0, dbfs=-50) == pcm != tones.comfort_noise(2.0, dbfs=-50, seed=1)
    _, power = spectrum(pcm, 8000)
    assert power.max() < 10 * np.sqrt(np.mean(power**2))


def test_pieces_are_joined_without_clicks() -> None:
    loud = levels.pcm_of(np.full(800, 20000.0))
    joined = levels.samples_of(tones.concatenate([loud, loud], 8000, pause=0.01))
    assert len(joined) == 1680
    assert np.abs(np.diff(joined)).max() < 1000
    assert joined[400] == 20000
    assert abs(joined[0]) < 200


def test_what_is_shorter_than_its_fade_is_still_a_sound() -> None:
    assert len(tones.fade(b"\x00\x40" * 5, 8000)) == 10
    assert tones.fade(b"", 8000) == b""
