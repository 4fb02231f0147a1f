"""What Chromium's calls are judged by, which of them are chosen, and what is said when they cannot be had."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from tools.browser.cases import Cases
from tools.browser.programs import build_softphone, chromium_version, prepare, version_in
from tools.browser.sound import RATE, STEP, Samples, closeness, from_first_sound, likeness, said_by_us
from tools.debian import Unavailable


def speech(seconds: float = 4.0, seed: int = 1) -> Samples:
    """Noise with the ups and downs of speech."""
    random = np.random.default_rng(seed)
    steps = np.repeat(random.uniform(0, 1, int(seconds * 8)) ** 2, RATE // 8)
    return random.standard_normal(len(steps)) * 4000 * steps


def after_silence(samples: Samples, seconds: float = 0.733) -> Samples:
    return np.concatenate((np.zeros(int(seconds * RATE)), samples, np.zeros(RATE)))


# --- sound ---------------------------------------------------------------------------------------------------------
def test_what_is_heard_as_it_was_said_is_the_same() -> None:
    said = from_first_sound(speech())
    heard = after_silence(said * 0.7)
    assert closeness(heard, said) > 0.999
    assert likeness(heard, said) > 0.95


def test_another_speech_is_neither_close_nor_alike() -> None:
    said, heard = from_first_sound(speech()), after_silence(speech(seed=2))
    assert closeness(heard, said) < 0.3
    assert likeness(heard, said) < 0.8


def test_silence_is_nothing_that_was_said() -> None:
    said = from_first_sound(speech())
    assert closeness(np.zeros(RATE), said) == 0.0
    assert likeness(np.zeros(8 * RATE), said) == 0.0


def test_a_beginning_that_a_jitter_buffer_has_stretched_does_not_spoil_the_rest() -> None:
    said = from_first_sound(speech(6.0))
    twice = np.concatenate((said[:RATE], said[RATE - STEP : RATE], said[RATE:]))
    assert closeness(after_silence(twice), said) > 0.99


def test_of_a_recording_the_right_channel_is_ours_at_any_rate() -> None:
    file, tone = io.BytesIO(), (8000 * np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000)).astype("<i2")
    with wave.open(file, "wb") as recording:
        recording.setnchannels(2)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(np.column_stack((np.zeros_like(tone), tone)).tobytes())
    said = said_by_us(file.getvalue())
    assert len(said) == RATE
    spectrum = np.abs(np.fft.rfft(said))
    assert int(np.argmax(spectrum)) == 440
    assert float(np.sqrt((said**2).mean())) == pytest.approx(8000 / np.sqrt(2), rel=0.02)


# --- cases ---------------------------------------------------------------------------------------------------------
async def hangs_up(_: object) -> None: ...
async def follows_a_transfer(_: object) -> None: ...


def test_words_choose_cases(tmp_path: Path) -> None:
    both = (hangs_up, follows_a_transfer)
    assert Cases("jssip", tmp_path, []).choose(both) == list(both)
    assert Cases("jssip", tmp_path, ["jssip"]).choose(both) == list(both)
    assert Cases("jssip", tmp_path, ["transfer"]).choose(both) == [follows_a_transfer]
    assert Cases("jssip", tmp_path, ["console"]).choose(both) == []


def test_cases_that_build_on_each_other_are_chosen_together(tmp_path: Path) -> None:
    both = (hangs_up, follows_a_transfer)
    assert Cases("console", tmp_path, ["transfer"]).choose(both, are_one=True) == list(both)
    assert Cases("console", tmp_path, ["jssip"]).choose(both, are_one=True) == []


# --- programs ------------------------------------------------------------------------------------------------------
def program(folder: Path, name: str, script: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_programs_that_are_there_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = program(tmp_path, "chromium", "echo Chromium 156.0.8078.79 built on Debian")
    program(tmp_path, "npm", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert prepare() == str(browser)
    other = str(program(tmp_path, "another", ""))
    assert prepare(other) == other
    assert chromium_version(str(browser)) == "156.0.8078.79"
    assert chromium_version(str(tmp_path / "none")) == "of an unknown version"


def test_an_npm_that_cannot_fetch_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site := tmp_path / "site").mkdir()
    program(tmp_path, "npm", "printf 'npm error code X\nnpm error network timeout at the registry\n' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unavailable, match=r"npm ci .* failed: network timeout at the registry"):
        build_softphone(site)
    assert (site / "phone.js").is_file()


def test_the_version_is_that_of_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site := tmp_path / "site").mkdir()
    package = "node_modules/jssip/package.json"
    program(tmp_path, "npm", f'mkdir -p node_modules/jssip; echo \'{{"version": "1.2.3"}}\' > {package}')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert build_softphone(site) == "1.2.3"
    assert version_in("{}") == "of an unknown version"
