"""What Google refuses, as far as its pages say so, and the key of an account that it knows; see `google_speech`."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from xml.etree import ElementTree

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from audio.format import Encoding

EMAIL = "talkpath@example-project.iam.gserviceaccount.com"
PROJECT = "example-project"
MODELS = {
    "v1": ("", "telephony", "telephony_short", "latest_long", "latest_short", "phone_call", "command_and_search"),
    "v2": ("telephony", "telephony_short", "long", "short", "chirp_2", "chirp_3"),
}
SSML = {"speak", "break", "say-as", "audio", "p", "s", "sub", "mark", "prosody", "emphasis", "par", "seq", "media"}
SSML |= {"phoneme", "voice", "lang", "desc"}  # cloud.google.com/text-to-speech/docs/ssml
CHIRP_SSML = {"speak", "p", "s", "sub", "say-as", "phoneme"}  # .../docs/chirp3-hd
VOICES = ("en-GB-Standard-A", "en-GB-Chirp3-HD-Kore", "fr-FR-Wavenet-C", "fr-FR-Chirp3-HD-Kore", "fr-FR-Neural2-A")

HEARD_AS = {"MULAW": Encoding.PCMU, "ALAW": Encoding.PCMA, "LINEAR16": Encoding.L16}
SPOKEN_AS = {**HEARD_AS, "PCM": Encoding.L16}


def wrong_opening(version: str, opening: Any) -> str:
    """Why a first message is refused; empty when it is right."""
    if opening is None or not opening.streaming_config.config:
        return "Malordered Data Received. Expected streaming_config none was set."
    config = opening.streaming_config.config
    if version == "v1":
        decoding, languages, phrases = (
            config,
            [config.language_code],
            [p for c in config.speech_contexts for p in c.phrases],
        )
        boosts = [context.boost for context in config.speech_contexts]
    else:
        decoding, languages = config.explicit_decoding_config, list(config.language_codes)
        sets = [each.inline_phrase_set for each in config.adaptation.phrase_sets]
        phrases = [phrase.value for each in sets for phrase in each.phrases]
        boosts = [each.boost for each in sets]
        found = re.fullmatch(r"projects/[\w-]+/locations/[\w-]+/recognizers/([\w-]+)", opening.recognizer)
        if not found:
            return "Invalid resource field value in the request."
        if found[1] != "_" and not config.model:
            config.model = "telephony"  # the recognizer's own
    if decoding.encoding.name not in HEARD_AS or (version == "v1" and decoding.encoding.name == "ALAW"):
        return "Invalid recognition 'config': bad encoding.."
    if not 8000 <= decoding.sample_rate_hertz <= 48_000:
        return "Invalid recognition 'config': bad sample rate hertz."
    if not languages or not all(re.fullmatch(r"[a-z]{2,3}-[A-Z]{2}", language) for language in languages):
        return "Invalid recognition 'config': bad language code."
    if config.model not in MODELS[version]:
        return "Invalid recognition 'config': unknown model."
    if any(len(phrase) > 100 for phrase in phrases) or any(not 0 <= boost <= 20 for boost in boosts):
        return "Invalid recognition 'config': bad phrase or boost."
    return ""


def wrong_speech(input: Any, voice: Any) -> str:
    """Why text and voice are refused."""
    if voice.name and not voice.model_name and voice.name not in VOICES:
        return f"Voice '{voice.name}' does not exist. Is it misspelled?"
    if voice.name and not voice.model_name and not voice.name.startswith(voice.language_code):
        return "Requested language code doesn't match the voice."
    if input.ssml:
        allowed = CHIRP_SSML if "Chirp3-HD" in voice.name else SSML
        try:
            tags = {element.tag for element in ElementTree.fromstring(input.ssml).iter()}
        except ElementTree.ParseError:
            return "Invalid SSML. Newer versions of Speech Synthesis Markup Language may be rejected."
        if tags - allowed:
            return "Request contains invalid SSML elements."
    if not words(input).strip():
        return "Either `input.text` or `input.ssml` is longer than the limit, or empty."
    return ""


def wrong_audio(config: Any) -> str:
    if config.audio_encoding.name not in ("LINEAR16", "MULAW", "ALAW"):
        return "The emulator has no such encoding."
    if config.speaking_rate and not 0.25 <= config.speaking_rate <= 2.0:
        return "Invalid speaking_rate."
    if not -20 <= config.pitch <= 20 or not -96 <= config.volume_gain_db <= 16:
        return "Invalid pitch or volume_gain_db."
    return ""


def wrong_stream(opening: Any) -> str:
    if opening is None or not opening.streaming_config.voice.language_code:
        return "The first message must contain a streaming_config."
    config = opening.streaming_config
    if "Chirp3-HD" not in config.voice.name and not config.voice.model_name.startswith("gemini"):
        return "Currently, only Chirp 3: HD voices are supported for streaming synthesis."
    if config.streaming_audio_config.audio_encoding.name not in ("PCM", "MULAW", "ALAW", "OGG_OPUS"):
        return "Unsupported audio encoding."
    return ""


def words(input: Any) -> str:
    if not input.ssml:
        return str(input.text)
    return " ".join("".join(ElementTree.fromstring(input.ssml).itertext()).split())


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def _public_key() -> bytes:
    return (
        _private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def account_key(private_key: rsa.RSAPrivateKey | None = None) -> str:
    """The JSON that Google gives out for a service account; with the right key, unless another one is given."""
    pem = (private_key or _private_key()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    )


def is_known(token: str, audience: str) -> bool:
    """Whether a token is the known account's own, for this service, and has not run out (google.aip.dev/auth/4111)."""
    try:
        claims = jwt.decode(token, certs=_public_key(), audience=audience)
        return bool(claims["iss"] == claims["sub"] == EMAIL)
    except (ValueError, KeyError):
        return False
