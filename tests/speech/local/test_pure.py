"""Small decisions of the local voice: which voice speaks, how, and where in the text it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.speech.local.kinds import words_of
from gateway.speech.local.markup import plain_offsets
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.synthesizer import manner
from gateway.speech.local.voices import candidates
from gateway.tuning import Prosody


@pytest.mark.parametrize(
    ("language", "voice", "first"),
    [
        ("en-GB", None, "en"),
        ("en-US", None, "en-us"),
        ("fr-FR", None, "fr-fr"),  # espeak-ng has none of this name; "fr" comes next
        ("es-MX", None, "es-419"),
        ("pt-BR", None, "pt-br"),
        ("fr_CA", "f3", "fr-ca+f3"),
        ("fr-FR", "female", "fr-fr+f3"),
        ("fr-FR", "+m2", "fr-fr+m2"),
        ("fr-FR", "de+m2", "de+m2"),
        ("fr-FR", "fr-BE", "fr-be"),
        ("fr-FR", "Annie", "fr-fr+Annie"),
        ("fr-FR", "../../secret", "fr-fr"),
        ("zh-CN", None, "cmn"),
        ("", None, "en-us"),
    ],
)
def test_a_language_and_a_wish_become_a_voice(language: str, voice: str | None, first: str) -> None:
    assert candidates(language, voice)[0] == first


@given(st.text(max_size=12), st.none() | st.text(max_size=20))
def test_there_is_always_a_last_resort(language: str, voice: str | None) -> None:
    assert "en-us" in candidates(language, voice)


def test_every_language_falls_back_to_its_base() -> None:
    assert candidates("fr-CA", "f3")[:4] == ["fr-ca+f3", "fr+f3", "fr-ca", "fr"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (160, 50, 1.0)),
        ({"rate": 200}, (200, 50, 1.0)),
        ({"rate": 1.5}, (240, 50, 1.0)),
        ({"rate": "120%"}, (192, 50, 1.0)),
        ({"rate": "+10%"}, (176, 50, 1.0)),
        ({"rate": "slow"}, (120, 50, 1.0)),
        ({"rate": 100}, (100, 50, 1.0)),
        ({"rate": 100_000}, (450, 50, 1.0)),
        ({"pitch": 70}, (160, 70, 1.0)),
        ({"pitch": "120%"}, (160, 60, 1.0)),
        ({"volume": 50}, (160, 50, 0.5)),
        ({"volume": "80%"}, (160, 50, 0.8)),
        ({"volume": 1000}, (160, 50, 2.0)),
        ({"rate": float("nan"), "pitch": "inf", "volume": "nan%"}, (160, 50, 1.0)),
        ({"rate": "quickly", "pitch": None, "volume": True, "stability": 0.3}, (160, 50, 1.0)),
    ],
)
def test_options_become_what_espeak_takes(options: Mapping[str, Any], expected: tuple[float, ...]) -> None:
    found = manner(options, Prosody(), rate=160, pitch=50)
    assert (found["rate"], found["pitch"], found["volume"]) == pytest.approx(expected)


@given(st.dictionaries(st.sampled_from(["rate", "pitch", "volume"]), st.text(max_size=6) | st.floats() | st.integers()))
def test_any_options_become_something_espeak_takes(options: Mapping[str, Any]) -> None:
    found = manner(options, Prosody(), rate=160, pitch=50)
    assert 80 <= found["rate"] <= 450
    assert 0 <= found["pitch"] <= 99
    assert 0 <= found["volume"] <= 2


def test_places_in_markup_are_places_in_the_plain_text() -> None:
    ssml, plain = "<speak>Fish &amp; <emphasis>chips</emphasis> now</speak>", "Fish & chips now"
    offsets = plain_offsets(ssml, plain)
    for word in ("Fish", "chips", "now"):
        assert offsets[ssml.index(word)] == plain.index(word)
    assert offsets[-1] == len(plain)


def test_a_plain_text_that_says_it_differently_meets_again_at_the_next_common_word() -> None:
    ssml, plain = "<speak><sub alias='doctor'>Dr</sub> Smith is here</speak>", "Doctor Smith is here"
    offsets = plain_offsets(ssml, plain)
    assert offsets[ssml.index("Smith")] == plain.index("Smith")


@given(st.text(alphabet="ab <>&;#1'\"/", max_size=40), st.text(alphabet="ab &", max_size=20))
def test_offsets_never_go_back_nor_beyond(ssml: str, plain: str) -> None:
    offsets = plain_offsets(ssml, plain)
    assert len(offsets) == len(ssml) + 1
    assert offsets == sorted(offsets)
    assert offsets[-1] <= len(plain)


def test_kinds_with_closed_answers_can_be_heard_and_free_ones_cannot() -> None:
    assert {"oui", "non"} <= set(words_of("yesno", "fr-FR")[0])
    assert {"one", "nine"} <= set(words_of("digits", "en-GB")[1])
    assert words_of("date", "de-DE")[1]
    assert words_of("free", "en-GB") == ((), ())
    assert words_of("email", "en-GB") == ((), ())


def test_the_number_of_workers_can_be_chosen_or_left_to_the_machine() -> None:
    section = LocalSpeechSection(speak_workers=3, listen_workers=5)
    assert (section.speak_processes, section.listen_processes) == (3, 5)
    assert LocalSpeechSection().speak_processes >= 1
    assert LocalSpeechSection().listen_processes >= 1


@pytest.mark.parametrize(
    ("prosody", "manner_of_it"),
    [
        (Prosody(), {"rate": 160, "pitch": 50, "volume": 1.0}),
        (Prosody(rate=1.25), {"rate": 200, "pitch": 50, "volume": 1.0}),
        (Prosody(pitch=-5), {"rate": 160, "pitch": 30, "volume": 1.0}),
        (Prosody(volume=-20), {"rate": 160, "pitch": 50, "volume": 0.1}),
        (Prosody(rate=4, pitch=20, volume=16), {"rate": 450, "pitch": 99, "volume": 2.0}),
    ],
)
def test_prosody_common_to_all_vendors(prosody: Prosody, manner_of_it: dict[str, float]) -> None:
    assert manner({}, prosody, rate=160, pitch=50) == pytest.approx(manner_of_it)


def test_the_local_voices_own_options_beat_it() -> None:
    options = {"rate": 120, "pitch": 40, "volume": 50}
    assert manner(options, Prosody(rate=2, pitch=5, volume=6), rate=160, pitch=50) == {
        "rate": 120,
        "pitch": 40,
        "volume": 0.5,
    }
