"""What is asked of the emulated ElevenLabs, what of it is wrong, and what goes wrong by script.

Sources: as in `tests.emulators.elevenlabs`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from audio.format import AudioFormat, Encoding

KEY = "xi-emulated-key"
VOICE = "JBFqnCBsd6RMkjVDRZzb"
ENCODINGS = {"ulaw": Encoding.PCMU, "alaw": Encoding.PCMA, "pcm": Encoding.L16}
SPEAK_FORMATS = {"ulaw_8000", "alaw_8000", "pcm_8000", "pcm_16000", "pcm_24000"}
HEARD_FORMATS = {"ulaw_8000", "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000"}


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Pages Text to Speech WebSocket and Multi-Context WebSocket (2026-11).
SOCKET_QUERY = _names(
    "model_id output_format enable_logging language_code auto_mode inactivity_timeout sync_alignment "
    "enable_ssml_parsing apply_text_normalization seed authorization single_use_token"
)
# Page Stream Speech (2026-11).
REQUEST_QUERY = _names("output_format enable_logging optimize_streaming_latency")
# The realtime client of elevenlabs 2.78, `_build_websocket_url`.
LISTEN_QUERY = _names(
    "model_id audio_format commit_strategy vad_silence_threshold_secs vad_threshold min_speech_duration_ms "
    "min_silence_duration_ms language_code secondary_languages include_timestamps include_language_detection keyterms "
    "no_verbatim entity_detection entity_redaction entity_redaction_mode transcript_edit filter_background_audio "
    "enable_logging token"
)


@dataclass
class Request:
    """What came by one connection, or one HTTP request. Times are the loop's."""

    path: str
    query: dict[str, list[str]]
    audio: bytearray = field(default_factory=bytearray)
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 101
    closed_at: float | None = None
    was_complete: bool = False
    """Whether the vendor's answer went out to its end."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def kind(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass
class Faults:
    """What goes wrong; everything is off."""

    refuse: int | None = None
    """Status of the handshake, or of the request."""
    hold_handshake: asyncio.Event | None = None
    """Connections are accepted when it is set."""
    stall_after: int | None = None
    """Bytes of audio received, or sent, after which nothing more is said."""
    abort_after: int | None = None
    """Bytes after which the connection is reset."""
    close_after: tuple[int, int, str] | None = None
    """Bytes after which it is closed, with a code and a reason."""
    error_after: tuple[int, str] | None = None
    """Bytes after which an error of a kind comes."""
    garbage: bool = False
    """Something that is no message comes first."""
    never_final: bool = False
    two_finals: bool = False
    """The vendor commits the first half by itself, before it is asked to (as it does after a long time)."""
    empty_final: bool = False
    """Likewise, but there are no words in it."""
    late_interim: bool = False
    """An interim of what is final already comes after it."""
    copies: bool = False
    """Every final comes a second time, with times."""
    odd_chunks: bool = False
    """Audio comes in pieces of 333 bytes."""
    empty_audio: bool = False
    no_alignment: bool = False
    stray_context: bool = False
    """Audio of a context that is over comes before that of the present one."""
    content_type: str | None = None


VOICES = {
    "voices": [
        {
            "voice_id": VOICE,
            "name": "George",
            "category": "premade",
            "labels": {"accent": "british", "gender": "male"},
            "verified_languages": [
                {"language": "en", "model_id": "eleven_flash_v2_5"},
                {"language": "fr", "model_id": "x"},
            ],
        }
    ]
}
"""Type GetVoicesResponse of elevenlabs 2.78."""


def wrong_with(request: Request) -> str:
    """What is wrong with a request; empty: nothing."""
    query = {name: values[0] for name, values in request.query.items()}
    if request.path == "/v1/voices":
        return ""
    if request.path == "/v1/speech-to-text/realtime":
        if set(query) - LISTEN_QUERY or not query.get("model_id", "").startswith("scribe_"):
            return "query"
        terms = request.query.get("keyterms", [])
        if len(terms) > 50 or any(len(term) > 20 for term in terms):
            return "keyterms"
        wrong = query.get("audio_format") not in HEARD_FORMATS or query.get("commit_strategy") not in ("manual", "vad")
        return "audio_format or commit_strategy" if wrong else ""
    match = re.fullmatch(r"/v1/text-to-speech/(\w+)/(multi-stream-input|stream-input|stream)", request.path)
    if match is None:
        return "no such path"
    if set(query) - (REQUEST_QUERY if match[2] == "stream" else SOCKET_QUERY):
        return "query"
    if query.get("output_format") not in SPEAK_FORMATS:
        return "output_format"
    enforced = "language_code" in query and not query.get("model_id", "").endswith("_v2_5")
    return "the model takes no language_code" if enforced else ""


def refused(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"detail": {"status": kind, "message": message}}, status_code=status)


def without_markup(text: str) -> str:
    return re.sub(r"\s*<[^>]*>\s*", " ", text).strip()


def format_of(name: str) -> AudioFormat:
    encoding, rate = name.split("_")
    return AudioFormat(ENCODINGS[encoding], int(rate))


def reached(limit: int | None, count: int) -> bool:
    return limit is not None and count >= limit
