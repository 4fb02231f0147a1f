"""ElevenLabs' requests: where they go, what they say, and what its speech sockets answer. No I/O.

Source: elevenlabs.io, API reference (text to speech WebSocket, multi-context WebSocket, stream; realtime speech to
text), and the source of elevenlabs 2.78, read 2026-11. What a recognition answers is in `scribe`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from gateway.errors import VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.speech.elevenlabs.options import ListenOptions, SpeakOptions
from gateway.speech_interfaces import ListenSettings, Utterance, VoiceInfo
from gateway.text.language import base
from gateway.text.ssml import Malformed, segments

PRODUCTION = "https://api.elevenlabs.io"
FORMATS = {
    PCMU_8K: "ulaw_8000",
    PCMA_8K: "alaw_8000",
    L16_8K: "pcm_8000",
    L16_16K: "pcm_16000",
    AudioFormat(Encoding.L16, 24000): "pcm_24000",
}
HEARD_FORMATS = (PCMU_8K, L16_8K, L16_16K)
MAX_BREAK = 3.0  # seconds (elevenlabs.io, best practices, 2026-11)
MAX_KEYTERMS = 50
MAX_KEYTERM = 20
INACTIVITY = 180
"""Seconds a socket may be idle; the most that can be asked for."""
SILENCES = (0.3, 3.0)
REFUSALS = frozenset(
    {
        "auth_error",
        "input_error",
        "invalid_api_key",
        "invalid_request",
        "missing_permissions",
        "model_not_found",
        "payment_required",
        "quota_exceeded",
        "unaccepted_terms",
        "voice_not_found",
    }
)
"""Errors that come again if one asks again; every other one may pass."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of speech: its samples, and when its characters are said.

    Attributes:
        chars: In the order they are spoken; empty where the vendor does not say.
        ends: Seconds from the chunk's beginning until each of them is said.
        is_final: Nothing more comes for this text.
    """

    audio: bytes = b""
    chars: tuple[str, ...] = ()
    ends: tuple[float, ...] = ()
    is_final: bool = False


def model_for(utterance: Utterance, options: SpeakOptions, default: str) -> str:
    return options.model_id or utterance.model or default


def needs_request(model: str) -> bool:
    """Whether a model is not served by the sockets."""
    return model.startswith(("eleven_v3", "eleven_v4"))


def speak_address(
    url: str, utterance: Utterance, options: SpeakOptions, *, voice: str, model: str, format: AudioFormat, kind: str
) -> str:
    """The address of a synthesis.

    Args:
        kind: ``multi``, ``single`` or ``http``.
    """
    path = {"multi": "multi-stream-input", "single": "stream-input", "http": "stream"}[kind]
    query: dict[str, Any] = {"output_format": FORMATS[format], "enable_logging": options.enable_logging}
    if kind == "http":
        query["optimize_streaming_latency"] = options.optimize_streaming_latency
    else:
        query = {
            "model_id": model,
            **query,
            "language_code": language_code(utterance.language, model),
            "auto_mode": True,
            "inactivity_timeout": INACTIVITY,
            "sync_alignment": True,
            "enable_ssml_parsing": True if utterance.ssml else None,
            "apply_text_normalization": options.apply_text_normalization,
            "seed": options.seed,
        }
    return _address(
        url if kind == "http" else _socket(url), f"/v1/text-to-speech/{quote(voice, safe='')}/{path}", query
    )


def speak_body(utterance: Utterance, options: SpeakOptions, model: str) -> dict[str, Any]:
    """What a request by HTTP says."""
    body = {
        "text": text_of(utterance),
        "model_id": model,
        "language_code": language_code(utterance.language, model),
        "voice_settings": options.settings(utterance.prosody.rate) or None,
        "apply_text_normalization": options.apply_text_normalization,
        "seed": options.seed,
    }
    return {name: value for name, value in body.items() if value is not None}


def multi_messages(text: str, settings: Mapping[str, Any], context: str) -> tuple[str, ...]:
    """What asks for a text in a context of its own, on a connection that had others and will have more."""
    return (
        json.dumps({"text": " ", "voice_settings": dict(settings), "context_id": context}),
        json.dumps({"text": f"{text} ", "context_id": context, "flush": True}),
        json.dumps({"context_id": context, "close_context": True}),
    )


def single_messages(text: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What asks for a text on a connection of its own."""
    return (
        json.dumps({"text": " ", "voice_settings": dict(settings)}),
        json.dumps({"text": f"{text} ", "flush": True}),
        json.dumps({"text": ""}),
    )


def spoken(message: str | bytes, vendor: str, context: str | None) -> Chunk | None:
    """What a message of a speech socket brings; None: nothing for this context.

    Raises:
        VendorRejected, VendorUnavailable: It says that nothing will come, and why.
        VendorReplyInvalid: It is none of the protocol.
    """
    value = parsed(message, vendor, "speak")
    if "error" in value:
        raise trouble(str(value["error"]), vendor, "speak")
    meant = value.get("contextId", value.get("context_id"))
    if context is not None and meant not in (None, context):
        return None  # late audio of a text before
    try:
        chars, ends = _alignment(value.get("alignment"))
        audio = base64.b64decode(value.get("audio") or "", validate=True)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise VendorReplyInvalid("a piece of speech cannot be read", vendor=vendor, operation="speak") from error
    return Chunk(audio, chars, ends, is_final=bool(value.get("isFinal", value.get("is_final"))))


