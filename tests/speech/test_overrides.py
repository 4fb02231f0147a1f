"""Recordings in place of sentences: which one is played, and what a damaged folder costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audio.format import L16_8K, PCMU_8K, MediaError
from audio.wav import write_wav
from gateway.errors import ConfigError
from gateway.speech.directory import SpeechDirectory
from gateway.speech.overrides import Overrides
from gateway.speech.scripted.client import ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import resemblance, spoken_pcm
from gateway.speech_interfaces import SpeechUsed, Utterance

TEXT = "Good morning. How can I help?"


def asked(text: str = TEXT, language: str = "en-GB", voice: str | None = "anna") -> Utterance:
    return Utterance(text=text, plain=text, vendor="acme", language=language, voice=voice)


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    write_wav(tmp_path / "studio.wav", spoken_pcm("studio", 8000), 8000)
    return tmp_path / "studio.wav"


@pytest.fixture
def overrides(tmp_path: Path) -> Overrides:
    return Overrides(tmp_path / "recordings")


def test_capitals_marks_and_spaces_do_not_matter(overrides: Overrides, studio: Path) -> None:
    overrides.put("  *good* MORNING.  How can i help? ", studio)
    assert overrides.find(asked()) is not None
    assert overrides.find(asked("Good morning.")) is None


def test_markup_does_not_matter_either(overrides: Overrides, studio: Path) -> None:
    overrides.put(TEXT, studio)
    markup = f"<speak>{TEXT}</speak>"
    assert overrides.find(Utterance(text=markup, plain=TEXT, ssml=True)) is not None


@pytest.mark.parametrize(
    ("language", "fits"), [("en", True), ("EN-gb", True), ("en-US", False), ("fr", False), (None, True)]
)
def test_a_language_is_a_tag_or_its_first_part(
    overrides: Overrides, studio: Path, language: str | None, fits: bool
) -> None:
    overrides.put(TEXT, studio, language)
    assert (overrides.find(asked()) is not None) is fits


def test_the_more_precise_one_wins(overrides: Overrides, studio: Path) -> None:
    made = [overrides.put(TEXT, studio, *given) for given in ((None, "anna"), ("en-GB",), ("en",), ())]
    for place, wanted in enumerate(made):
        assert overrides.find(asked()) == wanted
        assert overrides.remove(TEXT, wanted.language, wanted.voice), place
    assert overrides.find(asked()) is None


def test_it_is_there_after_a_restart_and_after_a_reload(overrides: Overrides, studio: Path, tmp_path: Path) -> None:
    gateway = Overrides(tmp_path / "recordings")
    overrides.put(TEXT, studio)
    assert gateway.find(asked()) is None
    gateway.load()
    assert gateway.find(asked()) == Overrides(tmp_path / "recordings").find(asked()) == overrides.find(asked())


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        '{"overrides": [{"text": "a"}]}',
        '{"overrides": [{"text": "a", "file": "../../etc/passwd"}]}',
        '{"overrides": [{"text": "a", "file": "/etc/passwd"}]}',
    ],
)
def test_an_index_that_cannot_be_understood_is_said(tmp_path: Path, index: str) -> None:
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(ConfigError, match="is no index of recordings"):
        Overrides(tmp_path)


def test_a_bad_index_leaves_a_running_gateway_what_it_had(overrides: Overrides, studio: Path, tmp_path: Path) -> None:
    overrides.put(TEXT, studio)
    (tmp_path / "recordings" / "index.json").write_text("{")
    with pytest.raises(ConfigError):
        overrides.load()
    assert overrides.find(asked()) is not None


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, studio: Path) -> None:
    overrides = Overrides(tmp_path / "file" / "recordings")
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match="cannot make"):
        overrides.put(TEXT, studio)


def test_only_the_owner_can_read_it(overrides: Overrides, studio: Path, tmp_path: Path) -> None:
    overrides.put(TEXT, studio)
    folder = tmp_path / "recordings"
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.iterdir()]} == {0}
    assert json.loads((folder / "index.json").read_text())["overrides"][0]["text"] == TEXT


async def _heard(directory: SpeechDirectory, utterance: Utterance) -> tuple[bytes, list[SpeechUsed]]:
    used: list[SpeechUsed] = []
    frames = [spoken.frame async for spoken in directory.speak(utterance, PCMU_8K, on_use=used.append)]
    assert {frame.format for frame in frames} == {PCMU_8K}
    return b"".join(frame.pcm() for frame in frames), used


@pytest.mark.asyncio
async def test_a_recording_costs_no_vendor_anything(overrides: Overrides, studio: Path) -> None:
    overrides.put(TEXT, studio)
    voice = ScriptedSynthesizer(ScriptedSpeechSection())
    directory = SpeechDirectory({"acme": voice}, {}, overrides=overrides)
    assert directory.holds(asked(), L16_8K)
    pcm, used = await _heard(directory, asked())
    assert resemblance(pcm, "studio", 8000) > 0.95
    assert voice.requests == []
    assert used == [SpeechUsed(part="synthesizer", vendor="acme", characters=len(TEXT), cached=True)]


@pytest.mark.asyncio
@pytest.mark.parametrize("harm", ["gone", "damaged"])
async def test_a_recording_that_cannot_be_read_leaves_the_sentence_to_its_vendor(
    overrides: Overrides, studio: Path, tmp_path: Path, harm: str
) -> None:
    file = tmp_path / "recordings" / overrides.put(TEXT, studio).file
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(b"no sound")
    directory = SpeechDirectory({"acme": ScriptedSynthesizer(ScriptedSpeechSection())}, {}, overrides=overrides)
    pcm, _ = await _heard(directory, asked())
    assert resemblance(pcm, TEXT, 8000) > 0.95
