"""Recordings are found with their words, and noise is as loud as it is said to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio import levels
from audio.files import write_wav
from gateway.errors import GatewayError
from gateway.speech.scripted.signal import duration_of, spoken_pcm
from gateway.trying.material import (
    RATE,
    Recording,
    at_level,
    babble,
    mixed,
    pink,
    recordings_in,
    short_phrases,
    transcripts_in,
)

TEXTS = {
    "hours": "opening hours",
    "bye": "goodbye then",
    "long": "one two three four",
    "digits/1": "one",
    "beep": "[tone]",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [f"{name}: {text}" for name, text in TEXTS.items()]
    (tmp_path / "transcripts.txt").write_text("\n".join(["; a list", *lines, "hours2: Opening Hours", "no colon"]))
    for name in ("hours", "bye", "long", "hours2"):
        write_wav(tmp_path / f"{name}.wav", spoken_pcm(TEXTS.get(name, "x"), 16000), 16000)
    return tmp_path


def test_what_is_usable_is_found_with_its_words(folder: Path) -> None:
    found = recordings_in(folder, number=10, longest=3)
    assert {each.name: each.text for each in found} == {"hours": "opening hours", "bye": "goodbye then"}
    assert all(len(each.pcm) / 2 / RATE == pytest.approx(duration_of(each.text), abs=0.01) for each in found)
    assert len(recordings_in(folder, number=1, longest=4)) == 1


def test_it_is_always_the_same_ones(folder: Path) -> None:
    first, again = (recordings_in(folder, number=2, longest=4) for _ in range(2))
    assert first == again


def test_phrases_are_short_words_without_numbers() -> None:
    texts = {"a": "press 1", "b": "you have ...", "c": "hello there", "d": "Hello There", "e": "a b c d", "f": "<x> y"}
    assert short_phrases(texts, 3) == {"c": "hello there"}


def test_a_folder_without_a_list_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match=r"python -m tools\.fetch_recordings"):
        transcripts_in(tmp_path)
    (tmp_path / "transcripts.txt").write_text("one: two\n")
    with pytest.raises(GatewayError, match="names no WAV file beside it with up to 3 words"):
        recordings_in(tmp_path, number=1, longest=3)


def test_the_end_of_speech_is_found() -> None:
    pcm = bytes(RATE) + spoken_pcm("opening hours", RATE) + bytes(2 * RATE)
    assert Recording("x", "x", pcm).speech_end == pytest.approx(0.5 + duration_of("opening hours"), abs=0.05)
    assert Recording("x", "x", bytes(RATE)).speech_end == pytest.approx(0.5, abs=0.01)


def test_noise_is_as_loud_as_is_said_and_always_the_same() -> None:
    recordings = [Recording("x", "x", spoken_pcm(text, RATE)) for text in ("opening hours", "goodbye")]
    for noise in (pink(2.0), babble(2.0, recordings)):
        assert noise.size == 2 * RATE
        assert levels.rms(levels.pcm_of(at_level(noise, -30))) == pytest.approx(-30, abs=0.2)
    assert np.array_equal(pink(1.0), pink(1.0))
    assert np.array_equal(babble(1.0, recordings), babble(1.0, recordings))


def test_pink_noise_falls_with_every_octave() -> None:
    power = np.abs(np.fft.rfft(pink(4.0))) ** 2
    octaves = [power[4 * low : 8 * low].sum() for low in (200, 400, 800, 1600)]
    assert octaves == pytest.approx([np.mean(octaves)] * 4, rel=0.2)


def test_speech_stands_over_its_noise() -> None:
    speech, noise = spoken_pcm("opening hours", RATE), at_level(pink(2.0), -40)
    together = levels.samples_of(mixed(speech, noise))
    assert together == pytest.approx(levels.samples_of(speech) + noise[: together.size], abs=1)
