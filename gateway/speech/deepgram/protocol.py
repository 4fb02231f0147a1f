"""Deepgram's requests: where they go, what they ask for, and the texts of its speech socket. No I/O.

Source: developers.deepgram.com, references of `/v1/listen`, `/v2/listen` and `/v1/speak`, and the source of
deepgram-sdk 7.17, read 2026-11. What a recognition answers is in `nova` and `flux`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from audio.format import AudioFormat, Encoding
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.speech.deepgram.options import ListenOptions, SpeakOptions
from gateway.speech_interfaces import ListenSettings, Utterance, VoiceInfo
from gateway.text.language import base, bcp47
from gateway.text.sentences import sentences

PRODUCTION = "https://api.deepgram.com"
ENCODINGS = {Encoding.PCMU: "mulaw", Encoding.PCMA: "alaw", Encoding.L16: "linear16"}
REGIONAL = frozenset(
    [
        "da-DK",
        "de-CH",
        "en-AU",
        "en-GB",
        "en-IE",
        "en-IN",
        "en-NZ",
        "en-US",
        "es-419",
        "fr-CA",
        "ko-KR",
        "nl-BE",
        "pt-BR",
        "pt-PT",
        "sv-SE",
        "zh-CN",
        "zh-HK",
        "zh-TW",
    ]
)
"""Regional tags that Nova models know (developers.deepgram.com, models and languages, 2026-11); others are cut."""
VOICES = {
    "en": "thalia",
    "fr": "agathe",
    "de": "viktoria",
    "nl": "rhea",
    "es": "celeste",
    "it": "livia",
    "ja": "izanami",
}
"""A voice for every language of Aura-2."""
PAUSE_MS = 300
"""`endpointing` where nobody says another: the vendor's own 10 ms would cut finals in the middle of a phrase."""
UTTERANCE_END_MS = 1000
OWN_TURNS_TIMEOUT_MS = 30_000
"""`eot_timeout_ms` where the gateway ends turns (developers.deepgram.com, Bring Your Own Turn Detection, 2026-11)."""
SPEEDS = (0.7, 1.5)
MAX_TEXT = 2000
"""Characters in one synthesis request (developers.deepgram.com, API rate limits, 2026-11)."""
MAX_KEYTERMS = 100
"""Of hints; the vendor allows 500 tokens."""

KEEP_ALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'
CLOSE_STREAM = '{"type":"CloseStream"}'
FORCE_END_TURN = '{"type":"ForceEndTurn"}'
FLUSH = '{"type":"Flush"}'


def is_flux(model: str) -> bool:
    return model.startswith("flux")


def model_for(settings: ListenSettings, options: ListenOptions, default: str) -> str:
    """The recognition model: the bot's or the number's, else the entry's; ``flux`` alone goes by the language."""
    model = options.model or settings.model or default
    if model != "flux":
        return model
    is_english = base(settings.language) == "en" and not settings.tuning.alt_languages
    return "flux-general-en" if is_english else "flux-general-multi"


def listen_address(
    url: str, settings: ListenSettings, options: ListenOptions, default_model: str, format: AudioFormat
) -> str:
    """The WebSocket address of a recognition, with everything it is asked for."""
    model = model_for(settings, options, default_model)
    path, query = ("/v2/listen", _flux_query) if is_flux(model) else ("/v1/listen", _nova_query)
    common = {"model": model, "encoding": ENCODINGS[format.encoding], "sample_rate": format.rate}
    return _address(_socket(url), path, {**common, **query(settings, options, model)})


def speak_address(
    url: str,
    utterance: Utterance,
    options: SpeakOptions,
    default_voice: str | None,
    format: AudioFormat,
    *,
    socket: bool,
) -> str:
    """The address of a synthesis, by HTTP or by WebSocket."""
    query: dict[str, Any] = {
        "model": voice_for(options.model or utterance.voice or utterance.model or default_voice, utterance.language),
        "encoding": ENCODINGS[format.encoding],
        "sample_rate": format.rate,
        "container": None if socket else "none",
        "speed": options.speed or _speed(utterance.prosody.rate),
        "tag": options.tag,
        "mip_opt_out": options.mip_opt_out,
    }
    return _address(_socket(url) if socket else url, "/v1/speak", query)


def voice_for(voice: str | None, language: str) -> str:
    """The model of a voice: ``thalia`` is Aura-2's of that name in the language; none is one for the language."""
    tongue = base(language)
    if voice is None:
        tongue = tongue if tongue in VOICES else "en"
        voice = VOICES[tongue]
    return voice if "-" in voice else f"aura-2-{voice.lower()}-{tongue}"


def pieces(text: str, language: str) -> list[str]:
    """A text in requests that are not too long, cut between sentences; empty where there is no word in it."""
    if not any(character.isalnum() for character in text):
        return []
    if len(text) <= MAX_TEXT:
        return [text.strip()]
    found = [""]
    for sentence in sentences(text, language):
        for start in range(0, len(sentence), MAX_TEXT):
            part = sentence[start : start + MAX_TEXT]
            if len(found[-1]) + 1 + len(part) > MAX_TEXT:
                found.append("")
            found[-1] = f"{found[-1]} {part}".strip()
    return [piece for piece in found if piece]


def speak_messages(text: str) -> tuple[str, str]:
    """What asks for a text on the speech socket."""
    return json.dumps({"type": "Speak", "text": text}), FLUSH


def is_spoken(message: str, vendor: str) -> bool:
    """Whether a text message of the speech socket says that all of it has been sent.

    Raises:
        VendorUnavailable: It says that nothing will come.
        VendorReplyInvalid: It is none of the protocol.
    """
    value = parsed(message, vendor, "speak")
    if value.get("type") in ("Error", "Warning"):
        raise VendorUnavailable(f"it reports {code_of(value)}", vendor=vendor, operation="speak")
    return value.get("type") == "Flushed"


