"""What ElevenLabs is asked for, to the letter, and what its speech sockets' answers mean."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_16K, PCMA_8K, PCMU_8K
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.options import understood
from gateway.speech.elevenlabs.options import ListenOptions, SpeakOptions
from gateway.speech.elevenlabs.protocol import (
    PRODUCTION,
    Chunk,
    Reached,
    audio_chunk,
    listen_address,
    multi_messages,
    needs_request,
    single_messages,
    speak_address,
    speak_body,
    spoken,
    text_of,
)
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.tuning import Prosody, Tuning

FLASH = "eleven_flash_v2_5"
SAMPLES = base64.b64encode(b"\xff" * 8).decode()


def listening(settings: ListenSettings, **options: Any) -> str:
    found, problems = understood(ListenOptions, options)
    assert problems == []
    return listen_address(PRODUCTION, settings, found, "scribe_v2_realtime", PCMU_8K)


def query(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


def speaking(utterance: Utterance, kind: str, model: str = FLASH, **options: Any) -> str:
    found, problems = understood(SpeakOptions, options)
    assert problems == []
    return speak_address(PRODUCTION, utterance, found, voice="v1", model=model, format=PCMU_8K, kind=kind)


def test_a_plain_question() -> None:
    assert listening(ListenSettings(language="fr-FR")) == (
        "wss://api.elevenlabs.io/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&audio_format=ulaw_8000"
        "&commit_strategy=manual&language_code=fr"
    )


def test_everything_a_number_says_is_passed_on() -> None:
    tuning = Tuning(alt_languages=("es-ES", "en"), endpointing="vendor")
    long = "more than twenty characters"
    found = query(listening(ListenSettings(phrases=("sales", long), hints=("pin",), end_silence=0.1, tuning=tuning)))
    assert found["commit_strategy"] == ["vad"]
    assert found["vad_silence_threshold_secs"] == ["0.3"]
    assert found["secondary_languages"] == ["es", "en"]
    assert found["keyterms"] == ["sales", "pin"]


def test_options_have_jambonz_names_too() -> None:
    options = {"elevenlabsOptions": {"vadThreshold": 0.5, "minSpeechDurationMs": 100, "enableLogging": False}}
    found = query(listening(ListenSettings(tuning=Tuning(hints_boost=0), hints=("pin",)), **options))
    assert (found["vad_threshold"], found["min_speech_duration_ms"]) == (["0.5"], ["100"])
    assert found["enable_logging"] == ["false"]
    assert "keyterms" not in found


def test_a_plain_text_by_each_way() -> None:
    text = Utterance(text="Bonjour", language="fr-FR")
    sockets = "&language_code=fr&auto_mode=true&inactivity_timeout=180&sync_alignment=true"
    assert speaking(text, "multi") == (
        "wss://api.elevenlabs.io/v1/text-to-speech/v1/multi-stream-input"
        f"?model_id={FLASH}&output_format=ulaw_8000{sockets}"
    )
    assert speaking(text, "single") == (
        f"wss://api.elevenlabs.io/v1/text-to-speech/v1/stream-input?model_id={FLASH}&output_format=ulaw_8000{sockets}"
    )
    assert speaking(text, "http") == "https://api.elevenlabs.io/v1/text-to-speech/v1/stream?output_format=ulaw_8000"
    assert speak_body(text, SpeakOptions(), FLASH) == {"text": "Bonjour", "model_id": FLASH, "language_code": "fr"}


def test_a_model_that_takes_no_language_is_told_none() -> None:
    assert "language_code" not in query(speaking(Utterance(text="Hi"), "multi", "eleven_multilingual_v2"))


@pytest.mark.parametrize(("format", "name"), [(PCMA_8K, "alaw_8000"), (L16_16K, "pcm_16000")])
def test_the_line_s_own_format_is_asked_for(format: Any, name: str) -> None:
    address = speak_address(
        PRODUCTION, Utterance(text="Hi"), SpeakOptions(), voice="a/b", model=FLASH, format=format, kind="multi"
    )
    assert query(address)["output_format"] == [name]
    assert "/v1/text-to-speech/a%2Fb/multi-stream-input" in address


def test_the_messages_of_a_text() -> None:
    assert [json.loads(message) for message in multi_messages("Hi", {"speed": 1.1}, "c1")] == [
        {"text": " ", "voice_settings": {"speed": 1.1}, "context_id": "c1"},
        {"text": "Hi ", "context_id": "c1", "flush": True},
        {"context_id": "c1", "close_context": True},
    ]
    assert [json.loads(message) for message in single_messages("Hi", {})] == [
        {"text": " ", "voice_settings": {}},
        {"text": "Hi ", "flush": True},
        {"text": ""},
    ]


@pytest.mark.parametrize(
    ("options", "rate", "settings"),
    [
        ({}, None, {}),
        ({}, 1.0, {}),
        ({}, 3.0, {"speed": 1.2}),
        ({"voice_settings": {"stability": 0.4, "speed": 0.9, "new_one": 1}}, 1.1, {"stability": 0.4, "speed": 0.9}),
        ({"voiceSettings": {"stability": 0.4}, "stability": 0.6, "speed": 0.8}, 1.1, {"stability": 0.6, "speed": 0.8}),
    ],
)
def test_voice_settings(options: dict[str, Any], rate: float | None, settings: dict[str, Any]) -> None:
    found, problems = understood(SpeakOptions, options)
    assert problems == []
    assert found.settings(Prosody(rate=rate).rate) == settings


def test_models_that_no_socket_serves() -> None:
    assert [needs_request(model) for model in (FLASH, "eleven_v3", "eleven_multilingual_v2")] == [False, True, False]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<speak>Fish &amp; <emphasis>chips</emphasis></speak>", "Fish & chips"),
        ('<speak>One<break time="500ms"/>two</speak>', 'One <break time="0.5s" /> two'),
        ('<speak>One<break time="9s"/>two</speak>', 'One <break time="3.0s" /> two'),
        ("<speak>a &lt;b c</speak>", "a b c"),
        ("<speak>broken", "plain"),
    ],
)
def test_of_markup_only_pauses_remain(markup: str, text: str) -> None:
    assert text_of(Utterance(text=markup, plain="plain", ssml=True)) == text


def test_audio_of_a_caller() -> None:
    assert json.loads(audio_chunk(b"\xff\x00", 8000)) == {
        "message_type": "input_audio_chunk",
        "audio_base_64": "/wA=",
        "commit": False,
        "sample_rate": 8000,
    }


def test_a_piece_of_speech_and_its_times() -> None:
    message = {"audio": SAMPLES, "isFinal": None, "contextId": "c1"}
    alignment = {"chars": ["H", "i"], "charStartTimesMs": [0, 100], "charDurationsMs": [100, 150]}
    assert spoken(json.dumps({**message, "alignment": alignment}), "xi", "c1") == Chunk(
        b"\xff" * 8, ("H", "i"), (0.1, 0.25)
    )
    assert spoken(json.dumps(message), "xi", "another") is None
    assert spoken('{"audio": null, "isFinal": true}', "xi", None) == Chunk(is_final=True)
    assert spoken('{"is_final": true, "context_id": "c1"}', "xi", "c1") == Chunk(is_final=True)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('{"message":"secret","error":"quota_exceeded","code":1008}', VendorRejected),
        ('{"message":"secret","error":"max_active_conversations","code":1008}', VendorUnavailable),
        ('{"audio":"no base64!"}', VendorReplyInvalid),
        ('{"audio":"","alignment":{"chars":["a"],"charStartTimesMs":[]}}', VendorReplyInvalid),
        ("[]", VendorReplyInvalid),
    ],
)
def test_what_brings_no_speech(message: str, kind: type[VendorError]) -> None:
    with pytest.raises(kind) as raised:
        spoken(message, "xi", None)
    assert "secret" not in str(raised.value)


@given(
    st.dictionaries(
        st.sampled_from(["audio", "alignment", "isFinal", "contextId", "error"]),
        st.none()
        | st.booleans()
        | st.text()
        | st.dictionaries(st.sampled_from(["chars", "charStartTimesMs"]), st.none()),
    )
)
def test_any_message_is_understood_or_refused(message: dict[str, Any]) -> None:
    with suppress(VendorError):
        spoken(json.dumps(message), "xi", "c1")


@pytest.mark.parametrize(
    ("plain", "said", "count"),
    [
        ("Good day", "Good", 4),
        ("Good  day", "Good day ", 9),
        ("Fish & chips", "Fish <break time='1s'/> & chips", 12),
        ("Hi", " Hi there", 2),
        ("", "x", 0),
    ],
)
def test_how_far_a_text_has_come(plain: str, said: str, count: int) -> None:
    reached = Reached(plain)
    counts = [reached.say(char) for char in said]
    assert reached.count == count
    assert counts == sorted(counts)


@given(st.text(), st.text())
def test_no_more_is_said_than_there_is(plain: str, said: str) -> None:
    reached = Reached(plain)
    assert all(0 <= reached.say(char) <= len(plain) for char in said)
