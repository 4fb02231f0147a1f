"""The bot's speech objects as wishes: names, units, clamps, and what a missing or a null object means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.actions import RecognizerChoice, SetSpeech, SynthesizerChoice
from gateway.backends.talkr.reply import parse_reply
from gateway.backends.talkr.speech import SpeechWish, region_table, speech_wish
from gateway.tuning import Prosody, Tuning


def wish(slug: str = "", language: str = "", regions: dict[str, str] | None = None, **data: Any) -> SpeechWish:
    reply = parse_reply(json.dumps({"language": {"slug": slug}, "data": data}).encode())
    return speech_wish(reply, region_table(regions or {}, language))


def synthesizer(**fields: Any) -> SynthesizerChoice:
    settings = wish(speech_synthesis=fields).settings
    assert settings is not None
    assert settings.synthesizer is not None
    return settings.synthesizer


def recognizer(**fields: Any) -> RecognizerChoice:
    settings = wish(speech_recognizer=fields).settings
    assert settings is not None
    assert settings.recognizer is not None
    return settings.recognizer


def test_nothing_said_is_nothing_set():
    assert wish() == SpeechWish(settings=None, asked={})


def test_absent_keeps_and_null_goes_back():
    assert wish(speech_synthesis=None).settings == SetSpeech(synthesizer=SynthesizerChoice())
    assert wish(speech_recognizer=None).settings == SetSpeech(recognizer=RecognizerChoice())
    assert wish(speech_recognizer={}).settings == SetSpeech(recognizer=RecognizerChoice())


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("Microsoft", "azure"), ("azure", "azure"), ("11labs", "elevenlabs"), ("ELEVEN", "elevenlabs"),
     ("eleven_labs", "elevenlabs"), ("gcp", "google"), ("google_cloud", "google"), ("acme-tts", "acme-tts"),
     ("whisper", "openai"), ("deepgramflux", "deepgram"), ("custom:Acme", "acme")],
)  # fmt: skip
def test_vendor_aliases(name: str, canonical: str):
    assert synthesizer(vendor=name).vendor == recognizer(provider=name).vendor == canonical


@pytest.mark.parametrize("key", ["vendor", "provider", "engine_vendor"])
def test_vendor_keys(key: str):
    assert synthesizer(**{key: "google"}).vendor == "google"


@pytest.mark.parametrize("key", ["language", "lang", "language_code", "locale"])
def test_language_keys(key: str):
    assert synthesizer(**{key: "fr-CA"}).language == "fr-CA"
    assert recognizer(**{key: "fr"}).language == "fr-FR"


@pytest.mark.parametrize("key", ["voice", "voice_id", "voiceId", "voice_name", "voiceName"])
def test_voice_keys(key: str):
    assert synthesizer(**{key: "marie"}).voice == "marie"


@pytest.mark.parametrize("key", ["model", "model_id", "engine"])
def test_model_keys(key: str):
    assert synthesizer(**{key: "turbo"}).model == "turbo"


def test_the_first_name_with_a_value_wins():
    assert synthesizer(voice=" ", voice_id=None, voiceId="a", voice_name="b").voice == "a"


def test_tk24_options_of_the_vendor():
    options = {"stability": 0.5, "use_speaker_boost": True, "speed": 1}
    assert synthesizer(vendor="elevenlabs", options=options).options == options
    assert synthesizer(vendor="11labs", elevenlabs=options).options == options
    assert synthesizer(vendor="elevenlabs", eleven_labs=options).options == options
    assert synthesizer(google={"pitch": -2.5}).options == {"pitch": -2.5}
    assert synthesizer(vendor="azure", google={"pitch": 1}, microsoft={"styledegree": 2}).options == {"styledegree": 2}
    assert synthesizer(vendor="azure", google={"pitch": 1}).options == {}


@pytest.mark.parametrize(
    ("field", "keys"),
    [
        ("start_timeout", ["timeout", "no_input_timeout", "initial_silence_timeout", "start_timeout"]),
        ("end_silence", ["speech_timeout", "speechTimeout", "asrTimeout", "end_timeout", "end_silence_timeout",
                         "silence_timeout"]),
        ("max_length", ["max_duration", "max_speech_timeout", "recognition_timeout"]),
    ],
)  # fmt: skip
def test_tk25_timer_keys(field: str, keys: list[str]):
    for key in keys:
        assert getattr(recognizer(**{key: 3}), field) == 3.0
        assert getattr(recognizer(**{key: "3"}), field) == 3.0
        assert getattr(recognizer(**{key: 3000}), field) == 3.0
        assert getattr(recognizer(**{f"{key}_ms": 3000}), field) == 3.0
        assert getattr(recognizer(**{f"{key}Ms": 3000}), field) == 3.0


@pytest.mark.parametrize(
    ("fields", "used"),
    [
        ({"timeout": 7}, 7.0),
        ({"timeout": 4.25}, 4.25),
        ({"timeout": 30}, 30.0),
        ({"timeout": 60}, 30.0),
        ({"timeout": 61}, 1.0),
        ({"timeout": 5000}, 5.0),
        ({"timeout": 0}, 1.0),
        ({"timeout": 0.5}, 1.0),
        ({"initialSpeechTimeoutMs": 2500}, 2.5),
        ({"initialSpeechTimeoutMs": 50}, 1.0),
        ({"timeout": "soon", "start_timeout": 9}, 9.0),
        ({"timeout": -1}, None),
        ({"timeout": True}, None),
        ({"timeout": None}, None),
    ],
)
def test_tk25_units_and_clamps(fields: dict[str, Any], used: float | None):
    assert recognizer(**fields).start_timeout == used


def test_tk25_the_other_clamps():
    assert (recognizer(speech_timeout=0.1).end_silence, recognizer(speech_timeout=9).end_silence) == (0.2, 5.0)
    assert (recognizer(max_duration=1).max_length, recognizer(max_duration=600_000).max_length) == (2.0, 60.0)


def test_tk25_asked_and_used_are_told():
    asked = wish(speech_recognizer={"timeout": "45", "asrTimeout": 900}).asked
    assert asked == {
        "start_timeout": {"key": "timeout", "asked": "45", "used": 30.0},
        "end_silence": {"key": "asrTimeout", "asked": 900, "used": 0.9},
    }


@pytest.mark.parametrize(
    ("fields", "hints"),
    [
        ({"hints": ["yes", " no ", "yes", ""]}, ("yes", "no")),
        ({"hints": "yes, no"}, ("yes", "no")),
        ({"hints": [], "phrases": [{"phrase": "yes"}]}, ("yes",)),
        ({"context": ["12", 13]}, ("12", "13")),
        ({"hints": [None, {}, []]}, ()),
        ({}, ()),
    ],
)
def test_hints(fields: dict[str, Any], hints: tuple[str, ...]):
    assert recognizer(**fields).hints == hints


@pytest.mark.parametrize(
    ("fields", "barge_in"),
    [({"barge_in": 1}, True), ({"bargein": "false"}, False), ({"bargein": {"enable": True}}, True),
     ({"barge_in": None, "bargein": 0}, False), ({}, None), ({"barge_in": "perhaps"}, None)],
)  # fmt: skip
def test_barge_in(fields: dict[str, Any], barge_in: bool | None):
    assert recognizer(**fields).barge_in is barge_in


@pytest.mark.parametrize(
    ("slug", "tag"),
    [("FR", "fr-FR"), ("EN", "en-GB"), ("DE", "de-DE"), ("ES", "es-ES"), ("IT", "it-IT"), ("NL", "nl-NL"),
     ("PT", "pt-PT"), ("fr-CA", "fr-CA"), ("pt_BR", "pt-BR"), ("sv", "sv")],
)  # fmt: skip
def test_tk26_language_slugs(slug: str, tag: str):
    assert wish(slug).settings == SetSpeech(language=tag)


def test_tk26_whose_region():
    assert wish("EN", language="en-US").settings == SetSpeech(language="en-US")
    assert wish("EN", language="fr-FR").settings == SetSpeech(language="en-GB")
    assert wish("EN", language="en-US", regions={"EN": "en-IE"}).settings == SetSpeech(language="en-IE")
    assert wish("EN", regions={"en": "AU"}).settings == SetSpeech(language="en-AU")


@pytest.mark.parametrize("slug", ["", "French (France)", "1", "-"])
def test_tk26_what_is_no_language_changes_nothing(slug: str):
    assert wish(slug).settings is None


def test_tk25_the_lowest_and_highest_values_are_obeyed_as_they_are():
    assert [recognizer(timeout=value).start_timeout for value in (1, 30)] == [1.0, 30.0]
    assert [recognizer(asrTimeout=value).end_silence for value in (0.2, 5)] == [0.2, 5.0]
    assert [recognizer(max_duration=value).max_length for value in (2, 60)] == [2.0, 60.0]


def test_tk25_one_recognizer_with_everything():
    found = recognizer(
        vendor="gcp", language="EN", model="latest_long", hints="yes", barge_in=False, timeout=5, options={"boost": 2}
    )
    assert found == RecognizerChoice(
        vendor="google",
        language="en-GB",
        model="latest_long",
        hints=("yes",),
        start_timeout=5.0,
        barge_in=False,
        options={"boost": 2},
    )


def test_tk24_one_voice_with_everything():
    found = synthesizer(vendor="eleven", voice="marie", language="de", engine="turbo", options={"speed": 1.5})
    assert found == SynthesizerChoice(
        vendor="elevenlabs", voice="marie", language="de-DE", model="turbo", options={"speed": 1.5}
    )


@pytest.mark.parametrize("empty", [{}, None, "text", []])
def test_tk24_options_that_say_nothing_give_way_to_the_vendors_own(empty: Any):
    assert synthesizer(vendor="azure", options=empty, azure={"style": "calm"}).options == {"style": "calm"}
    assert synthesizer(options=empty).options == {}


def test_tk24_only_the_documents_vendors_are_looked_for_where_none_is_named():
    for name in ("elevenlabs", "azure", "google", "11labs", "microsoft"):
        assert synthesizer(**{name: {"a": 1}}).options == {"a": 1}
    assert synthesizer(acme={"a": 1}).options == {}


def test_hints_are_bounded():
    assert recognizer(hints=[f"word {n}" for n in range(600)]).hints == tuple(f"word {n}" for n in range(500))
    assert recognizer(hints=["x" * 201, "y" * 200]).hints == ("y" * 200,)


@pytest.mark.parametrize("key", ["phrase", "text", "value"])
def test_a_hint_may_be_an_object(key: str):
    assert recognizer(hints=[{key: " yes ", "boost": 3}, {"boost": 3}, {key: 7}]).hints == ("yes", "7")


@pytest.mark.parametrize("key", ["barge_in", "bargein", "bargeIn"])
def test_barge_in_keys(key: str):
    assert recognizer(**{key: {"enable": 0}}).barge_in is False
    assert recognizer(**{key: "on"}).barge_in is True
    assert recognizer(**{key: {"minBargeinWordCount": 2}}).barge_in is None


def test_tk26_a_region_of_an_operator_or_a_number_counts_for_its_language_only():
    table = region_table({"fr": "BE", "en_US": "en-CA"}, "de-AT")
    assert (table["fr"], table["en"], table["de"], table["nl"]) == ("BE", "CA", "AT", "NL")
    assert region_table({}, "de")["de"] == "DE"
    assert region_table({}, "klingon") == region_table({}, "")


def test_tk26_a_language_alone_or_beside_a_voice():
    assert wish("FR", speech_synthesis={"voice": "x"}).settings == SetSpeech(
        synthesizer=SynthesizerChoice(voice="x"), language="fr-FR"
    )
    assert wish("FR", speech_recognizer=None).settings == SetSpeech(recognizer=RecognizerChoice(), language="fr-FR")
    assert synthesizer(language="not a language").language is None


# --- how it is spoken and heard, in the words of jambonz -----------------------------------------------------------
def test_what_nobody_says_about_speaking_and_hearing_is_left_open():
    assert synthesizer(vendor="google").prosody == Prosody()
    assert recognizer(vendor="google").tuning == Tuning()


@pytest.mark.parametrize("key", ["rate", "speed", "speakingRate", "speaking_rate"])
def test_the_pace_is_a_factor(key: str):
    assert synthesizer(**{key: "1.2"}).prosody == Prosody(rate=1.2)


@pytest.mark.parametrize(
    ("fields", "prosody"),
    [
        ({"rate": 4, "pitch": -99, "volumeGainDb": 99}, Prosody(rate=4.0, pitch=-20.0, volume=16.0)),
        ({"rate": 0.25, "pitch": 99, "volume": -99}, Prosody(rate=0.25, pitch=20.0, volume=-30.0)),
        ({"rate": 160, "speed": 0.2}, Prosody()),
        ({"rate": "fast", "pitch": None, "volume": {}}, Prosody()),
    ],
)
def test_prosody_is_held_within_what_is_bearable(fields: dict[str, Any], prosody: Prosody):
    assert synthesizer(**fields).prosody == prosody


def test_a_recognizer_object_as_jambonz_has_it():
    found = recognizer(
        vendor="deepgram",
        language="fr",
        hints=["facturation"],
        hintsBoost=10,
        altLanguages=["en-US", "en-US", "de"],
        interim=True,
        punctuation="true",
        profanityFilter=False,
        alternatives=2,
        deepgramOptions={"endpointing": 300},
    )
    assert found.tuning == Tuning(
        alt_languages=("en-US", "de-DE"),
        hints_boost=10,
        alternatives=2,
        profanity_filter=False,
        punctuation=True,
        interim=True,
    )
    assert found.options == {"endpointing": 300}
    assert found.hints == ("facturation",)


@pytest.mark.parametrize(("asked", "used"), [(-1, (0, 0)), (999, (20, 10))])
def test_numbers_of_the_recognizer_are_held_within_their_range(asked: int, used: tuple[int, int]):
    found = recognizer(hintsBoost=asked, alternatives=asked).tuning
    assert (found.hints_boost, found.alternatives) == used
