"""What Deepgram is asked for: addresses to the letter, by what a number, a bot and their options say."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from audio.format import L16_16K, PCMU_8K
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.kit.options import understood
from gateway.speech.deepgram.options import ListenOptions, SpeakOptions
from gateway.speech.deepgram.protocol import (
    MAX_TEXT,
    PRODUCTION,
    is_spoken,
    listen_address,
    pieces,
    speak_address,
    speak_messages,
    voice_for,
)
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.tuning import Prosody, Tuning


def listening(settings: ListenSettings, default: str = "nova-3", **options: Any) -> str:
    found, problems = understood(ListenOptions, options)
    assert problems == []
    return listen_address(PRODUCTION, settings, found, default, PCMU_8K)


def query(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


def speaking(utterance: Utterance, *, socket: bool = False, **options: Any) -> str:
    found, problems = understood(SpeakOptions, options)
    assert problems == []
    return speak_address(PRODUCTION, utterance, found, None, PCMU_8K, socket=socket)


def test_a_plain_question_to_nova() -> None:
    assert listening(ListenSettings(language="fr-FR")) == (
        "wss://api.deepgram.com/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000&language=fr&channels=1"
        "&interim_results=true&endpointing=300&vad_events=true"
    )


def test_a_plain_question_to_flux() -> None:
    assert listening(ListenSettings(language="en-US"), "flux") == (
        "wss://api.deepgram.com/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000"
        "&eot_threshold=1.0&eot_timeout_ms=30000"
    )


def test_flux_in_another_language_is_the_multilingual_one() -> None:
    found = query(listening(ListenSettings(language="fr-FR", tuning=Tuning(alt_languages=("en-GB",))), "flux"))
    assert found["model"] == ["flux-general-multi"]
    assert found["language_hint"] == ["fr", "en"]


def test_flux_that_ends_turns_keeps_its_own_thresholds() -> None:
    settings = ListenSettings(language="en-US", model="flux-general-en", tuning=Tuning(endpointing="vendor"))
    found = query(listening(settings, eotThreshold=0.8, eagerEotThreshold="0.4"))
    assert found["eot_threshold"] == ["0.8"]
    assert found["eager_eot_threshold"] == ["0.4"]
    assert "eot_timeout_ms" not in found


def test_everything_a_number_says_is_passed_on() -> None:
    tuning = Tuning(
        alt_languages=("es",), profanity_filter=True, punctuation=False, interim=False, endpointing="gateway"
    )
    found = query(listening(ListenSettings(phrases=("sales",), hints=("support", "sales"), tuning=tuning)))
    assert found["language"] == ["multi"]
    assert found["language_hint"] == ["en", "es"]
    assert found["keyterm"] == ["sales", "support"]
    assert found["profanity_filter"] == ["true"]
    assert found["punctuate"] == ["false"]
    assert "interim_results" not in found


def test_the_vendor_ends_turns_by_the_number_s_silence() -> None:
    found = query(listening(ListenSettings(end_silence=0.65, tuning=Tuning(endpointing="vendor"))))
    assert found["endpointing"] == ["650"]
    assert found["utterance_end_ms"] == ["1000"]


def test_models_before_nova_3_take_words_with_a_boost() -> None:
    settings = ListenSettings(model="nova-2", hints=("pound key", "pin"), tuning=Tuning(hints_boost=20))
    found = query(listening(settings))
    assert found["keywords"] == ["pound:10", "key:10", "pin:10"]
    assert "keyterm" not in found


def test_hints_without_any_boost_are_left_out() -> None:
    assert "keyterm" not in query(listening(ListenSettings(hints=("sales",), tuning=Tuning(hints_boost=0))))


@pytest.mark.parametrize(
    ("language", "tag"), [("en-GB", "en-GB"), ("fr-FR", "fr"), ("pt_br", "pt-BR"), ("de", "de"), ("es-MX", "es")]
)
def test_a_region_stays_where_nova_knows_it(language: str, tag: str) -> None:
    assert query(listening(ListenSettings(language=language)))["language"] == [tag]


def test_options_have_jambonz_names_too() -> None:
    options = {"deepgramOptions": {"smartFormatting": True, "noDelay": True, "endpointing": 500, "keyterms": ["VIP"]}}
    found = query(listening(ListenSettings(), **options))
    assert (found["smart_format"], found["no_delay"], found["endpointing"]) == (["true"], ["true"], ["500"])
    assert found["keyterm"] == ["VIP"]


def test_endpointing_may_be_switched_off() -> None:
    assert query(listening(ListenSettings(), endpointing=False))["endpointing"] == ["false"]


def test_an_unknown_option_costs_nothing_but_a_sentence() -> None:
    found, problems = understood(ListenOptions, {"smart_fromat": True, "endpointing": -4})
    assert found == ListenOptions()
    assert "smart_format" in problems[0]
    assert all("'endpointing' is ignored" in problem for problem in problems[1:])


def test_where_a_key_is_sent_is_no_bot_s_to_say() -> None:
    assert len(understood(ListenOptions, {"deepgramSttUri": "https://example.com", "apiKey": "x"})[1]) == 2


def test_a_plain_text() -> None:
    assert speaking(Utterance(text="Bonjour", language="fr-FR")) == (
        "https://api.deepgram.com/v1/speak?model=aura-2-agathe-fr&encoding=mulaw&sample_rate=8000&container=none"
    )
    assert speaking(Utterance(text="Bonjour", language="fr-FR"), socket=True) == (
        "wss://api.deepgram.com/v1/speak?model=aura-2-agathe-fr&encoding=mulaw&sample_rate=8000"
    )


@pytest.mark.parametrize(
    ("rate", "speed"), [(1.2, ["1.2"]), (4.0, ["1.5"]), (0.25, ["0.7"]), (1.0, None), (None, None)]
)
def test_the_pace_is_kept_within_what_there_is(rate: float | None, speed: list[str] | None) -> None:
    assert query(speaking(Utterance(text="Hi", prosody=Prosody(rate=rate)))).get("speed") == speed


def test_an_option_goes_before_what_it_is_about() -> None:
    utterance = Utterance(text="Hi", voice="thalia", prosody=Prosody(rate=1.2))
    found = query(speaking(utterance, model="aura-2-zeus-en", speed=0.9, mipOptOut=True))
    assert (found["model"], found["speed"], found["mip_opt_out"]) == (["aura-2-zeus-en"], ["0.9"], ["true"])


@pytest.mark.parametrize(
    ("voice", "language", "model"),
    [
        (None, "nl-BE", "aura-2-rhea-nl"),
        (None, "pl-PL", "aura-2-thalia-en"),
        ("Zeus", "en-GB", "aura-2-zeus-en"),
        ("aura-asteria-en", "fr", "aura-asteria-en"),
    ],
)
def test_a_voice_is_a_model(voice: str | None, language: str, model: str) -> None:
    assert voice_for(voice, language) == model


def test_a_wider_line_gets_linear_samples() -> None:
    address = listen_address("http://127.0.0.1:1/", ListenSettings(), ListenOptions(), "nova-3", L16_16K)
    assert address.startswith("ws://127.0.0.1:1/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&")


def test_a_long_text_is_cut_between_sentences() -> None:
    text = " ".join(f"This is sentence number {index}." for index in range(200))
    found = pieces(text, "en-GB")
    assert " ".join(found) == text
    assert all(len(piece) <= MAX_TEXT and piece.endswith(".") for piece in found)
    assert len(found) == 3


def test_a_text_that_is_one_long_word_is_cut_too() -> None:
    found = pieces("x" * 5000, "en-GB")
    assert "".join(found).replace(" ", "") == "x" * 5000
    assert max(map(len, found)) <= MAX_TEXT


@pytest.mark.parametrize("text", ["", " ", "...", "!?"])
def test_a_text_without_a_word_is_not_asked_for(text: str) -> None:
    assert pieces(text, "en-GB") == []


def test_the_speech_socket_s_messages() -> None:
    assert speak_messages("“Hi”") == ('{"type": "Speak", "text": "\\u201cHi\\u201d"}', '{"type":"Flush"}')
    assert is_spoken('{"type":"Flushed","sequence_id":0}', "dg")
    assert not is_spoken('{"type":"Metadata","model_name":"aura-2-thalia-en"}', "dg")
    with pytest.raises(VendorUnavailable, match="it reports FLUSH-LIMIT"):
        is_spoken('{"type":"Warning","code":"FLUSH-LIMIT","description":"..."}', "dg")
    with pytest.raises(VendorReplyInvalid):
        is_spoken("[]", "dg")
