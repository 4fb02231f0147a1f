"""`talkpath prompts` as its user runs it: what it prints, how it exits, and what it leaves in its folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.files import read
from audio.format import L16_8K, L16_16K
from audio.levels import active_level, gain, rms
from audio.wav import write_wav
from gateway import cli
from gateway.speech.scripted.signal import resemblance, spoken_pcm

SAY = "Un conseiller va vous répondre."
PROMPT = "Pardon ?"
APOLOGY = "Une panne. Répétez."
CONFIGURATION: dict[str, Any] = {
    "speech": {"local": {"engine": "scripted"}, "acme": {"engine": "scripted", "formats": ["pcmu/8000"]}},
    "bots": {"reception": {"backend": "talkr", "url": "http://127.0.0.1:9101/bot"}},
    "prompts": {"directory": "kept", "overrides": "recordings"},
    "numbers": {
        "100": {
            "language": "fr-FR",
            "synthesizer": {"vendor": "acme", "voice": "marie"},
            "words": {"apology": APOLOGY},
            "fallback": {"say": SAY},
            "no_input": {"prompts": [PROMPT]},
        },
        "200": {
            "language": "fr-FR",
            "words": {"apology": APOLOGY},
            "synthesizer": {"vendor": "acme", "voice": "marie"},
        },
        "300": {"language": "en-GB"},
    },
}
Run = Callable[..., tuple[int, str, str]]


def write(folder: Path, **changes: Mapping[str, Any]) -> Path:
    file = folder / "talkpath.yaml"
    file.write_text(json.dumps({**CONFIGURATION, **changes}))  # JSON is YAML
    return file


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in a folder with a configuration. Returns exit code, output, errors."""
    write(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["talkpath", "prompts", *arguments])
        with pytest.raises(SystemExit) as exited:
            cli.run()
        said = capsys.readouterr()
        return int(exited.value.code or 0), said.out, said.err

    return run


def rows(run: Run, *arguments: str) -> dict[str, dict[str, Any]]:
    """What the list says, by the first name of each prompt, or its text where it has none."""
    code, out, _ = run("list", "--json", *arguments)
    assert code == 0
    return {(row["names"] or [row["text"]])[0]: row for row in json.loads(out)}


def heard(path: Path, text: str) -> float:
    return resemblance(read(path, L16_8K), text, 8000)


def studio(folder: Path, text: str, name: str = "studio.wav", rate: int = 44100) -> Path:
    write_wav(folder / name, gain(spoken_pcm(text, rate), -17), rate)
    return folder / name


# --- render and list -------------------------------------------------------------------------------------------------
def test_what_a_number_says_is_spoken_once_and_then_at_hand(run: Run, tmp_path: Path) -> None:
    before = rows(run, "100")
    assert {row["state"] for row in before.values()} == {"missing"}
    assert before["apology"]["text"] == APOLOGY
    assert before["fallback.say"]["text"] == SAY
    assert before["no_input.prompts.1"]["text"] == PROMPT
    code, out, err = run("render", "100")
    assert (code, err) == (0, "")
    assert f"[1/{len(before)}]" in out
    assert out.endswith(f"{len(before)} of {len(before)} prompts are ready.\n")
    after = rows(run, "100")
    assert {row["state"] for row in after.values()} == {"cached"}
    assert {row["level"] for row in after.values()} <= {-20.1, -20.0, -19.9}  # it is kept as mu-law
    assert after["fallback.say"]["seconds"] == pytest.approx(0.06 * len(SAY), abs=0.01)
    assert len(list((tmp_path / "kept" / "rendered").glob("*.prompt"))) == len(before)


def test_numbers_that_say_the_same_in_the_same_voice_share_it(run: Run) -> None:
    run("render", "100")
    assert [name for name, row in rows(run, "200").items() if row["state"] == "missing"] == []
    assert {row["state"] for row in rows(run, "300").values()} == {"missing"}
    assert "No prompt." in run("list", "--missing", "200")[1]


def test_the_bots_own_sentences_can_be_rendered_too(run: Run, tmp_path: Path) -> None:
    greetings = tmp_path / "greetings.txt"
    greetings.write_text("Bonjour et bienvenue.\n\n  Merci d'avoir attendu. \n", encoding="utf-8")
    assert run("render", "100", "--also", str(greetings))[0] == 0
    listed = rows(run, "100", "--also", str(greetings))
    assert [listed[name]["text"] for name in ("also.1", "also.2")] == [
        "Bonjour et bienvenue.",
        "Merci d'avoir attendu.",
    ]
    assert listed["also.2"]["state"] == "cached"


