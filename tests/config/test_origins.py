"""What a number inherits, and where `explain` says that it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.document import Place
from config.origins import MASK, Origin, Row, explain
from config.settings import Settings
from tests.fakes.config_sections import USABLE, load_text

TEXT = """\
lines: {pbx: {transport: pbx, path: /m, auth: none}}
bots: {reception: {backend: chat, url: x}}
speech: {cloud: {api_key: "k"}, other: {engine: cloud, api_key: "k"}}
defaults:
  language: fr-FR
  no_input: {timeout: 9, prompts: [a, b]}
  synthesizer: {vendor: cloud, voice: marie, model: big, options: {speed: 1, api_key: hidden}}
  follow: {voices: {x: "1", y: "2"}}
profiles:
  sales:
    no_input: {retries: 1, prompts: [c]}
    recognizer:
numbers:
  "+33123456789":
    profile: sales
    no_input: {timeout: 5}
    follow: {voices: {y: "3"}}
  "100":
    synthesizer: {vendor: other}
  "200":
    synthesizer: {vendor: cloud, voice: paul}
    no_input: ~
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_text(tmp_path, TEXT)


def row(settings: Settings, called: str, key: str) -> tuple[str, str, int | None]:
    (found,) = [row for row in explain(settings, called) if row.key == key]
    return found.value, found.origin.source, found.origin.line


def test_the_nearest_layer_wins_key_by_key(settings: Settings) -> None:
    assert row(settings, "+33123456789", "no_input.timeout") == ("5", "number", 16)
    assert row(settings, "+33123456789", "no_input.retries") == ("1", "profile sales", 11)
    assert row(settings, "+33123456789", "no_input.then") == ("idle", "built-in", None)
    assert row(settings, "+33123456789", "language") == ("fr-FR", "defaults", 5)
    assert row(settings, "+33123456789", "profile") == ("sales", "number", 15)
    assert row(settings, "+33123456789", "bot") == ("reception", "only bot", 2)


def test_lists_are_replaced_and_maps_are_merged(settings: Settings) -> None:
    assert row(settings, "+33123456789", "no_input.prompts") == ("[c]", "profile sales", 11)
    assert row(settings, "100", "no_input.prompts") == ("[a, b]", "defaults", 6)
    assert row(settings, "+33123456789", "follow.voices.x") == ("1", "defaults", 8)
    assert row(settings, "+33123456789", "follow.voices.y") == ("3", "number", 17)


def test_another_vendor_does_not_inherit_what_belongs_to_the_first(settings: Settings) -> None:
    number = settings.numbers["100"]
    assert (number.synthesizer.voice, number.synthesizer.model, number.synthesizer.options) == (None, None, {})
    assert row(settings, "100", "synthesizer.voice") == ("", "built-in", None)
    assert row(settings, "100", "synthesizer.vendor") == ("other", "number", 19)


def test_the_same_vendor_does(settings: Settings) -> None:
    assert row(settings, "200", "synthesizer.voice") == ("paul", "number", 21)
    assert row(settings, "200", "synthesizer.model") == ("big", "defaults", 7)
    assert settings.numbers["200"].synthesizer.options["speed"] == 1


def test_an_empty_block_changes_nothing(settings: Settings) -> None:
    assert settings.numbers["200"].no_input.timeout == 9
    assert settings.numbers["+33123456789"].recognizer == settings.defaults.recognizer


def test_what_is_called_like_a_secret_is_masked(settings: Settings) -> None:
    assert row(settings, "200", "synthesizer.options.api_key") == (MASK, "defaults", 7)
    assert "hidden" not in str(explain(settings, "200"))


def test_every_setting_has_exactly_one_row(settings: Settings) -> None:
    keys = [row.key for row in explain(settings, "0033123456789")]
    assert len(keys) == len(set(keys))
    assert {"bot", "language", "barge_in.by", "hear_during_prompt", "end_silence.email", "transfer.ring"} <= set(keys)
    assert "number" not in keys


def test_a_number_nobody_has_configured_has_no_rows(settings: Settings) -> None:
    assert explain(settings, "999") == []


def test_settings_made_by_hand_are_all_built_in() -> None:
    number = {"number": "*", "bot": "b"}
    rows = explain(Settings.model_validate({"numbers": {"*": number}}), "1")
    assert Row("max_call", "3600", Origin("built-in")) in rows


def test_a_setting_can_be_unset(tmp_path: Path) -> None:
    text = USABLE + "defaults: {fallback: {say: hello}}\nnumbers: {'1': {fallback: {say: ~}}}\n"
    settings = load_text(tmp_path, text)
    assert settings.numbers["1"].fallback.say is None
    assert row(settings, "1", "fallback.say") == ("", "number", 5)


def test_places_of_what_was_written_and_inherited(settings: Settings, tmp_path: Path) -> None:
    file = str(tmp_path / "talkpath.yaml")
    assert settings.origins.place(("lines", "pbx", "auth")) == Place(file, 1)
    assert settings.origins.place(("numbers", "+33123456789", "no_input", "retries")) == Place(file, 11)
    assert settings.origins.place(("numbers", "+33123456789", "no_input", "goodbye")) == Place(file, 14)
    assert settings.origins.place(("zzz",)) is None
    assert str(Origin("profile sales", "a.yaml", 3)) == "profile sales (a.yaml:3)"
    assert str(Origin("built-in")) == "built-in"


def test_how_values_are_shown(tmp_path: Path) -> None:
    text = """numbers: {'1': {transfer: {allow: [+33, "sip:*@pbx"]}, max_call: 90.5, words: {a: b}, barge_in: {by: off},
      synthesizer: {fallback: [{vendor: local, voice: f3}], options: {deep: {a: [1, {token: x}], b: true}, n: ~}}}}"""
    settings = load_text(tmp_path, USABLE + text)
    shown = {row.key: row.value for row in explain(settings, "1")}
    assert shown["transfer.allow"] == "[+33, sip:*@pbx]"
    assert shown["max_call"] == "90.5"
    assert shown["words.a"] == "b"
    assert shown["barge_in.by"] == "[]"
    assert shown["synthesizer.fallback"] == "[{vendor: local, voice: f3}]"
    assert shown["synthesizer.options.deep.a"] == f"[1, {{token: {MASK}}}]"
    assert shown["synthesizer.options.deep.b"] == "true"
