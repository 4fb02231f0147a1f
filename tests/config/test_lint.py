"""What `talkpath check` warns of, and what it is silent about."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.call import NumberSettings
from config.contradictions import Abilities
from config.lint import lint
from config.settings import Settings
from tests.fakes.config_sections import USABLE, load_text

SOUND = "{recognizer: {hints: [yes]}, fallback: {say: sorry}, %s}"
ABILITIES = Abilities(without_partials={"cloud"}, needs_hints={"local"}, words={"apology"})


def found(folder: Path, text: str) -> list[str]:
    return [f"{finding.field}: {finding.text}" for finding in lint(load_text(folder, text), ABILITIES)]


def of_number(folder: Path, keys: str) -> list[str]:
    """Findings about a number that is sound but for these keys."""
    cloud = "speech: {cloud: {api_key: k}, mine: {engine: local}}\n"
    return found(folder, f"{USABLE}{cloud}numbers: {{'1': {SOUND % keys}}}\n")


def test_a_sound_configuration_has_nothing_to_say(tmp_path: Path) -> None:
    assert of_number(tmp_path, "") == []


@pytest.mark.parametrize(
    ("keys", "field", "sentence"),
    [
        ("no_input: {timeout: 2}", "end_silence.phone", "is not shorter than `no_input.timeout` (2 s)"),
        ("end_silence: {free: 3}, max_length: 2", "end_silence.free", "is not shorter than `max_length` (2 s)"),
        ("barge_in: {by: off, min_speech: 1}", "barge_in.min_speech", "has no effect: `barge_in.by` lets nothing"),
        ("barge_in: {by: off, exempt: waiting}", "barge_in.exempt", "has no effect: `barge_in.by` lets nothing"),
        ("barge_in: {by: digits, confirm_within: 1}", "barge_in.confirm_within", "does not name speech"),
        ("barge_in: {by: digits, min_words: 1}", "barge_in.min_words", "does not name speech"),
        ("barge_in: {min_words: 2}, hear_during_prompt: digits", "barge_in.min_words", "recognizes none"),
        ("barge_in: {confirm_within: 1}, hear_during_prompt: digits", "barge_in.confirm_within", "recognizes none"),
        ("recognizer: {vendor: cloud}, barge_in: {min_words: 2}", "barge_in.min_words", "tells only at the end"),
        ("hear_during_prompt: speech", "hear_during_prompt", "leaves out digits"),
        ("hear_during_prompt: digits", "hear_during_prompt", "leaves out speech"),
        ("filler_after: 20, answer_timeout: 10", "filler_after", "`answer_timeout` (10 s) ends the wait before"),
        ("batch_gap: 20, answer_timeout: 10", "batch_gap", "is not shorter than `answer_timeout`"),
        ("max_call: 20", "answer_timeout", "`max_call` (20 s) ends the call before"),
        ("no_input: {retries: 1, prompts: [a, b, c]}", "no_input.prompts", "has 2 more than `no_input.retries` (1)"),
        ("no_input: {goodbye: bye}", "no_input.goodbye", "`no_input.then` is idle"),
        ("no_input: {then: hangup}, idle_limit: 9", "idle_limit", "`no_input.then` is hangup"),
        ("digits: {clear_char: '#'}", "digits.clear_char", "is the same key as `digits.term_char`"),
        ("follow: {speech: language, voices: {a: b}}", "follow.voices", "has no effect: `follow.speech` is language"),
        ("follow: {speech: none, vendors: {a: cloud}}", "follow.vendors", "has no effect: `follow.speech` is none"),
        ("recording: {mode: on}", "recording.announce", "is not set, and calls are recorded"),
        ("words: {apologi: x}", "words.apologi", "did you mean `apology`?"),
        ("synthesizer: {options: {api_key: k}}", "synthesizer.options.api_key", "looks like a secret"),
        ("synthesizer: {fallback: [{vendor: local}]}", "synthesizer.fallback.0", "fails with it"),
    ],
)
def test_contradictions_of_a_number(tmp_path: Path, keys: str, field: str, sentence: str) -> None:
    text = keys if "recognizer" not in keys else keys.replace("recognizer: {", "recognizer: {hints: [yes], ")
    sound = SOUND.replace("recognizer: {hints: [yes]}, ", "") if "recognizer" in keys else SOUND
    cloud = "speech: {cloud: {api_key: k}}\n"
    findings = found(tmp_path, f"{USABLE}{cloud}numbers: {{'1': {sound % text}}}\n")
    assert [finding for finding in findings if finding.startswith(f"numbers.1.{field}: ") and sentence in finding]


@pytest.mark.parametrize(
    "keys",
    [
        "barge_in: {by: digits}",
        "barge_in: {by: off}",
        "barge_in: {by: speech}, hear_during_prompt: [speech, digits]",
        "barge_in: {by: digits}, hear_during_prompt: [speech, digits]",
        "no_input: {then: hangup, goodbye: bye}",
        "no_input: {retries: 2, prompts: [a, b]}",
        "recording: {mode: on, announce: x}",
        "recording: {mode: off, announce: x}",
        "words: {apology: x}",
        "synthesizer: {options: {monkey: 1}}",
        "digits: {term_char: off, clear_char: off}",
        "synthesizer: {voice: a, fallback: [{vendor: local, voice: b}]}",
    ],
)
def test_settings_that_go_together(tmp_path: Path, keys: str) -> None:
    assert of_number(tmp_path, keys) == []


def test_a_recognizer_that_takes_no_dictation_wants_hints(tmp_path: Path) -> None:
    for vendor in ("local", "mine"):
        text = f"speech: {{mine: {{engine: local}}}}\nnumbers: {{'1': {{recognizer: {{vendor: {vendor}}}}}}}\n"
        assert any(
            finding.startswith("numbers.1.recognizer.hints: has nothing") for finding in found(tmp_path, USABLE + text)
        )


def test_a_cloud_recognizer_does_not(tmp_path: Path) -> None:
    text = "speech: {cloud: {api_key: k}}\nnumbers: {'1': {recognizer: {vendor: cloud}, fallback: {say: x}}}\n"
    assert found(tmp_path, USABLE + text) == []


def test_a_number_without_a_fallback(tmp_path: Path) -> None:
    text = USABLE + "numbers: {'1': {recognizer: {hints: [x]}}}\n"
    assert [finding.partition(":")[0] for finding in found(tmp_path, text)] == ["numbers.1.fallback"]


def test_a_fallback_that_some_lines_cannot_do(tmp_path: Path) -> None:
    number = "numbers: {'1': {recognizer: {hints: [x]}, fallback: {transfer: 100}, transfer: {allow: 100}}}\n"
    lines = "lines: {pbx: {transport: pbx}, a: {transport: carrier}, b: {transport: carrier}}\n"
    text = lines + USABLE.replace("lines:", "#") + number
    sentence = "cannot be done on the lines 'a', 'b': the call ends there, and the PBX goes on"
    assert found(tmp_path, text) == [f"numbers.1.fallback.transfer: {sentence}"]
    assert found(tmp_path, USABLE + number) == []


def test_attended_transfers_where_lines_cannot_do_them(tmp_path: Path) -> None:
    number = f"numbers: {{'1': {SOUND % 'transfer: {allow: 100, kind: attended}'}}}\n"
    lines = "lines: {pbx: {transport: pbx}, a: {transport: carrier}}\n"
    text = lines + USABLE.replace("lines:", "#") + number
    sentence = "cannot be `attended` on the line 'pbx': transfers are blind there"
    assert found(tmp_path, text) == [f"numbers.1.transfer.kind: {sentence}"]
    assert found(tmp_path, text.replace("attended}", "blind}")) == []


SERVER = USABLE + f"numbers: {{'1': {SOUND % ''}}}\n"


def test_an_open_port_wants_a_token_and_auth(tmp_path: Path) -> None:
    assert [finding.partition(":")[0] for finding in found(tmp_path, SERVER + "server: {host: 0.0.0.0}")] == [
        "server.api_token",
        "lines.pbx.auth",
    ]
    assert found(tmp_path, SERVER + "server: {host: 127.0.0.1}") == []


def test_a_signature_wants_the_public_address(tmp_path: Path) -> None:
    text = SERVER.replace("auth: none", "auth: {twilio_signature: t}")
    (finding,) = found(tmp_path, text)
    assert finding.startswith("lines.pbx.auth.twilio_signature: signs the public address")
    assert found(tmp_path, text + "server: {public_url: 'https://voice.example.com'}") == []


def test_personal_data_in_logs(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, SERVER + "logging: {pii: on}")
    assert finding.startswith("logging.pii: is on")


def test_nothing_to_answer(tmp_path: Path) -> None:
    assert [finding.partition(":")[0] for finding in found(tmp_path, "")] == ["numbers", "lines"]


def test_what_nobody_uses(tmp_path: Path) -> None:
    text = """