def test_rendering_again_asks_only_for_what_is_missing(run: Run, tmp_path: Path) -> None:
    run("render", "100")
    first, second, third, *_ = sorted((tmp_path / "kept" / "rendered").glob("*.prompt"))
    own, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)  # sound, though not the right one
    second.write_bytes(other[:-1])
    third.unlink()
    run("render", "100")
    assert first.read_bytes() == other
    assert second.read_bytes() == other
    assert third.exists()
    run("render", "100", "--again")
    assert first.read_bytes() == own


def test_other_settings_of_the_vendor_make_other_prompts(run: Run, tmp_path: Path) -> None:
    run("render", "100")
    write(tmp_path, speech={**CONFIGURATION["speech"], "acme": {"engine": "scripted", "formats": ["pcma/8000"]}})
    assert {row["state"] for row in rows(run, "100").values()} == {"missing"}


def test_what_cannot_be_spoken_is_said_and_the_rest_is_kept(run: Run, tmp_path: Path) -> None:
    refusing = {"engine": "scripted", "fail_speech_after": 1.5}  # a short sentence is over by then
    write(tmp_path, speech={"local": {"engine": "scripted"}, "acme": refusing}, numbers={"100": {
        **CONFIGURATION["numbers"]["100"], "words": {"apology": "Oui."}
    }})  # fmt: skip
    code, out, err = run("render", "100", "--at-once", "64")
    states = {name: row["state"] for name, row in rows(run, "100").items()}
    assert code == 1
    assert (states["apology"], states["fallback.say"]) == ("cached", "missing")
    assert f"not spoken: fallback.say (fr-FR, acme, voice marie): {SAY}" in err
    assert "not spoken: apology" not in err
    ready = sum(state == "cached" for state in states.values())
    assert f"{ready} of {len(states)} prompts are ready." in out


def test_a_vendor_that_is_busy_for_a_moment_is_asked_again(run: Run, tmp_path: Path) -> None:
    busy = {"engine": "scripted", "fail_speech_after": 0, "faulty_requests": 2}
    write(tmp_path, speech={"local": {"engine": "scripted"}, "acme": busy})
    assert run("render", "100", "--at-once", "2")[0] == 0


