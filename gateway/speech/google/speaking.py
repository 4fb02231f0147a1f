"""What Text-to-Speech is asked, and what its answers hold: messages as plain values, no client, no network.

Facts from the API's own descriptions in google-cloud-texttospeech 2.38, the SSML page (cloud.google.com/text-to-speech/
docs/ssml) and the page on Chirp 3 HD voices (.../docs/chirp3-hd), all read November 2026.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from audio.format import PCMU_8K, AudioFormat, Encoding
from gateway.speech.google.options import GoogleSpeakOptions
from gateway.speech_interfaces import Utterance
from gateway.text.language import bcp47
from gateway.text.ssml import Malformed, narrowed

Message = dict[str, Any]

TELEPHONE = "telephony-class-application"
"""The audio profile for telephones (.../docs/audio-profiles)."""
RATES = (0.25, 2.0)
PITCHES = (-20.0, 20.0)
VOLUMES = (-96.0, 16.0)

SSML: dict[str, tuple[str, ...]] = {
    "break": ("time", "strength"),
    "p": ("xml:lang",),
    "s": ("xml:lang",),
    "say-as": ("interpret-as", "format", "detail"),
    "sub": ("alias",),
    "emphasis": ("level",),
    "prosody": ("pitch", "rate", "volume"),
    "phoneme": ("alphabet", "ph"),
    "lang": ("xml:lang",),
    "voice": ("name", "gender", "variant", "languages", "required"),
}
"""Elements of the SSML page that bots may use."""
CHIRP_SSML = {name: SSML[name] for name in ("p", "s", "sub", "say-as", "phoneme")}
"""What Chirp 3 HD voices understand of it."""

_ENGINES = frozenset({"standard", "neural", "generative", "long-form"})
"""What bots that speak jambonz call an engine; with Google the voice's name says it."""
_VOICE = re.compile(r"([a-z]{2,3}-[A-Z]{2}|[a-z]{2,3}-[A-Z][a-z]{3}-[A-Z]{2}|ar-XA)-\w", re.ASCII)
_CODES = {Encoding.PCMU: "MULAW", Encoding.PCMA: "ALAW"}
_TAGS = {Encoding.L16: 1, Encoding.PCMA: 6, Encoding.PCMU: 7}  # format tags of WAV (RFC 2361)


class NotSpeech(ValueError):
    """An answer that is not the audio that was asked for; the text is one sentence."""


def is_chirp(utterance: Utterance) -> bool:
    """A Chirp 3 HD voice, such as ``fr-FR-Chirp3-HD-Kore``."""
    return "chirp3-hd" in (utterance.voice or "").lower()


def is_gemini(utterance: Utterance, options: GoogleSpeakOptions) -> bool:
    """A voice of a Gemini model."""
    return _model(utterance, options).startswith("gemini")


def is_streamed(utterance: Utterance, options: GoogleSpeakOptions) -> bool:
    """Whether `StreamingSynthesize` is asked: with voices that can, and without markup, which it does not take."""
    if utterance.ssml or options.streaming is False:
        return False
    return is_chirp(utterance) or is_gemini(utterance, options)


def has_words(utterance: Utterance) -> bool:
    """Google refuses a text in which nothing can be said."""
    return any(char.isalnum() for char in utterance.plain or utterance.text)


def whole_request(utterance: Utterance, options: GoogleSpeakOptions) -> Message:
    """A `SynthesizeSpeechRequest`, as its class takes it."""
    format = utterance.format or PCMU_8K
    generative = is_chirp(utterance) or is_gemini(utterance, options)
    audio = {
        "audio_encoding": _CODES.get(format.encoding, "LINEAR16"),
        "sample_rate_hertz": format.rate,
        "speaking_rate": _rate(utterance, options),
        # Chirp 3 HD and Gemini refuse pitch; volume and profiles are of the older voices, too.
        "pitch": None if generative else _held(options.pitch, utterance.prosody.pitch, PITCHES),
        "volume_gain_db": None if generative else _held(options.volume_gain_db, utterance.prosody.volume, VOLUMES),
        "effects_profile_id": _profiles(options, generative=generative),
    }
    return {
        "input": _input(utterance, options),
        "voice": _voice(utterance, options),
        "audio_config": _without_none(audio),
    }