def parsed(message: str | bytes, vendor: str, operation: str) -> dict[str, Any]:
    """A text message. Raises VendorReplyInvalid for anything that is no JSON object."""
    try:
        value = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise VendorReplyInvalid("a message is no JSON object", vendor=vendor, operation=operation)
    return value


def code_of(value: Mapping[str, Any]) -> str:
    """What an error or warning is called, fit for a log; its description may repeat what was said."""
    code = value.get("code") or value.get("variant") or "an error"
    return "".join(character for character in str(code)[:60] if character.isalnum() or character in "-_ ")


def voices_from(value: Any) -> list[VoiceInfo]:
    """The voices in the answer of ``GET /v1/models``. Raises TypeError, KeyError for another shape."""
    found = []
    for model in value["tts"]:
        about = model.get("metadata") or {}
        words = [model.get("name"), about.get("accent"), *(about.get("tags") or ())]
        languages = tuple(str(tag) for tag in model.get("languages") or ())
        text = ", ".join(str(word) for word in words if word)
        found.append(VoiceInfo(name=str(model["canonical_name"]), languages=languages, about=text))
    return found


def _nova_query(settings: ListenSettings, options: ListenOptions, model: str) -> dict[str, Any]:
    tuning = settings.tuning
    by_vendor = tuning.endpointing == "vendor"
    languages = tuning.alt_languages
    silence = round(settings.end_silence * 1000) if by_vendor else PAUSE_MS
    interim = tuning.interim is not False
    terms = _terms(settings, options)
    return {
        "version": options.version,
        "language": "multi" if languages and model.startswith("nova-3") else language_tag(settings.language),
        "language_hint": _bases((settings.language, *languages)) if languages else options.language_hint,
        "channels": 1,
        "interim_results": interim or None,
        "punctuate": _first(options.punctuate, tuning.punctuation),
        "smart_format": options.smart_format,
        "no_delay": options.no_delay,
        "dictation": options.dictation,
        "numerals": options.numerals,
        "filler_words": options.filler_words,
        "profanity_filter": _first(options.profanity_filter, tuning.profanity_filter),
        "endpointing": "false" if options.endpointing is False else _first(_number(options.endpointing), silence),
        "utterance_end_ms": _first(options.utterance_end_ms, UTTERANCE_END_MS if by_vendor and interim else None),
        "vad_events": _first(options.vad_events, True),
        "keyterm": terms if model.startswith("nova-3") else (),
        "keywords": options.keywords if model.startswith("nova-3") else _keywords(settings, terms, options),
        "redact": options.redact,
        "replace": options.replace,
        "search": options.search,
        "tag": options.tag,
        "mip_opt_out": options.mip_opt_out,
    }


def _flux_query(settings: ListenSettings, options: ListenOptions, model: str) -> dict[str, Any]:
    by_vendor = settings.tuning.endpointing == "vendor"
    hints = options.language_hint or _bases((settings.language, *settings.tuning.alt_languages))
    return {
        "eot_threshold": _first(options.eot_threshold, None if by_vendor else 1.0),
        "eager_eot_threshold": options.eager_eot_threshold if by_vendor else None,
        "eot_timeout_ms": _first(options.eot_timeout_ms, None if by_vendor else OWN_TURNS_TIMEOUT_MS),
        "keyterm": _terms(settings, options),
        "language_hint": hints if model.endswith("-multi") else (),
        "profanity_filter": _first(options.profanity_filter, settings.tuning.profanity_filter),
        "numerals": options.numerals,
        "redact": options.redact,
        "tag": options.tag,
        "mip_opt_out": options.mip_opt_out,
    }


def language_tag(language: str) -> str:
    """A tag that Nova models know: the region stays where they have it."""
    tag = bcp47(language, {})
    return tag if tag in REGIONAL else base(tag)


def _terms(settings: ListenSettings, options: ListenOptions) -> tuple[str, ...]:
    """What is likely. Key terms have no boost; one of 0 means that the hints are not wanted."""
    hints = () if settings.tuning.hints_boost == 0 else (*settings.phrases, *settings.hints)
    return tuple(dict.fromkeys((*options.keyterm, *hints)))[:MAX_KEYTERMS]


def _keywords(settings: ListenSettings, terms: tuple[str, ...], options: ListenOptions) -> tuple[str, ...]:
    """Single words with their boost, for the models before Nova-3 (its scale ends near 10)."""
    boost = settings.tuning.hints_boost
    words = dict.fromkeys(word for term in terms for word in term.split() if word.isalnum())
    weight = "" if boost is None else f":{boost / 2:g}"
    return (*options.keywords, *(f"{word}{weight}" for word in words))[:MAX_KEYTERMS]


def _bases(languages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(base(language) for language in languages))


def _speed(rate: float | None) -> float | None:
    """The nearest pace that the vendor has; the usual one is not asked for, since not every voice takes it."""
    if rate is None or rate == 1.0:
        return None
    return min(max(rate, SPEEDS[0]), SPEEDS[1])


def _number(value: int | bool | None) -> int | None:
    return None if value is None or isinstance(value, bool) else value


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _socket(url: str) -> str:
    """The same endpoint for WebSockets."""
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


def _address(url: str, path: str, query: Mapping[str, Any]) -> str:
    """An address; what is None or empty is left out, yes and no are written in small letters."""
    written = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in query.items()
        if value is not None and value != ()
    }
    return f"{url.rstrip('/')}{path}?{urlencode(written, doseq=True)}"
