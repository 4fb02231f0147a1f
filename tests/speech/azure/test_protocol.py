"""The exact requests that settings and utterances lead to, and what a TALKR bot's objects lead to (G17)."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from audio.format import L16_16K, PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.kit.options import read_options, understood
from gateway.speech.azure.options import AzureListenOptions, AzureSpeakOptions
from gateway.speech.azure.protocol import (
    languages_of,
    output_format,
    phrase_weight,
    phrases_of,
    segmentation_ms,
    speech_markup,
    speech_path,
    transcript,
    voice_of,
)
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.tuning import Prosody, Tuning
from tests.emulators.azure_speech import KEY, AzureEmulator
from tests.fakes.azure_speech import azure
from tests.fakes.wished import listening_wished, utterance_wished

HEAD = (
    '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
    'xmlns:mstts="https://www.w3.org/2001/mstts" xml:lang="{}">'
)
FRENCH = HEAD.format("fr-FR")
WITHOUT_SDK = """
import asyncio, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "azure":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
from gateway.errors import ConfigError
from gateway.speech.azure.vendor import AzureSpeech
vendor = AzureSpeech("azure", AzureSpeech.Section(url="http://127.0.0.1:9"))
assert vendor.recognizer.capabilities.takes_hints and vendor.synthesizer.capabilities.ssml
try:
    asyncio.run(vendor.start())
except ConfigError as error:
    print(error.reason)
