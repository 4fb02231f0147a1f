"""The exact messages that settings and utterances lead to, and what a TALKR bot's objects lead to (G17)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from gateway.kit.options import read_options, understood
from gateway.speech.google.options import GoogleListenOptions, GoogleSpeakOptions
from gateway.speech.google.protocol import Version, first_message, phrases_of, recognizer_name
from gateway.speech.google.speaking import NotSpeech, audio_of, is_streamed, streamed_requests, whole_request
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.tuning import Prosody, Tuning
from tests.emulators.google_speech import GoogleEmulator
from tests.fakes.google_speech import google
from tests.fakes.wished import listening_wished, utterance_wished

FRENCH = ListenSettings(vendor="google", language="fr-FR", format=PCMU_8K)
FULL = ListenSettings(
    vendor="google",
    language="fr",
    phrases=("oui", "non"),
    hints=("facturation", "x" * 101),
    model="latest_short",
    end_silence=0.6,
    tuning=Tuning(
        alt_languages=("en", "de-DE"),
        hints_boost=12.0,
        alternatives=2,
        profanity_filter=True,
        punctuation=False,
        interim=False,
        endpointing="vendor",
    ),
    options={"useEnhanced": True, "speechStartTimeoutMs": 4000, "enableVoiceActivityEvents": True},
    format=L16_16K,
)


def asked(settings: ListenSettings, version: Version, recognizer: str = "") -> dict[str, Any]:
    options = read_options(GoogleListenOptions, settings.options, "google")
    return first_message(settings, options, version=version, default_model="telephony", recognizer=recognizer)


def test_the_plainest_stream_of_version_1() -> None:
    assert asked(FRENCH, "v1") == {
        "streaming_config": {
            "config": {
                "encoding": "MULAW",
                "sample_rate_hertz": 8000,
                "language_code": "fr-FR",
                "model": "telephony",
            },
            "interim_results": True,
        }
    }


def test_everything_version_1_can_be_told() -> None:
    assert asked(FULL, "v1") == {
        "streaming_config": {
            "config": {
                "encoding": "LINEAR16",
                "sample_rate_hertz": 16000,
                "language_code": "fr-FR",
                "alternative_language_codes": ["en-GB", "de-DE"],
                "max_alternatives": 3,
                "profanity_filter": True,
                "speech_contexts": [{"phrases": ["oui", "non", "facturation"], "boost": 12.0}],
                "enable_automatic_punctuation": False,
                "model": "latest_short",
                "use_enhanced": True,
            },
            "interim_results": False,
            "enable_voice_activity_events": True,
            "voice_activity_timeout": {
                "speech_start_timeout": timedelta(seconds=4),
                "speech_end_timeout": timedelta(seconds=0.6),
            },
        }
    }


def test_everything_version_2_can_be_told() -> None:
    options = {"endpointingSensitivity": "SHORT", "phraseSets": "projects/p/locations/global/phraseSets/menu"}
    settings = ListenSettings(
        language="fr-FR",
        hints=("facturation",),
        tuning=Tuning(alt_languages=("en-GB",), hints_boost=5.0, alternatives=1, punctuation=True),
        options={"googleOptions": options},
        format=PCMA_8K,
    )
    name = recognizer_name(None, "p", "europe-west4")
    assert asked(settings, "v2", name) == {
        "recognizer": "projects/p/locations/europe-west4/recognizers/_",
        "streaming_config": {
            "config": {
                "explicit_decoding_config": {
                    "encoding": "ALAW",
                    "sample_rate_hertz": 8000,
                    "audio_channel_count": 1,
                },
                "language_codes": ["fr-FR", "en-GB"],
                "model": "telephony",
                "features": {"max_alternatives": 2, "enable_automatic_punctuation": True},
                "adaptation": {
                    "phrase_sets": [
                        {"phrase_set": "projects/p/locations/global/phraseSets/menu"},
                        {"inline_phrase_set": {"phrases": [{"value": "facturation"}], "boost": 5.0}},
                    ]
                },
            },
            "streaming_features": {
                "interim_results": True,
                "endpointing_sensitivity": "ENDPOINTING_SENSITIVITY_SHORT",
            },
        },
    }


def test_a_recognizer_made_beforehand_brings_its_model() -> None:
    message = asked(FRENCH, "v2", recognizer_name("calls", "p", "eu"))
    assert message["recognizer"] == "projects/p/locations/eu/recognizers/calls"
    assert "model" not in message["streaming_config"]["config"]


def test_only_an_open_question_is_ended_by_the_vendor() -> None:
    settings = ListenSettings(kind="digits", tuning=Tuning(endpointing="vendor"), format=PCMU_8K)
    assert "voice_activity_timeout" not in asked(settings, "v1")["streaming_config"]


def test_hints_without_boost_are_not_sent() -> None:
    settings = ListenSettings(hints=("facturation",), tuning=Tuning(hints_boost=0.0), format=PCMU_8K)
    assert "speech_contexts" not in asked(settings, "v1")["streaming_config"]["config"]


def test_hints_are_bounded() -> None:
    assert len(phrases_of(ListenSettings(hints=tuple(str(number) for number in range(900))))) == 500


# --- voices --------------------------------------------------------------------------------------------------------
def spoken(utterance: Utterance) -> dict[str, Any]:
    return whole_request(utterance, read_options(GoogleSpeakOptions, utterance.options, "google"))


def test_the_plainest_text() -> None:
    assert spoken(Utterance(text="Bonjour.", language="fr", format=PCMU_8K)) == {
        "input": {"text": "Bonjour."},
        "voice": {"language_code": "fr-FR"},
        "audio_config": {
            "audio_encoding": "MULAW",
            "sample_rate_hertz": 8000,
            "effects_profile_id": ["telephony-class-application"],
        },
    }


def test_prosody_is_held_within_what_google_takes_and_its_own_options_win() -> None:
    utterance = Utterance(
        text="Bonjour.",
        language="fr-FR",
        prosody=Prosody(rate=4.0, pitch=-3.0, volume=6.0),
        options={"pitch": 2, "gender": "male", "effectsProfileId": []},
        format=L16_8K,
    )
    request = spoken(utterance)
    assert request["voice"] == {"language_code": "fr-FR", "ssml_gender": "MALE"}
    assert request["audio_config"] == {
        "audio_encoding": "LINEAR16",
        "sample_rate_hertz": 8000,
        "speaking_rate": 2.0,
        "pitch": 2.0,
        "volume_gain_db": 6.0,
    }


@pytest.mark.parametrize(
    ("voice", "ssml"),
    [
        ("fr-FR-Wavenet-C", '<speak>Il est <break time="300ms"/><emphasis>tard</emphasis></speak>'),
        ("fr-FR-Chirp3-HD-Kore", "<speak>Il est  tard</speak>"),
    ],
)
def test_markup_is_narrowed_to_what_the_voice_understands(voice: str, ssml: str) -> None:
    markup = '<speak>Il est <break time="300ms"/><emphasis>tard</emphasis></speak>'
    utterance = Utterance(text=markup, plain="Il est tard", ssml=True, voice=voice, format=PCMU_8K)
    assert not is_streamed(utterance, GoogleSpeakOptions())
    assert spoken(utterance)["input"] == {"ssml": ssml}


def test_a_chirp_voice_streams_without_a_pitch() -> None:
    utterance = Utterance(
        text="Bonjour.",
        language="fr-FR",
        voice="fr-FR-Chirp3-HD-Kore",
        prosody=Prosody(rate=1.1, pitch=2.0),
        format=L16_8K,
    )
    options = GoogleSpeakOptions()
    assert is_streamed(utterance, options)
    assert not is_streamed(utterance, GoogleSpeakOptions(streaming=False))
    assert streamed_requests(utterance, options) == (
        {
            "streaming_config": {
                "voice": {"language_code": "fr-FR", "name": "fr-FR-Chirp3-HD-Kore"},
                "streaming_audio_config": {
                    "audio_encoding": "PCM",
                    "sample_rate_hertz": 8000,
                    "speaking_rate": 1.1,
                },
            }
        },
        {"input": {"text": "Bonjour."}},
    )
    assert "pitch" not in spoken(utterance)["audio_config"]


def test_a_gemini_voice_is_told_how() -> None:
    utterance = Utterance(text="Bonjour.", language="fr-FR", voice="Kore", model="gemini-2.5-flash-tts")
    options = GoogleSpeakOptions(prompt="Warmly.")
    config, text = streamed_requests(utterance, options)
    assert config["streaming_config"]["voice"]["model_name"] == "gemini-2.5-flash-tts"
    assert text == {"input": {"text": "Bonjour.", "prompt": "Warmly."}}


def test_an_unknown_option_is_told_with_the_nearest_known_one() -> None:
    found, problems = understood(GoogleSpeakOptions, {"speakingRat": 1.2, "pitch": "high", "volumeGainDb": 3})
    assert found == GoogleSpeakOptions(volume_gain_db=3)
    assert "speaking_rate" in problems[0]
    assert "pitch" in problems[1]


@given(st.binary(max_size=200))
def test_any_bytes_are_audio_or_refused(content: bytes) -> None:
    for data in (content, b"RIFF\0\0\0\0WAVE" + content):
        with suppress(NotSpeech):
            assert audio_of(data, PCMU_8K)


# --- G17 -----------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_g17_voice_and_options_of_a_bot_are_in_googles_request() -> None:
    options = {"speakingRate": 1.15, "pitch": -2, "volumeGainDb": 3}
    utterance = utterance_wished(
        {"vendor": "google", "language": "fr-FR", "voice": "fr-FR-Neural2-A", "options": options}
    )
    async with GoogleEmulator() as emulator, google(emulator) as vendor:
        async for _ in vendor.synthesizer.speak(utterance):
            pass
    got = type(emulator.syntheses[0].request).to_dict(emulator.syntheses[0].request, use_integers_for_enums=False)
    assert got["input"]["text"] == "Bonjour."
    assert (got["voice"]["language_code"], got["voice"]["name"]) == ("fr-FR", "fr-FR-Neural2-A")
    assert got["audio_config"] == {
        "audio_encoding": "MULAW",
        "sample_rate_hertz": 8000,
        "speaking_rate": 1.15,
        "pitch": -2.0,
        "volume_gain_db": 3.0,
        "effects_profile_id": ["telephony-class-application"],
    }


@pytest.mark.asyncio
async def test_g17_how_a_bot_wants_to_listen_is_in_googles_first_message() -> None:
    settings = listening_wished(
        {
            "vendor": "google",
            "language": "fr-FR",
            "model": "latest_short",
            "hints": ["facturation", "support"],
            "hintsBoost": 10,
            "altLanguages": ["en-GB"],
            "profanityFilter": True,
            "punctuation": True,
            "googleOptions": {"enableVoiceActivityEvents": True},
        }
    )
    emulator = GoogleEmulator(script=())
    async with emulator, google(emulator) as vendor, vendor.recognizer.listen(settings) as stream:
        await stream.finish()
        assert [result async for result in stream.results()] == []
    config = emulator.recognitions[0].opening.streaming_config
    assert config.enable_voice_activity_events
    assert config.interim_results
    assert config.config == type(config.config)(
        encoding="MULAW",
        sample_rate_hertz=8000,
        language_code="fr-FR",
        alternative_language_codes=["en-GB"],
        profanity_filter=True,
        speech_contexts=[{"phrases": ["facturation", "support"], "boost": 10}],
        enable_automatic_punctuation=True,
        model="latest_short",
    )
