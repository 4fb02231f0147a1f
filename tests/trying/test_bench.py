"""`talkpath bench speech` as its user runs it, on recordings of scripted speech and scripted vendors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audio.codecs import g711
from audio.files import write_wav
from audio.format import PCMU_8K, Encoding
from gateway.speech.scripted.signal import spoken_pcm
from gateway.trying.bench import Condition, menu_around
from gateway.trying.material import RATE, Recording, pink
from gateway.trying.voiced import interruptions, spoken_stretches, voice_events
from tests.trying.shell import Shell

TEXTS = ("opening hours", "an operator", "good morning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "recorded"
    place.mkdir()
    for number, text in enumerate(TEXTS):
        write_wav(place / f"{number}.wav", spoken_pcm(text, 8000), 8000)
    (place / "transcripts.txt").write_text("".join(f"{number}: {text}\n" for number, text in enumerate(TEXTS)))
    return place


def figures(talkpath: Shell, folder: Path, *arguments: str, code: int = 0) -> Any:
    done = talkpath("bench", "speech", "--recordings", str(folder), "--fast", "--json", "figures.json", *arguments)
    assert (done.code, done.errors) == (code, "")
    return json.loads(Path("figures.json").read_text()), done.out


def test_a_vendor_that_hears_all_but_one_phrase(talkpath: Shell, folder: Path) -> None:
    found, out = figures(talkpath, folder, "--vendor", "acme", "--snr", "10")
    clean, noisy = found["recognizers"]
    assert (clean["condition"], noisy["condition"]) == ("clean", "10 dB")
    for ear in (clean, noisy):
        assert ear["turns"] == 3
        assert ear["word_error_rate"] == pytest.approx(2 / 6)  # it knows nothing of a good morning
        assert ear["exact"] == pytest.approx(2 / 3)
        assert ear["end_to_text_p50"] >= 0.8
        assert ear["failures"] == []
    assert clean["words_in_noise"] is None
    assert noisy["words_in_noise"] == 0
    (voice,) = found["synthesizers"]
    assert 0 <= voice["first_audio_p50"] <= voice["first_audio_p95"]
    assert voice["level_dbfs"] == pytest.approx(-20, abs=3)
    assert found["false_barge_ins_per_minute"] == {"10 dB": 0}
    assert "barge-in by voice, 10 dB: 0.0 false interruptions a minute\n" in out
    assert "│ acme   │ clean │ 0.33 │ 0.67  │" in out


def test_words_that_nobody_said_are_seen(talkpath: Shell, folder: Path) -> None:
    found, _ = figures(talkpath, folder, "--vendor", "plain", "--snr", "0")
    assert found["recognizers"][1]["words_in_noise"] == 1


def test_a_vendor_may_end_turns_itself(talkpath: Shell, folder: Path) -> None:
    found, _ = figures(talkpath, folder, "--vendor", "turns", "--snr", "", "--endpointing", "vendor")
    (ear,) = found["recognizers"]
    assert ear["end_to_text_p95"] < 0.8


def test_failures_are_counted_and_make_it_fail(talkpath: Shell, folder: Path) -> None:
    found, out = figures(talkpath, folder, "--vendor", "deaf", "--vendor", "mute", "--snr", "", code=1)
    deaf, mute = found["recognizers"]
    assert (deaf["word_error_rate"], len(deaf["failures"])) == (1, 3)
    assert mute["failures"] == []
    assert found["synthesizers"][1]["first_audio_p50"] is None
    assert "3: the script says so" in out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--vendor", "nobody", "--recordings", "recorded"], 1, "nothing under `speech` is called 'nobody'"),
        (["--recordings", "elsewhere"], 1, "there are no recordings in elsewhere: name a folder by --recordings"),
        (["--language", "tlh"], 1, "there are no recordings in .cache/recordings/tlh"),
        (["--recordings", "recorded", "--snr", "loud"], 2, "loud is no list of decibels"),
        (["--recordings", "recorded", "--utterances", "0"], 2, "--utterances"),
        (["--noise", "white"], 2, "babble"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], code: int, sentence: str, talkpath: Shell, folder: Path) -> None:
    done = talkpath("bench", "speech", *arguments)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.errors


def test_a_menu_has_what_is_said_among_others() -> None:
    every = [Recording(str(number), f"phrase {number}", b"") for number in range(9)]
    menu = menu_around(every[3], every)
    assert len(set(menu)) == 4
    assert "phrase 3" in menu
    assert menu == menu_around(every[3], every)


def test_noise_is_under_all_of_a_turn() -> None:
    recording = Recording("x", "x", spoken_pcm("opening hours", RATE))
    quiet, noisy = Condition(), Condition(snr=20, noise=pink(30.0))
    assert g711.decode(quiet.under(recording, 0.8), Encoding.PCMU)[-800:] == bytes(800)
    assert g711.decode(noisy.under(recording, 0.8), Encoding.PCMU)[-800:] != bytes(800)
    assert quiet.alone(-20) == []
    assert {len(each) for each in noisy.alone(-20)} == {4 * RATE}


def test_who_wants_only_speech_gets_it_with_a_little_around_it() -> None:
    fixture = Path(__file__).parents[1] / "fixtures" / "vad" / "silero_input.pcm"
    speech = g711.encode(fixture.read_bytes()[: 4 * RATE], Encoding.PCMU)
    line = PCMU_8K.silence(2 * RATE) + speech + PCMU_8K.silence(2 * RATE)
    stretches = spoken_stretches(line, PCMU_8K)
    first, last = stretches[0][0], stretches[-1][1]
    assert 1.5 < first < 2.6
    assert 2.5 < last < 4.7
    assert interruptions(voice_events(line, PCMU_8K)) == len(stretches)
    assert spoken_stretches(PCMU_8K.silence(RATE), PCMU_8K) == []
