"""The page for owners of a TALKR bot names what the adapter accepts."""

from __future__ import annotations

import re

from gateway.backends.talkr import compose, speech
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.text.catalogue import Catalogue
from tests.pages import ROOT

PAGE = (ROOT / "docs" / "talkr.md").read_text(encoding="utf-8")


def _row(title: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| {title} |"))


def test_every_accepted_name_of_a_speech_setting_is_there() -> None:
    rows = {
        "vendor": speech.VENDOR_KEYS,
        "language": speech.LANGUAGE_KEYS,
        "voice": speech.VOICE_KEYS,
        "words to expect": speech.HINT_KEYS,
        "interruption": speech.BARGE_IN_KEYS,
        "silence before the caller speaks": speech.TIMERS["start_timeout"].keys,
        "silence that ends his turn": speech.TIMERS["end_silence"].keys,
        "longest turn": speech.TIMERS["max_length"].keys,
    }
    for title, names in rows.items():
        assert set(re.findall(r"`(\w+)`", _row(title))) - {"enable"} == set(names)


def test_the_ranges_of_timers_are_right() -> None:
    titles = {
        "start_timeout": "silence before the caller speaks",
        "end_silence": "silence that ends his turn",
        "max_length": "longest turn",
    }
    for name, title in titles.items():
        timer = speech.TIMERS[name]
        assert f"| {timer.low:g} to {timer.high:g} s |" in _row(title)


def test_every_type_of_message_is_there() -> None:
    kinds = (compose.AUDIO_TYPES, compose.VISUAL_TYPES, compose.CHOICE_TYPES, compose.TRANSFER_TYPES, compose.END_TYPES)
    for kind in kinds:
        for name in kind:
            assert f"`{name}`" in PAGE


def test_settings_of_the_bot_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:send|allow|retry|stale|background|no_input|connect|current|bearer)_\w+)", PAGE))
    known = {*TalkrBotSection.model_fields, "no_input_timeout"}
    assert len(named) >= 10
    assert named <= known


def test_quoted_sentences_are_the_gateways_own() -> None:
    words = Catalogue.for_language("en")
    for name in ("apology", "filler", "transfer_failed"):
        assert f'"{words.say(name)}"' in PAGE