def streamed_requests(utterance: Utterance, options: GoogleSpeakOptions) -> tuple[Message, Message]:
    """Two `StreamingSynthesizeRequest`: what is wanted, and the text."""
    format = utterance.format or PCMU_8K
    audio = {
        "audio_encoding": _CODES.get(format.encoding, "PCM"),
        "sample_rate_hertz": format.rate,
        "speaking_rate": _rate(utterance, options),
    }
    config = {"voice": _voice(utterance, options), "streaming_audio_config": _without_none(audio)}
    return {"streaming_config": config}, {"input": _input(utterance, options)}


def voice_language(utterance: Utterance) -> str:
    """The language a request names: that of the voice, where its name begins with one."""
    found = _VOICE.match(utterance.voice or "")
    return found[1] if found else bcp47(utterance.language) or utterance.language


def audio_of(content: bytes, format: AudioFormat) -> bytes:
    """The samples of an answer to `whole_request`, whose header is looked at and taken off.

    LINEAR16, MULAW and ALAW come inside a WAV file, PCM does not (`AudioEncoding`). Chunks are walked: their order and
    number are not promised.

    Raises:
        NotSpeech: it is cut off, empty, or not in the format asked for.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise NotSpeech("the audio has no WAV header")
    at, described = 12, False
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        at += 8
        if name == b"fmt ":
            described = True
            _check_format(content[at : at + 16], format)
        elif name == b"data":
            if not described:
                raise NotSpeech("the audio comes before what describes it")
            return _samples(content, at, size, format)
        at += size + size % 2
    raise NotSpeech("there is no audio in the WAV file")


def _check_format(described: bytes, format: AudioFormat) -> None:
    if len(described) < 16:
        raise NotSpeech("the WAV header is cut off")
    tag, channels, rate = struct.unpack_from("<HHI", described)
    if (tag, channels, rate) != (_TAGS[format.encoding], 1, format.rate):
        raise NotSpeech("the audio is not in the format that was asked for")


def _samples(content: bytes, at: int, size: int, format: AudioFormat) -> bytes:
    if at + size > len(content):
        raise NotSpeech("the audio is cut off")
    data = content[at : at + size]
    data = data[: len(data) - len(data) % format.encoding.bytes_per_sample]
    if not data:
        raise NotSpeech("there is no audio")
    return data


def _input(utterance: Utterance, options: GoogleSpeakOptions) -> Message:
    prompt = {"prompt": options.prompt} if options.prompt and is_gemini(utterance, options) else {}
    if not utterance.ssml or is_gemini(utterance, options):
        return {"text": utterance.plain if utterance.ssml else utterance.text, **prompt}
    try:
        return {"ssml": narrowed(utterance.text, CHIRP_SSML if is_chirp(utterance) else SSML)}
    except Malformed:
        return {"text": utterance.plain}


def _voice(utterance: Utterance, options: GoogleSpeakOptions) -> Message:
    return _without_none(
        {
            "language_code": voice_language(utterance),
            "name": utterance.voice,
            "ssml_gender": options.ssml_gender if utterance.voice is None else None,
            "model_name": _model(utterance, options) or None,
        }
    )


def _model(utterance: Utterance, options: GoogleSpeakOptions) -> str:
    model = options.model_name or utterance.model or ""
    return "" if model in _ENGINES else model


def _rate(utterance: Utterance, options: GoogleSpeakOptions) -> float | None:
    return _held(options.speaking_rate, utterance.prosody.rate, RATES)


def _held(own: float | None, neutral: float | None, bounds: tuple[float, float]) -> float | None:
    value = own if own is not None else neutral
    return None if value is None else min(bounds[1], max(bounds[0], value))


def _profiles(options: GoogleSpeakOptions, *, generative: bool) -> list[str] | None:
    if options.effects_profile_id is None:
        return None if generative else [TELEPHONE]
    return list(options.effects_profile_id) or None


def _without_none(values: Message) -> Message:
    return {name: value for name, value in values.items() if value is not None}