@pytest.mark.parametrize(
    ("changes", "arguments", "reason"),
    [
        ({"prompts": {}}, ["render"], "prompts.directory: names no folder for what is rendered"),
        ({"prompts": {}}, ["override", "Bonjour.", "x.wav"], "prompts.overrides: names no folder for recordings"),
        ({"prompts": {"directory": "talkpath.yaml"}}, ["list"], "prompts.directory: talkpath.yaml cannot be made"),
        ({}, ["render", "+4999"], "no entry under numbers matches +4999"),
        ({}, ["render", "--also", "nowhere.txt"], "cannot read nowhere.txt"),
        ({}, ["play", "apolgy"], "no prompt is called 'apolgy'; did you mean `apology`?"),
        ({}, ["play", "Something else."], "no prompt reads: Something else."),
        ({}, ["play", "apology", "--language", "fr"], "has not been spoken yet"),
        ({}, ["play", "goodbye"], "goodbye is more than one prompt; name one by its key"),
        ({}, ["override", "Bonjour.", "nowhere.wav"], "cannot read nowhere.wav"),
        ({}, ["override", "Bonjour.", "talkpath.yaml"], "this is no audio file of a known kind"),
        ({}, ["override", "Bonjour.", "--remove"], "no recording replaces exactly this: Bonjour. (any language)"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    run: Run, tmp_path: Path, changes: dict[str, Any], arguments: list[str], reason: str
) -> None:
    write(tmp_path, **changes)
    code, _, err = run(*arguments)
    assert code == 1
    assert reason in err
    assert err.count("\n") == 1


def test_an_override_needs_a_file_or_the_wish_to_remove_it(run: Run) -> None:
    assert run("override", "Bonjour.")[0] == 2
    assert run("override", "Bonjour.", "x.wav", "--remove")[0] == 2


# --- play ------------------------------------------------------------------------------------------------------------
def test_a_prompt_is_written_to_a_file_by_name_key_or_text(run: Run, tmp_path: Path) -> None:
    run("render", "100")
    key = rows(run, "100")["fallback.say"]["key"]
    for what in ("fallback.say", key, SAY.upper()):
        code, out, err = run("play", what, "-o", "prompt.wav")
        assert (code, err) == (0, "")
        assert "-20.0 dBFS" in out
        assert heard(tmp_path / "prompt.wav", SAY) > 0.95
        (tmp_path / "prompt.wav").unlink()


def test_a_prompt_is_piped_on(run: Run, tmp_path: Path) -> None:
    run("render", "100")
    command = [sys.executable, "-m", "gateway", "prompts", "play", "fallback.say", "--output", "-"]
    root = Path(cli.__file__).parent.parent
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, timeout=60, check=True
    )
    assert resemblance(read(done.stdout, L16_8K), SAY, 8000) > 0.95
    assert done.stderr == b""


def test_without_a_loudspeaker_the_file_is_offered(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("render", "100")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run("play", "fallback.say")
    assert (code, err) == (1, "talkpath: this machine has no aplay; write the prompt to a file with --output\n")


def test_a_loudspeaker_plays_what_is_heard(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("render", "100")
    player = tmp_path / "aplay"
    player.write_text(f"#!/bin/sh\nexec /bin/cat > {tmp_path}/played.wav\n")
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("play", "fallback.say")[0] == 0
    assert heard(tmp_path / "played.wav", SAY) > 0.95


# --- override --------------------------------------------------------------------------------------------------------
def test_a_recording_replaces_a_sentence_until_it_is_removed(run: Run, tmp_path: Path) -> None:
    run("render", "100")
    studio(tmp_path, "au studio")
    code, out, _ = run("override", "fallback.say", "studio.wav")
    assert code == 0
    assert out == f"studio.wav replaces: {SAY} (fr-FR, any voice)\n"
    row = rows(run, "100")["fallback.say"]
    assert (row["state"], row["level"]) == ("override", -20.0)
    assert row["seconds"] == pytest.approx(len(spoken_pcm("au studio", 8000)) / 16000, abs=0.05)
    run("play", "fallback.say", "-o", "heard.wav")
    assert heard(tmp_path / "heard.wav", "au studio") > 0.95
    assert run("override", "fallback.say", "--remove")[:2] == (0, f"spoken again: {SAY}\n")
    assert rows(run, "100")["fallback.say"]["state"] == "cached"
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["index.json"]


def test_a_second_recording_takes_the_place_of_the_first(run: Run, tmp_path: Path) -> None:
    for text in ("the first", "the second"):
        run("override", SAY, str(studio(tmp_path, text)))
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 1
    run("play", "fallback.say", "-o", "heard.wav")
    assert heard(tmp_path / "heard.wav", "the second") > 0.95


def test_a_recording_of_a_sentence_of_the_bots_is_listed(run: Run, tmp_path: Path) -> None:
    run("override", "Bonjour et bienvenue.", str(studio(tmp_path, "bonjour")), "--language", "fr", "--voice", "marie")
    row = rows(run)["Bonjour et bienvenue."]
    assert (row["state"], row["language"], row["voice"]) == ("override", "fr", "marie")
    assert "Bonjour et bienvenue." in run("list")[1]


def test_one_name_in_two_languages_is_two_sentences(run: Run, tmp_path: Path) -> None:
    studio(tmp_path, "au studio")
    code, _, err = run("override", "goodbye", "studio.wav")
    assert code == 1
    assert "name one by its key" in err
    assert run("override", "goodbye", "studio.wav", "--language", "fr")[0] == 0
    states = {
        (row["language"], row["state"]) for row in json.loads(run("list", "--json")[1]) if "goodbye" in row["names"]
    }
    assert states == {("fr-FR", "override"), ("en-GB", "missing")}


@pytest.mark.parametrize(("codec", "container"), [("libmp3lame", "mp3"), ("flac", "flac"), ("libopus", "ogg")])
def test_recordings_of_other_kinds_are_taken(run: Run, tmp_path: Path, codec: str, container: str) -> None:
    encode(tmp_path / f"studio.{container}", codec, container, "au studio")
    assert run("override", SAY, f"studio.{container}")[0] == 0
    run("play", "fallback.say", "-o", "heard.wav")
    assert heard(tmp_path / "heard.wav", "au studio") > 0.9
    assert active_level(read(tmp_path / "heard.wav", L16_16K), 16000) == pytest.approx(-20, abs=0.2)


def encode(path: Path, codec: str, container: str, text: str) -> None:
    av = pytest.importorskip("av")
    samples = np.frombuffer(gain(spoken_pcm(text, 48000), -12), "<i2")
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=48000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None, :].copy(), format="s16", layout="mono")
        frame.rate = 48000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


def test_silence_replaces_nothing(run: Run, tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", bytes(16000), 8000)
    assert rms(bytes(16000)) == -96.0
    code, _, err = run("override", SAY, "silence.wav")
    assert (code, err) == (1, "talkpath: silence.wav holds no sound\n")
    assert rows(run, "100")["fallback.say"]["state"] == "missing"
