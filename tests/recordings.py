"""Recorded human speech for tests, and what was said. `tools.fetch_recordings` puts it there.

A test that uses it carries the marker ``recordings`` and calls `require_recordings` (or anything here, which does so
itself). Where the recordings could not be fetched it is skipped; with ``CI=true`` in the environment it fails.
"""

from __future__ import annotations

import os
import wave
from functools import cache

import pytest

from tools import fetch_recordings

RATE = 8000
_HINT = "recorded speech is missing: run python -m tools.fetch_recordings"
_NOT_SPEECH = ("[", "(", "<")  # how the lists write tones, silence and monkeys
_ERRATA = {"es": {"digits/10": "diez"}}  # the Spanish list of release 1.6.1 names this one digits/0 as well


def require_recordings(*languages: str) -> None:
    """Skip the test, or fail it on a build machine, where recordings of `languages` (default: all) are missing."""
    if all(fetch_recordings.is_complete(language) for language in languages or fetch_recordings.LANGUAGES):
        return
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(_HINT)
    pytest.skip(_HINT)


@cache
def recording(language: str, name: str) -> bytes:
    """One recording, such as ``recording("en", "digits/7")``.

    Returns:
        Signed 16-bit little-endian PCM, 8 kHz mono.
    """
    require_recordings(language)
    with wave.open(str(fetch_recordings.CACHE / language / f"{name}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return file.readframes(file.getnframes())


@cache
def transcripts(language: str) -> dict[str, str]:
    """What is said in every recording of `language` that holds speech, by name, as the lists write it."""
    require_recordings(language)
    folder = fetch_recordings.CACHE / language
    texts = dict(_ERRATA.get(language, {}))
    for line in (folder / fetch_recordings.TRANSCRIPTS).read_text(encoding="utf-8").splitlines():
        name, separator, text = line.partition(": ")
        if separator and not line.startswith(";") and not text.strip().startswith(_NOT_SPEECH):
            texts.setdefault(name.strip(), text.strip(' \t"“”'))
    return {name: text for name, text in texts.items() if text and (folder / f"{name}.wav").is_file()}
