"""Requests and answers of OpenAI's audio endpoints, without I/O.

API reference of November 2026, ``POST /audio/speech`` and ``POST /audio/transcriptions``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from audio.wav import header
from gateway.errors import VendorReplyInvalid
from gateway.events import Transcript
from gateway.speech.openai.options import ListenOptions, SpeakOptions
from gateway.speech.openai.settings import OpenAiSpeechSection
from gateway.speech_interfaces import ListenSettings, Utterance

TAKES_KEYWORDS = ("gpt-transcribe", "gpt-live-transcribe")
"""Models with ``keywords`` and ``languages``; the others have a prompt and one language."""
TAKES_NO_PROMPT = ("gpt-realtime-whisper", "gpt-4o-transcribe-diarize")
MAX_KEYWORDS = 100
MAX_PROMPT = 1000
"""Characters of a prompt made from hints: Whisper reads the last 224 tokens."""


def speech_request(utterance: Utterance, options: SpeakOptions, settings: OpenAiSpeechSection) -> dict[str, Any]:
    """The body of a request for speech, as raw samples while they are made."""
    body: dict[str, Any] = {
        "model": utterance.model or options.model or settings.speak_model,
        "input": utterance.plain if utterance.ssml else utterance.text,
        "voice": utterance.voice or settings.voice,
        "response_format": "pcm",
    }
    if options.instructions:
        body["instructions"] = options.instructions
    rate = options.speed if options.speed is not None else utterance.prosody.rate
    if rate is not None:
        body["speed"] = min(4.0, max(0.25, rate))
    return body


def transcription(settings: ListenSettings, options: ListenOptions, default_model: str) -> dict[str, Any]:
    """What a model is told about what it will hear: as an upload's fields, or in a realtime session."""
    model = settings.model or options.model or default_model
    language = _base(options.language or settings.language)
    told: dict[str, Any] = {"model": model}
    words = tuple(dict.fromkeys((*settings.phrases, *settings.hints)))
    prompt = options.prompt
    if model.startswith(TAKES_KEYWORDS):
        languages = [language, *map(_base, settings.tuning.alt_languages)]
        told["languages"] = list(dict.fromkeys(filter(None, languages)))
        told["keywords"] = list(words[:MAX_KEYWORDS])
    else:
        told["language"] = language if not settings.tuning.alt_languages else ""
        prompt = prompt or _listed(words)
    if prompt and not model.startswith(TAKES_NO_PROMPT):
        told["prompt"] = prompt
    return {name: value for name, value in told.items() if value}


def upload_fields(told: dict[str, Any], options: ListenOptions) -> list[tuple[str, str]]:
    """Form fields; lists as the official clients write them."""
    fields = [("response_format", "json")]
    if options.temperature is not None:
        fields.append(("temperature", str(options.temperature)))
    for name, value in told.items():
        if isinstance(value, list):
            fields += [(f"{name}[]", str(item)) for item in value]
        else:
            fields.append((name, str(value)))
    return fields


def upload_body(fields: Sequence[tuple[str, str]], pcm: bytes, rate: int, boundary: str) -> bytes:
    """``multipart/form-data`` (RFC 7578) with the fields, and the sound as a WAV file.

    Args:
        boundary: What occurs nowhere else; the adapter draws it by lot.
    """
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{v}\r\n' for name, v in fields]
    file = 'Content-Disposition: form-data; name="file"; filename="turn.wav"\r\nContent-Type: audio/wav'
    head = "".join(parts) + f"--{boundary}\r\n{file}\r\n\r\n"
    return head.encode() + header(len(pcm), rate, 1) + pcm + f"\r\n--{boundary}--\r\n".encode()


def transcript_in(body: bytes, vendor: str) -> Transcript | None:
    """What was heard; None where that is nothing. Raises VendorReplyInvalid."""
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise VendorReplyInvalid("a transcription is no JSON", vendor=vendor, operation="listen") from error
    text = answer.get("text") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise VendorReplyInvalid("a transcription has no text", vendor=vendor, operation="listen")
    if not text.strip():
        return None
    language = answer.get("language")
    return Transcript(text=text.strip(), final=True, language=language if isinstance(language, str) else None)


def _base(tag: str) -> str:
    """``en-GB`` as ISO 639-1 has it."""
    return tag.split("-")[0].lower()


def _listed(words: Sequence[str]) -> str:
    """Words as the prompt that makes them likelier; whole ones, as many as fit."""
    listed = ""
    for word in words:
        longer = f"{listed}, {word}" if listed else word
        if len(longer) > MAX_PROMPT:
            break
        listed = longer
    return listed
