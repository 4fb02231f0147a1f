"""`talkpath say` as its user runs it: what is spoken, what is measured, and what is told of mistakes and failures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audio.files import read
from audio.format import L16_8K, L16_16K
from gateway.speech.scripted.signal import duration_of, resemblance
from gateway.trying.playing import play
from tests.trying.shell import Shell

HELLO = "Bonjour, que puis-je faire ?"


def test_the_file_has_what_a_caller_would_hear(talkpath: Shell, tmp_path: Path) -> None:
    done = talkpath("say", HELLO, "--vendor", "acme", "--out", "hello.wav")
    assert (done.code, done.errors) == (0, "")
    assert resemblance(read(tmp_path / "hello.wav", L16_8K), HELLO, 8000) > 0.9
    first, second, third = done.out.splitlines()
    assert re.fullmatch(r"first audio after \d\.\d{3} s, all of it after \d\.\d{3} s", first)
    level = re.fullmatch(rf"{duration_of(HELLO):.2f} s of pcmu/8000; level (-\d+\.\d) dBFS, peak -\d+\.\d dBFS", second)
    assert level is not None
    assert float(level[1]) == pytest.approx(-20, abs=3)
    assert third == "written to hello.wav"


def test_the_line_and_the_vendor_may_have_different_formats(talkpath: Shell, tmp_path: Path) -> None:
    done = talkpath("say", HELLO, "--vendor", "wide", "--out", "hello.wav", "--format", "pcma")
    assert " s of l16/16000, sent as pcma/8000; level " in done.out
    done = talkpath("say", HELLO, "--vendor", "wide", "--out", "wide.wav", "--format", "l16/16000")
    assert " s of l16/16000; level " in done.out
    assert resemblance(read(tmp_path / "wide.wav", L16_16K), HELLO, 16000) > 0.9


def test_markup_is_cleaned_as_in_a_call(talkpath: Shell, tmp_path: Path) -> None:
    done = talkpath("say", "Bonjour <break time='1s'/> à vous", "--ssml", "--vendor", "acme", "--out", "hello.wav")
    assert done.code == 0
    assert resemblance(read(tmp_path / "hello.wav", L16_8K), "Bonjour à vous", 8000) > 0.9


def test_it_is_said_where_nothing_can_play_it(talkpath: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = talkpath("say", HELLO, "--vendor", "acme")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "not played: this machine has no aplay; --out FILE.wav keeps it"


@pytest.mark.parametrize(
    ("script", "why"),
    [("exec cat > played.wav", None), ("cat > /dev/null; exit 1", "player has no device to play it on")],
)
def test_a_player_is_given_the_file(
    script: str, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "player"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert play(b"RIFF and so on", 0.1, "player") == why
    if why is None:
        assert (tmp_path / "played.wav").read_bytes() == b"RIFF and so on"


@pytest.mark.parametrize(
    ("vendor", "sentence"),
    [
        ("mute", "mute: speak: the script says so"),
        ("breaks", "breaks: speak: the script says so"),
        ("stuck", "stuck: speak: no audio came in time"),
        ("acne", "nothing under `speech` is called 'acne'; did you mean `acme`?"),
        ("deepgramm", "nothing under `speech` is called 'deepgramm'; valid: "),
        ("scripted", "scripted is not configured: it needs an entry under `speech`"),
    ],
)
def test_what_fails_is_one_sentence(vendor: str, sentence: str, talkpath: Shell, tmp_path: Path) -> None:
    done = talkpath("say", HELLO, "--vendor", vendor, "--out", "hello.wav", "--within", "0.1")
    assert (done.code, done.out) == (1, "")
    assert done.errors.startswith(f"talkpath: {sentence}")
    assert len(done.errors.splitlines()) == 1
    assert not (tmp_path / "hello.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--format", "mp3"], "pcmu, pcma, l16, l16/16000"),
        (["--format", "pcmu/16000"], "pcmu, pcma, l16, l16/16000"),
        (["--option", "speed"], "KEY=VALUE"),
        (["--rate", "9"], "--rate"),
        (["--within", "0"], "--within"),
    ],
)
def test_a_wrong_use_is_told(arguments: list[str], word: str, talkpath: Shell) -> None:
    done = talkpath("say", HELLO, "--vendor", "acme", *arguments)
    assert done.code == 2
    assert word in done.errors


def test_a_file_that_cannot_be_written_is_told(talkpath: Shell) -> None:
    done = talkpath("say", HELLO, "--vendor", "acme", "--out", "no/such/folder.wav")
    assert done.code == 1
    assert done.errors == "talkpath: cannot write no/such/folder.wav: No such file or directory\n"


@pytest.mark.workers
def test_the_local_voice_needs_no_configuration_and_knows_its_options(talkpath: Shell, tmp_path: Path) -> None:
    (tmp_path / "talkpath.yaml").unlink()
    done = talkpath("say", "One, two.", "--option", "rtae=100", "--option", "rate=100", "--out", "slow.wav")
    assert done.code == 0
    assert done.errors == "talkpath: warning: unknown option 'rtae'; did you mean `rate`?\n"
    talkpath("say", "One, two.", "--option", "rate=300", "--out", "fast.wav")
    slow, fast = (read(tmp_path / name, L16_8K) for name in ("slow.wav", "fast.wav"))
    assert len(slow) > 1.5 * len(fast)