def _alignment(value: Mapping[str, Any] | None) -> tuple[tuple[str, ...], tuple[float, ...]]:
    if not value or not value.get("chars"):
        return (), ()
    chars = tuple(str(char) for char in value["chars"])
    begins, lasts = value["charStartTimesMs"], value.get("charDurationsMs") or value["charsDurationsMs"]
    return chars, tuple((begin + last) / 1000 for begin, last in zip(begins, lasts, strict=True))


class Reached:
    """How much of the plain text the characters said so far stand for; markup and white space do not count twice."""

    def __init__(self, plain: str) -> None:
        self._plain = plain
        self._is_markup = False
        self.count = 0

    def say(self, char: str) -> int:
        """One more character is said; how many of the plain text are."""
        if char == "<":
            self._is_markup = True
        if self._is_markup:
            self._is_markup = char != ">"
            return self.count
        place = self.count
        while not char.isspace() and place < len(self._plain) and self._plain[place].isspace():
            place += 1
        if self._plain.startswith(char, place) and place < len(self._plain):
            self.count = place + len(char)
        return self.count


def text_of(utterance: Utterance) -> str:
    """The text to send; of markup only pauses remain, which are the only element every model knows."""
    if not utterance.ssml:
        return utterance.text.strip()
    try:
        found = segments(utterance.text)
    except Malformed:
        return utterance.plain.strip()
    said = (
        piece.replace("<", " ") if isinstance(piece, str) else f' <break time="{min(piece, MAX_BREAK):.1f}s" /> '
        for piece in found
    )
    return " ".join("".join(said).split())


def language_code(language: str, model: str) -> str | None:
    """The language, where the model takes one: those of version 2.5 do, others answer with an error."""
    return base(language) or None if model.endswith("_v2_5") else None


def listen_address(url: str, settings: ListenSettings, options: ListenOptions, model: str, format: AudioFormat) -> str:
    """The WebSocket address of a recognition, with everything it is asked for."""
    silence = vendor_silence(settings, options)
    query = {
        "model_id": options.model_id or settings.model or model,
        "audio_format": FORMATS[format],
        "commit_strategy": "manual" if silence is None else "vad",
        "language_code": base(settings.language) or None,
        "secondary_languages": tuple(dict.fromkeys(base(tag) for tag in settings.tuning.alt_languages)),
        "vad_silence_threshold_secs": silence,
        "vad_threshold": options.vad_threshold,
        "min_speech_duration_ms": options.min_speech_duration_ms,
        "min_silence_duration_ms": options.min_silence_duration_ms,
        "keyterms": _keyterms(settings, options),
        "no_verbatim": options.no_verbatim,
        "filter_background_audio": options.filter_background_audio,
        "enable_logging": options.enable_logging,
    }
    return _address(_socket(url), "/v1/speech-to-text/realtime", query)


def vendor_silence(settings: ListenSettings, options: ListenOptions) -> float | None:
    """Seconds of silence after which the vendor ends an utterance; None: the gateway does."""
    if settings.tuning.endpointing != "vendor":
        return None
    return options.vad_silence_threshold_secs or min(max(settings.end_silence, SILENCES[0]), SILENCES[1])


def _keyterms(settings: ListenSettings, options: ListenOptions) -> tuple[str, ...]:
    """What is likely, as far as it is short enough. There is no boost; one of 0 means that hints are not wanted."""
    hints = () if settings.tuning.hints_boost == 0 else (*settings.phrases, *settings.hints)
    short = (term for term in dict.fromkeys((*options.keyterms, *hints)) if len(term) <= MAX_KEYTERM)
    return tuple(short)[:MAX_KEYTERMS]


def audio_chunk(data: bytes, rate: int, *, commit: bool = False) -> str:
    """Audio for a recognition; with nothing in it, a sign of life."""
    return json.dumps(
        {
            "message_type": "input_audio_chunk",
            "audio_base_64": base64.b64encode(data).decode("ascii"),
            "commit": commit,
            "sample_rate": rate,
        }
    )


def voices_from(value: Any) -> list[VoiceInfo]:
    """The voices in the answer of ``GET /v1/voices``. Raises TypeError, KeyError for another shape."""
    found = []
    for voice in value["voices"]:
        languages = tuple(str(each["language"]) for each in voice.get("verified_languages") or () if "language" in each)
        about = ", ".join(str(word) for word in (voice.get("name"), *(voice.get("labels") or {}).values()) if word)
        found.append(VoiceInfo(name=str(voice["voice_id"]), languages=tuple(dict.fromkeys(languages)), about=about))
    return found


def parsed(message: str | bytes, vendor: str, operation: str) -> dict[str, Any]:
    """A text message. Raises VendorReplyInvalid for anything that is no JSON object."""
    try:
        value = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise VendorReplyInvalid("a message is no JSON object", vendor=vendor, operation=operation)
    return value


def trouble(code: str, vendor: str, operation: str) -> VendorRejected | VendorUnavailable:
    """The error that a code of the vendor's stands for; its message may repeat what was said, so it is not quoted."""
    named = "".join(character for character in code[:60] if character.isalnum() or character in "-_ ") or "an error"
    kind = VendorRejected if named in REFUSALS else VendorUnavailable
    return kind(f"it reports {named}", vendor=vendor, operation=operation)


def _socket(url: str) -> str:
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


def _address(url: str, path: str, query: Mapping[str, Any]) -> str:
    """An address; what is None or empty is left out, yes and no are written in small letters."""
    written = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in query.items()
        if value is not None and value != ()
    }
    return f"{url.rstrip('/')}{path}?{urlencode(written, doseq=True)}"