"""


def markup(utterance: Utterance, default_voice: str | None = None) -> str:
    return speech_markup(utterance, read_options(AzureSpeakOptions, utterance.options, "azure"), default_voice)


# --- voices --------------------------------------------------------------------------------------------------------
def test_plain_text_is_escaped_and_gets_a_voice_of_its_language() -> None:
    utterance = Utterance(text="Vous & moi <3", plain="Vous & moi <3", language="fr")
    assert markup(utterance) == f'{FRENCH}<voice name="fr-FR-DeniseNeural">Vous &amp; moi &lt;3</voice></speak>'


def test_style_and_prosody_stand_around_the_text() -> None:
    utterance = Utterance(
        text="Oui.",
        language="fr-FR",
        voice="fr-FR-HenriNeural",
        prosody=Prosody(rate=1.2, pitch=-1.5, volume=-6.0),
        options={"style": "cheerful", "styledegree": "1.5", "role": "Girl", "effect": "eq_telecomhp8k"},
    )
    assert markup(utterance) == (
        f'{FRENCH}<voice name="fr-FR-HenriNeural" effect="eq_telecomhp8k">'
        '<mstts:express-as style="cheerful" styledegree="1.5" role="Girl">'
        '<prosody rate="+20%" pitch="-1.5st" volume="-50%">Oui.</prosody></mstts:express-as></voice></speak>'
    )


def test_azures_own_words_beat_neutral_prosody_and_cannot_break_out() -> None:
    utterance = Utterance(
        text="Oui.",
        language="fr-FR",
        prosody=Prosody(rate=1.2, pitch=3, volume=6.0),
        options={"rate": "fast", "pitch": 2, "volume": '"><x/>'},
    )
    found = ElementTree.fromstring(markup(utterance)).find(".//{*}prosody")
    assert found is not None
    assert found.attrib == {"rate": "fast", "pitch": "+2st", "volume": '"><x/>'}


def test_a_voice_of_another_language_is_told_which_one_to_speak() -> None:
    utterance = Utterance(text="Hello.", language="en-GB", voice="fr-FR-HenriNeural")
    assert markup(utterance) == (
        f'{HEAD.format("en-GB")}<voice name="fr-FR-HenriNeural"><lang xml:lang="en-GB">Hello.</lang></voice></speak>'
    )


@pytest.mark.parametrize(
    ("language", "default", "voice"),
    [
        ("fr-CA", None, "fr-CA-SylvieNeural"),
        ("fr-LU", None, "fr-FR-DeniseNeural"),
        ("fi-FI", None, "en-US-AvaMultilingualNeural"),
        ("fr-FR", "fr-FR-HenriNeural", "fr-FR-HenriNeural"),
    ],
)
def test_the_voice_where_none_is_named(language: str, default: str | None, voice: str) -> None:
    assert voice_of(Utterance(text="x", language=language), default) == voice


def test_a_bots_markup_is_narrowed_and_has_one_voice() -> None:
    text = (
        '<speak xml:lang="fr-FR">Il est <break time="300ms"/><voice name="x">midi</voice> '
        '<prosody rate="slow" duration="2s">pile</prosody><p xml:lang="en">ok</p></speak>'
    )
    utterance = Utterance(text=text, plain="Il est midi pile ok", ssml=True, language="fr-FR")
    assert markup(utterance) == (
        f'{FRENCH}<voice name="fr-FR-DeniseNeural">Il est <break time="300ms"/>midi '
        '<prosody rate="slow">pile</prosody><p>ok</p></voice></speak>'
    )


def test_markup_that_is_none_is_said_as_its_plain_text() -> None:
    utterance = Utterance(text="<speak>a <b", plain="a & b", ssml=True, language="fr-FR")
    assert markup(utterance).endswith(">a &amp; b</voice></speak>")


def test_formats_and_paths() -> None:
    assert [output_format(format) for format in (PCMU_8K, PCMA_8K, L16_16K)] == [
        "raw-8khz-8bit-mono-mulaw",
        "raw-8khz-8bit-mono-alaw",
        "raw-16khz-16bit-mono-pcm",
    ]
    assert speech_path(AzureSpeakOptions(deployment_id="a b")) == "/cognitiveservices/v1?deploymentId=a%20b"


@given(st.text(max_size=60), st.text(max_size=20))
def test_whatever_is_said_the_request_is_well_formed(text: str, style: str) -> None:
    said = "".join(char for char in text if char.isprintable())
    utterance = Utterance(text=said, language="fr-FR", options={})
    options = AzureSpeakOptions(style="".join(char for char in style if char.isprintable()) or None)
    assert "".join(ElementTree.fromstring(speech_markup(utterance, options)).itertext()) == said


# --- recognition ---------------------------------------------------------------------------------------------------
def test_what_is_taken_from_the_settings() -> None:
    settings = ListenSettings(
        language="fr",
        phrases=("oui",),
        hints=("facturation", "oui"),
        end_silence=0.05,
        tuning=Tuning(alt_languages=("en", "de", "nl", "es"), hints_boost=15.0, endpointing="vendor"),
    )
    assert phrases_of(settings) == ["oui", "facturation"]
    assert phrase_weight(settings) == 1.5
    assert languages_of(settings) == ["fr-FR", "en-GB", "de-DE", "nl-NL"]
    assert segmentation_ms(settings, None) == 100
    assert segmentation_ms(settings, 700) == 700
    assert segmentation_ms(ListenSettings(), None) is None
    assert phrases_of(ListenSettings(hints=("x",), tuning=Tuning(hints_boost=0))) == []


@pytest.mark.parametrize("detail", ["", "[]", "{}", '{"NBest": 1}', '{"NBest": [1]}', '{"NBest": [{}]}'])
def test_a_final_without_details_is_its_text(detail: str) -> None:
    found = transcript("Oui.", detail, ListenSettings())
    assert found is not None
    assert (found.text, found.confidence, found.alternatives) == ("Oui.", None, ())
    assert transcript(" ", detail, ListenSettings()) is None


def test_unknown_options_are_told_with_the_nearest_known_one() -> None:
    found, problems = understood(
        AzureListenOptions,
        {"azureOptions": {"speechSegmentationSilenceTimeoutMs": 700, "profanityOption": "raw", "audioLoging": True}},
    )
    assert found == AzureListenOptions(segmentation_silence_timeout_ms=700, profanity="Raw")
    assert "audio_logging" in problems[0]


# --- settings ------------------------------------------------------------------------------------------------------
def test_a_missing_sdk_is_one_line_that_names_the_command() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_SDK], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "speech.azure needs Microsoft's Speech SDK: pip install 'talkpath[azure]'\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    "settings", [{}, {"api_key": "k"}, {"region": "eu"}, {"region": "a/b", "api_key": "k"}, {"url": "ws://x"}]
)
def test_settings_that_lead_nowhere(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AzureSpeechSection(**settings)


def test_where_azure_is() -> None:
    section = AzureSpeechSection(api_key=SecretStr("k"), region="francecentral")
    assert (section.listen_host, section.speak_base) == (None, "https://francecentral.tts.speech.microsoft.com")
    section = AzureSpeechSection(url="https://stt.example.com/", speak_url="http://tts.example.com")
    assert (section.listen_host, section.speak_base) == ("wss://stt.example.com", "http://tts.example.com")


# --- G17 -----------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_g17_voice_and_options_of_a_bot_are_in_azures_request() -> None:
    utterance = utterance_wished(
        {
            "vendor": "microsoft",
            "language": "fr-FR",
            "voice": "fr-FR-DeniseNeural",
            "options": {"style": "cheerful", "styledegree": 1.5, "rate": "+10%", "pitch": "-2st"},
        }
    )
    emulator = AzureEmulator()
    async with azure(emulator) as vendor:
        async for _ in vendor.synthesizer.speak(utterance):
            pass
    (got,) = emulator.spoken
    assert got.body == (
        f'{FRENCH}<voice name="fr-FR-DeniseNeural"><mstts:express-as style="cheerful" styledegree="1.5">'
        '<prosody rate="+10%" pitch="-2st">Bonjour.</prosody></mstts:express-as></voice></speak>'
    )
    assert got.headers["x-microsoft-outputformat"] == "raw-8khz-8bit-mono-mulaw"
    assert got.headers["ocp-apim-subscription-key"] == KEY
    assert got.headers["content-type"] == "application/ssml+xml"


@pytest.mark.asyncio
async def test_g17_how_a_bot_wants_to_listen_is_in_azures_context() -> None:
    settings = listening_wished(
        {
            "vendor": "azure",
            "language": "fr-FR",
            "hints": ["facturation", "support"],
            "hintsBoost": 15,
            "profanityFilter": False,
            "azureOptions": {"speechSegmentationSilenceTimeoutMs": 700},
        }
    )
    emulator = AzureEmulator(script=())
    async with azure(emulator) as vendor, vendor.recognizer.listen(settings) as stream:
        await stream.push(Frame(b"\xff" * 800, PCMU_8K))
        await stream.finish()
        assert [result async for result in stream.results()] == []
    (session,) = emulator.sessions
    assert session.query["language"] == "fr-FR"
    assert session.query["format"] == "detailed"
    assert session.context["phraseDetection"] == {
        "language": "fr-FR",
        "enrichment": {"profanity": "raw"},
        "mode": "CONVERSATION",
        "CONVERSATION": {"segmentation": {"segmentationSilenceTimeoutMs": 700, "mode": "Custom"}},
    }
    items = [{"Text": "facturation"}, {"Text": "support"}]
    assert session.context["dgi"] == {"Groups": [{"Type": "Generic", "Items": items}], "bias": 1.5}
    assert session.format == PCMU_8K
