"""`talkpath hear` as its user runs it: when what was understood, and what is told of mistakes and failures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audio.files import write_wav
from gateway.speech.scripted.signal import spoken_pcm
from tests.trying.shell import Shell


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "answer.wav"
    write_wav(file, spoken_pcm("opening hours", 16000), 16000)
    return file


def test_what_is_understood_is_told_with_its_time(talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--vendor", "acme", "--fast")
    assert (done.code, done.errors) == (0, "")
    end, final, heard, delay = done.out.splitlines()
    assert re.fullmatch(r" +\d\.\d\d s  final    opening hours  \(confidence 0\.90\)", final)
    assert re.fullmatch(r" +\d\.\d\d s  end of the audio", end)
    assert heard == "heard: opening hours"
    late = r"from the end of the audio: last final \+0\.\d{3} s, complete \+0\.\d{3} s"
    assert re.fullmatch(late, delay)


def test_it_is_played_as_fast_as_somebody_talks(talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--vendor", "plain")
    said = re.search(r"(\d+\.\d+) s  end of the audio\n", done.out)
    assert said is not None
    assert float(said[1]) >= 0.78
    assert "partial" not in done.out


def test_partials_come_before_the_end(talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--vendor", "turns", "--fast")
    assert re.search(r"s  partial  good\n", done.out)
    assert "heard: good morning\n" in done.out


def test_a_vendor_may_say_that_the_turn_is_over(talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--vendor", "turns", "--endpointing", "vendor", "--fast")
    assert done.code == 0
    assert "s  end of the turn, the vendor says\n" in done.out
    assert re.search(r", end of the turn [+-]\d\.\d{3} s\n", done.out)


def test_hints_reach_a_recognizer_that_takes_them(talkpath: Shell, tmp_path: Path) -> None:
    file = tmp_path / "other.wav"
    write_wav(file, spoken_pcm("something else", 8000), 8000)
    assert talkpath("hear", str(file), "--vendor", "acme", "--fast").code == 1
    done = talkpath("hear", str(file), "--vendor", "acme", "--fast", "--hints", "nothing, something else")
    assert "heard: something else\n" in done.out
    assert done.errors == "talkpath: warning: acme takes no hints\n"


def test_nothing_understood_is_told(talkpath: Shell, tmp_path: Path) -> None:
    file = tmp_path / "silence.wav"
    write_wav(file, bytes(8000), 8000)
    done = talkpath("hear", str(file), "--vendor", "acme", "--fast")
    assert done.code == 1
    assert done.out.splitlines()[-1] == "nothing was understood"


def test_a_vendor_that_cannot_end_turns_is_warned_of(talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--vendor", "plain", "--endpointing", "vendor", "--fast")
    assert done.errors == "talkpath: warning: plain does not tell when a turn is over\n"
    assert "heard: good morning\n" in done.out


@pytest.mark.parametrize(
    ("vendor", "sentence"),
    [
        ("deaf", "deaf: listen: the script says so"),
        ("silent", "silent: listen: nothing came in time"),
        ("nobody", "nothing under `speech` is called 'nobody'"),
    ],
)
def test_what_fails_is_one_sentence(vendor: str, sentence: str, talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--vendor", vendor, "--fast", "--within", "0.2")
    assert done.code == 1
    assert "heard" not in done.out
    assert "understood" not in done.out
    assert done.errors.startswith(f"talkpath: {sentence}")
    assert len(done.errors.splitlines()) == 1


def test_a_file_that_is_no_audio_is_told(talkpath: Shell, tmp_path: Path) -> None:
    assert talkpath("hear", "no-such.wav").errors == "talkpath: cannot read no-such.wav: No such file or directory\n"
    (tmp_path / "words.txt").write_text("words")
    done = talkpath("hear", "words.txt")
    assert (done.code, done.errors) == (1, "talkpath: this is no audio file of a known kind\n")


def test_a_wrong_kind_is_wrong_use(talkpath: Shell, recording: Path) -> None:
    done = talkpath("hear", str(recording), "--kind", "colour")
    assert done.code == 2
    assert "yesno" in done.errors
