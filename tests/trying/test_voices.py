"""`talkpath voices` as its user runs it."""

from __future__ import annotations

import json

import pytest

from gateway.speech.local.installed_voices import installed_voices
from gateway.speech.local.voices import candidates
from gateway.speech_interfaces import VoiceInfo
from gateway.trying.listing import speaks
from tests.trying.shell import Shell


@pytest.mark.workers
def test_the_local_voice_lists_its_languages_and_variants(talkpath: Shell) -> None:
    done = talkpath("voices", "local", "--language", "fr", "--json")
    assert done.code == 0
    names = {voice["name"]: voice for voice in json.loads(done.out)}
    assert names["fr"]["about"] == "French (France)"
    assert {"fr-BE", "fr-CH", "f3", "m3"} <= set(names)
    assert "de" not in names
    lines = talkpath("voices", "local", "--language", "de").out.splitlines()
    assert lines[0].split()[:2] == ["de", "de"]
    done = talkpath("voices", "local", "--language", "tlh")
    assert done.code == 0


def test_every_language_is_a_voice_that_can_be_asked_for() -> None:
    languages = [voice for voice in installed_voices() if voice.languages]
    known = {tag.lower() for voice in languages for tag in (voice.name, *voice.languages)}
    assert len(languages) > 100
    for voice in languages:
        assert any(name in known for name in candidates("xx", voice.name)[:2]), voice


@pytest.mark.parametrize(
    ("tags", "language", "does"),
    [
        (("fr-fr", "fr"), "fr-CA", True),
        (("fr-CA",), "fr", True),
        (("fr-CA",), "fr_ca", True),
        (("fr-CA",), "fr-FR", False),
        (("fra",), "fr", False),
        ((), "anything", True),
    ],
)
def test_who_speaks_a_language(tags: tuple[str, ...], language: str, does: bool) -> None:
    assert speaks(VoiceInfo(name="v", languages=tags), language) is does


@pytest.mark.parametrize(
    ("vendor", "sentence"),
    [
        ("acme", "acme cannot list its voices; its own documentation does"),
        ("acne", "nothing under `speech` is called 'acne'; did you mean `acme`?"),
    ],
)
def test_what_cannot_be_listed_is_one_sentence(vendor: str, sentence: str, talkpath: Shell) -> None:
    done = talkpath("voices", vendor)
    assert (done.code, done.out, done.errors) == (1, "", f"talkpath: {sentence}\n")


def test_a_vendor_must_be_named(talkpath: Shell) -> None:
    assert talkpath("voices").code == 2
