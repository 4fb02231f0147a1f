"""The messages for an engine of one's own, as plain data, and what its entry may say."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from audio.format import L16_8K, L16_16K, PCMU_8K
from gateway.errors import VendorError, VendorReplyInvalid
from gateway.events import Transcript
from gateway.speech.custom.protocol import CustomTurn, listen_request, speak_request
from gateway.speech.custom.settings import CustomSpeechSection, formats
from gateway.speech.custom.vendor import CustomSpeech
from gateway.speech_interfaces import ListenSettings, SpeechHeard, Utterance
from gateway.tuning import Prosody, Tuning


def test_a_plain_text_asks_for_little() -> None:
    assert speak_request(Utterance(text="Bonjour.", language="fr-FR"), L16_16K) == {
        "text": "Bonjour.",
        "type": "text",
        "language": "fr-FR",
        "encoding": "LINEAR16",
        "sampleRateHz": 16000,
    }


def test_everything_configured_is_passed_on() -> None:
    utterance = Utterance(
        text="<speak>Hi</speak>",
        plain="Hi",
        ssml=True,
        voice="claire",
        model="big",
        prosody=Prosody(rate=1.2, pitch=-2, volume=3),
        options={"mood": "calm", "customOptions": {"uri": "ws://elsewhere", "authToken": "x", "options": {"a": 1}}},
        sensitive=True,
    )
    assert speak_request(utterance, PCMU_8K) == {
        "text": "<speak>Hi</speak>",
        "type": "ssml",
        "language": "en-GB",
        "voice": "claire",
        "model": "big",
        "encoding": "MULAW",
        "sampleRateHz": 8000,
        "rate": 1.2,
        "pitch": -2,
        "volume": 3,
        "sensitive": True,
        "options": {"mood": "calm", "a": 1},
    }


def test_a_turn_starts_with_what_the_question_is() -> None:
    settings = ListenSettings(
        language="fr-FR",
        kind="yesno",
        phrases=("oui", "non"),
        hints=("ouais",),
        model="small",
        end_silence=0.6,
        tuning=Tuning(
            alt_languages=("fr-CA",),
            hints_boost=10,
            alternatives=2,
            profanity_filter=True,
            punctuation=False,
            endpointing="vendor",
        ),
    )
    assert listen_request(settings, PCMU_8K, True) == {
        "type": "start",
        "language": "fr-FR",
        "format": "raw",
        "encoding": "MULAW",
        "sampleRateHz": 8000,
        "interimResults": True,
        "model": "small",
        "kind": "yesno",
        "phrases": ["oui", "non"],
        "hints": ["ouais"],
        "hintsBoost": 10,
        "altLanguages": ["fr-CA"],
        "maxAlternatives": 2,
        "profanityFilter": True,
        "punctuation": False,
        "endSilenceMs": 600,
    }


def test_the_smallest_start_is_that_of_jambonz_and_a_kind() -> None:
    assert listen_request(ListenSettings(language="en-US"), L16_8K, False) == {
        "type": "start",
        "language": "en-US",
        "format": "raw",
        "encoding": "LINEAR16",
        "sampleRateHz": 8000,
        "interimResults": False,
        "kind": "free",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["transcription", "speech", "error", "else"])},
    optional=dict.fromkeys(("alternatives", "is_final", "started", "at", "error", "language", "ends_turn"), JSON),
)
ALTERNATIVES = st.fixed_dictionaries({"type": st.just("transcription"), "alternatives": st.lists(JSON)})


@given(st.text() | st.binary() | JSON.map(json.dumps) | FIELDS.map(json.dumps) | ALTERNATIVES.map(json.dumps))
def test_any_message_is_understood_or_refused(message: str | bytes) -> None:
    turn = CustomTurn("house", ListenSettings(), L16_8K, True)
    with suppress(VendorError):
        assert all(isinstance(result, Transcript | SpeechHeard) for result in turn.receive(message))


def test_an_engine_is_done_when_the_turn_is_over_and_not_before() -> None:
    turn = CustomTurn("house", ListenSettings(), L16_8K, True)
    with pytest.raises(VendorReplyInvalid, match="before the end"):
        turn.receive('{"type": "done"}')
    list(turn.finish())
    assert not turn.is_over
    assert turn.receive('{"type": "done"}') == []
    assert (turn.is_over, turn.is_clean) == (True, True)


def test_addresses_follow_from_one_another() -> None:
    section = CustomSpeechSection(url="https://speech.example.com/")
    assert section.address_spoken == "https://speech.example.com/speak"
    assert section.address_heard == "wss://speech.example.com/listen"


def test_an_engine_may_do_one_thing_only() -> None:
    speaks = CustomSpeech("house", CustomSpeechSection(speak_url="http://a/tts"), None)  # type: ignore[arg-type]  # nothing is sent
    hears = CustomSpeech("house", CustomSpeechSection(listen_url="ws://a/stt"), None)  # type: ignore[arg-type]  # nothing is sent
    assert (speaks.recognizer, hears.synthesizer) == (None, None)
    assert speaks.synthesizer is not None
    assert hears.recognizer is not None


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"url": "ws://a"},
        {"listen_url": "http://a"},
        {"url": "http://a", "speak_formats": ["mp3/8000"]},
        {"url": "http://a", "speak_formats": ["pcmu/16000"]},
        {"url": "http://a", "listen_formats": []},
        {"url": "http://a", "listen_formats": ["l16/4000"]},
    ],
)
def test_an_entry_that_cannot_work_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CustomSpeechSection.model_validate(entry)


def test_formats_are_read_by_their_names() -> None:
    section = CustomSpeechSection(url="http://a", speak_formats=("PCMU/8000", "l16/16000"))
    assert formats(section.speak_formats) == (PCMU_8K, L16_16K)
