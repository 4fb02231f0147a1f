"""The recordings are where tests expect them, and nothing else would have been accepted."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tests.recordings import RATE, recording, require_recordings, transcripts
from tools import fetch_recordings


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("language", "seven", "speech"), [("en", "seven", 500), ("fr", "sept", 400), ("es", "siete", 400)]
)
def test_every_language_has_speech_and_its_texts(language: str, seven: str, speech: int) -> None:
    texts = transcripts(language)
    assert texts["digits/7"].lower() == seven
    assert len(texts) > speech
    assert 0.3 < len(recording(language, "digits/7")) / 2 / RATE < 2.0


@pytest.mark.recordings
def test_tones_and_silence_are_not_transcribed() -> None:
    assert not {"beep", "silence/1", "tt-monkeys"} & transcripts("en").keys()


@pytest.mark.recordings
def test_what_the_spanish_list_misnames_is_put_right() -> None:
    assert (transcripts("es")["digits/0"], transcripts("es")["digits/10"]) == ("cero", "diez")


@pytest.mark.recordings
def test_nothing_is_fetched_twice() -> None:
    require_recordings()
    assert fetch_recordings.fetch() == []


def test_missing_recordings_skip_a_test_here_and_fail_it_on_a_build_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fetch_recordings.LANGUAGES, "xx", fetch_recordings.Pinned("xx", "0", "0"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="fetch_recordings"):
        require_recordings("xx")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="fetch_recordings"):
        require_recordings("xx")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("./usr/share/asterisk/sounds/fr_CA_f_June/digits/7.wav", "digits/7.wav"),
        ("./usr/share/doc/asterisk-core-sounds-fr/core-sounds-fr.txt.gz", "transcripts.txt"),
        ("./usr/share/doc/asterisk-core-sounds-fr/copyright", "copyright"),
        ("./usr/share/asterisk/sounds/fr_CA_f_June/../../../etc/evil.wav", None),
        ("./usr/share/asterisk/sounds/en_US_f_Allison/digits/7.wav", None),
        ("./etc/passwd", None),
    ],
)
def test_only_what_is_needed_is_unpacked(path: str, name: str | None) -> None:
    assert fetch_recordings._name_in_cache(PurePosixPath(path), "fr") == name


def test_the_digest_notices_a_changed_or_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"one")
    (tmp_path / fetch_recordings.TRANSCRIPTS).write_text("a: one")
    before = fetch_recordings.digest(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"two")
    changed = fetch_recordings.digest(tmp_path)
    (tmp_path / "a.wav").unlink()
    assert len({before, changed, fetch_recordings.digest(tmp_path)}) == 3


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(fetch_recordings.FetchError, match="no apt-get"):
        fetch_recordings.fetch(tmp_path / "recordings")
