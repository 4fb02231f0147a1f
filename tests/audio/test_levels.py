"""Loudness of synthetic and recorded speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio import levels
from audio.codecs import g711
from audio.format import Encoding, MediaError
from tests.recordings import recording

ENCODINGS = list(Encoding)


def sine(dbfs: float, seconds: float = 0.4) -> bytes:
    """A 500 Hz tone whose RMS is `dbfs`."""
    amplitude = 32768 * 2**0.5 * 10 ** (dbfs / 20)
    return levels.pcm_of(amplitude * np.sin(2 * np.pi * 500 * np.arange(round(8000 * seconds)) / 8000))


@pytest.mark.parametrize("dbfs", [-3.1, -20.0, -60.0])
def test_a_tone_measures_what_it_is(dbfs: float) -> None:
    assert levels.rms(sine(dbfs)) == pytest.approx(dbfs, abs=0.3)
    assert levels.peak(sine(dbfs)) == pytest.approx(dbfs + 3.01, abs=0.3)


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(640)])
def test_silence_has_a_level_too(pcm: bytes) -> None:
    assert levels.rms(pcm) == levels.peak(pcm) == levels.active_level(pcm, 8000) == levels.SILENT
    assert levels.normalise(pcm, 8000) == pcm


def test_pauses_do_not_count_as_speech() -> None:
    speech = sine(-20) + bytes(16000) + sine(-20)
    assert levels.active_level(speech, 8000) == pytest.approx(-20, abs=0.1)
    assert levels.rms(speech) < -23


@pytest.mark.parametrize("dbfs", [-45.0, -12.0])
def test_voices_are_brought_to_the_same_loudness(dbfs: float) -> None:
    out = levels.normalise(sine(dbfs), 8000, target_dbfs=-20)
    assert levels.active_level(out, 8000) == pytest.approx(-20, abs=0.1)


def test_peaks_are_kept_below_full_scale_rather_than_the_level_reached() -> None:
    clicks = np.frombuffer(sine(-30), "<i2").copy()
    clicks[::320] = 12000
    out = levels.normalise(clicks.tobytes(), 8000, target_dbfs=-10, peak_dbfs=-1)
    assert levels.peak(out) == pytest.approx(-1, abs=0.01)


@pytest.mark.recordings
def test_recorded_speech_ends_at_the_wanted_level() -> None:
    pcm = recording("en", "demo-congrats")
    assert -30 < levels.active_level(pcm, 8000) < -15
    assert levels.active_level(levels.normalise(pcm, 8000, -24), 8000) == pytest.approx(-24, abs=0.2)


def test_gain_clips_instead_of_wrapping() -> None:
    loud = np.frombuffer(levels.gain(sine(-6), 20), "<i2")
    assert (loud.max(), loud.min()) == (32767, -32768)


@given(pcm=st.binary(max_size=200).map(lambda data: data[: len(data) & ~1]))
def test_samples_and_bytes_are_opposites(pcm: bytes) -> None:
    assert levels.pcm_of(levels.samples_of(pcm)) == pcm


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(MediaError):
        levels.rms(b"abc")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_quiet_is_told_from_speech_in_every_encoding(encoding: Encoding) -> None:
    click = bytearray(sine(-60))
    click[100:104] = b"\xff\x7f\x00\x80"
    assert levels.is_quiet(g711.encode(sine(-60), encoding), encoding)
    assert levels.is_quiet(g711.encode(bytes(click), encoding), encoding)
    assert not levels.is_quiet(g711.encode(sine(-35), encoding), encoding)
    assert levels.is_quiet(b"", encoding)
