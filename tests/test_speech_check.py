"""What `talkpath check` says of numbers and their speech vendors: unknown options, and what a vendor cannot do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from config.lint import lint
from config.loading import load
from gateway.cli import run
from gateway.speech_check import SpeechCheck, has_language
from tests.fakes.config_sections import PLUGINS
from tests.fakes.speech_plugins import plugins

SPEECH = {"cloud": {"api_key": "k"}, "ear": {}, "voice": {}, "second": {"engine": "ear"}}
CLOUD = {"vendor": "cloud"}


def found(folder: Path, **number: Any) -> list[str]:
    """What is said of a number that is sound but for these keys, with its line."""
    there = plugins()
    sections = type(PLUGINS)(transports={}, backends=PLUGINS.backends, speech=there.sections().speech)
    given = {"language": "fr-FR", "fallback": {"say": "pardon"}, "recognizer": CLOUD, "synthesizer": CLOUD, **number}
    file = folder / "talkpath.yaml"
    document = {
        "bots": {"reception": {"backend": "chat", "url": "https://bot.example.com"}},
        "speech": SPEECH,
        "numbers": {"1": given},
    }
    file.write_text(json.dumps(document, indent=1))
    settings = load(file, sections, {})
    check = SpeechCheck(settings, there)
    findings = lint(settings, None, check.of_number)
    assert all(finding.severity == "warning" and finding.line for finding in findings if finding.path[0] == "numbers")
    return [f"{finding.field}: {finding.text}" for finding in findings if finding.path[0] == "numbers"]


def ear(**keys: Any) -> dict[str, Any]:
    return {"recognizer": {"vendor": "cloud", **keys}}


def test_a_number_that_asks_for_what_there_is_has_nothing_to_hear(tmp_path: Path) -> None:
    recognizer = {
        **CLOUD,
        "hints": ["oui"],
        "hints_boost": 3,
        "interim": True,
        "endpointing": "vendor",
        "alt_languages": ["de-CH"],
        "options": {"smartFormat": True, "cloudOptions": {"label": "x"}},
    }
    synthesizer = {**CLOUD, "options": {"speed": 1.1}, "fallback": [{"vendor": "voice", "options": {"any": 1}}]}
    assert found(tmp_path, recognizer=recognizer, synthesizer=synthesizer) == []


@pytest.mark.parametrize(
    ("keys", "place", "sentence"),
    [
        (
            ear(options={"smart_fromat": True}),
            "recognizer.options.smart_fromat",
            "cloud: unknown option 'smart_fromat'; did you mean `smart_format`?",
        ),
        (
            ear(options={"smart_format": "perhaps"}),
            "recognizer.options.smart_format",
            "cloud: option 'smart_format' is ignored: ",
        ),
        (
            ear(options={"tag": "a", "label": "b"}),
            "recognizer.options",
            "cloud: option 'label' says again what another one says",
        ),
        (
            ear(fallback=[{"vendor": "cloud", "options": {"sped": 1}}]),
            "recognizer.fallback.0.options.sped",
            "cloud: unknown option 'sped'",
        ),
        (
            {"synthesizer": {**CLOUD, "options": {"sped": 1}}},
            "synthesizer.options.sped",
            "cloud: unknown option 'sped'; did you mean `speed`?",
        ),
        (
            {"synthesizer": {"vendor": "voice", "fallback": [{"vendor": "cloud", "options": {"sped": 1}}]}},
            "synthesizer.fallback.0.options.sped",
            "cloud: unknown option 'sped'; did you mean `speed`?",
        ),
        (
            {"recognizer": {"vendor": "ear", "endpointing": "vendor"}},
            "recognizer.endpointing",
            "is vendor, and 'ear' does not tell when a turn is over",
        ),
        ({"recognizer": {"vendor": "ear", "interim": True}}, "recognizer.interim", "has no effect: 'ear' tells"),
        (
            {"recognizer": {"vendor": "ear", "hints": ["oui"]}},
            "recognizer.hints",
            "has no effect: 'ear' takes no hints",
        ),
        (
            {"recognizer": {"vendor": "second", "hints_boost": 3}},
            "recognizer.hints_boost",
            "has no effect: 'second' takes no hints",
        ),
        (ear(language="nl-NL"), "recognizer.language", "is nl-NL, which 'cloud' does not list"),
        (
            ear(language="de-DE"),
            "recognizer.language",
            "is de-DE, which 'cloud' does not list: it has de-CH",
        ),
        (ear(alt_languages=["fr-BE", "en"]), "recognizer.alt_languages.1", "is en, which 'cloud' does not list"),
        (
            {"synthesizer": {**CLOUD, "language": "fr-BE"}},
            "synthesizer.language",
            "is fr-BE, which 'cloud' does not list: it has fr-FR, fr-CA",
        ),
        ({"recognizer": {"vendor": "voice"}}, "recognizer.vendor", "is 'voice', which only speaks"),
        ({"synthesizer": {"vendor": "ear"}}, "synthesizer.vendor", "is 'ear', which only listens"),
    ],
)
def test_what_a_vendor_does_not_know_or_cannot_do(keys: Any, place: str, sentence: str, tmp_path: Path) -> None:
    (finding,) = found(tmp_path, **keys)
    assert finding.startswith(f"numbers.1.{place}: {sentence}")


@pytest.mark.parametrize(
    ("known", "language", "has"),
    [
        ((), "fr", True),
        (("fr",), "fr-CA", True),
        (("fr-CA",), "fr", True),
        (("fr-CA",), "FR_ca", True),
        (("fr-CA",), "fr-FR", False),
        (("fra",), "fr", False),
    ],
)
def test_which_languages_a_list_has(known: tuple[str, ...], language: str, has: bool) -> None:
    assert has_language(known, language) is has


def test_the_command_tells_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
speech:
  late: {engine: scripted, partials: false}
bots:
  reception: {backend: talkr, url: "https://bot.example.com"}
numbers:
  "*":
    fallback: {say: sorry}
    barge_in: {min_words: 2}
    recognizer: {vendor: late, interim: true}
    synthesizer:
      vendor: local
      options:
        rtae: 100
"""
    file = tmp_path / "talkpath.yaml"
    file.write_text(text)
    monkeypatch.setattr(sys, "argv", ["talkpath", "check", "-c", str(file)])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 0
    lines = [line.removeprefix(f"{file}:") for line in capsys.readouterr().out.splitlines()]
    assert (
        "10: warning: numbers.*.recognizer.interim: has no effect: 'late' tells what it heard only at the end of a turn"
    ) in lines
    wanted = "14: warning: numbers.*.synthesizer.options.rtae: local: unknown option 'rtae'; did you mean `rate`?"
    assert wanted in lines
    waits = (
        "9: warning: numbers.*.barge_in.min_words: waits for words, which the recognizer 'late' tells only at the end"
    )
    assert waits in lines