lines: {pbx: {transport: pbx}}
bots: {a: {backend: chat, url: x}, b: {backend: chat, url: x}}
speech: {cloud: {api_key: k}, local: }
profiles: {p: {}, q: {}}
numbers: {'1': {bot: a, profile: p, recognizer: {hints: [x]}, fallback: {say: x}, follow: {speech: SPEECH}}}
"""
    unused = ["bots.b: is used by no number", "profiles.q: is used by no number"]
    assert found(tmp_path, text.replace("SPEECH", "all")) == unused
    cloud = "speech.cloud: is used by no number, and no bot may choose it"
    assert found(tmp_path, text.replace("SPEECH", "none")) == [*unused, cloud]
    behind = text.replace("hints: [x]", "hints: [x], fallback: [{vendor: cloud}]")
    assert found(tmp_path, behind.replace("SPEECH", "none")) == unused


def test_what_many_numbers_inherit_is_said_once_where_it_is_written(tmp_path: Path) -> None:
    text = f"{USABLE}defaults: {SOUND % 'filler_after: 40'}\nnumbers: {{'1': , '2': , '3': }}\n"
    (finding,) = lint(load_text(tmp_path, text), ABILITIES)
    assert (finding.field, finding.line, finding.severity) == ("numbers.1.filler_after", 4, "warning")
    assert str(finding).startswith(f"{tmp_path}/talkpath.yaml:4: warning: numbers.1.filler_after: has no effect")


def test_errors_of_settings_made_by_hand_come_first() -> None:
    number = NumberSettings.model_validate(
        {"number": "1", "bot": "x", "fallback": {"transfer": "100"}, "recognizer": {"vendor": "y"}}
    )
    findings = lint(Settings(numbers={"1": number}))
    assert [(finding.field, finding.severity) for finding in findings][:4] == [
        ("numbers.1.bot", "error"),
        ("numbers.1.recognizer.vendor", "error"),
        ("numbers.1.fallback.transfer", "error"),
        ("lines", "warning"),
    ]
