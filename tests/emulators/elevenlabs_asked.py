"""What is asked of the emulated ElevenLabs, what of it is wrong, and what goes wrong by script.

Sources: as in `tests.emulators.elevenlabs`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from audio.format import AudioFormat, Encoding
from tests.emulators.speech_office import CommonFaults, Request, names

KEY = "xi-emulated-key"
VOICE = "JBFqnCBsd6RMkjVDRZzb"
ENCODINGS = {"ulaw": Encoding.PCMU, "alaw": Encoding.PCMA, "pcm": Encoding.L16}
SPEAK_FORMATS = {"ulaw_8000", "alaw_8000", "pcm_8000", "pcm_16000", "pcm_24000"}
HEARD_FORMATS = {"ulaw_8000", "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000"}


# Pages Text to Speech WebSocket and Multi-Context WebSocket (2026-11).
SOCKET_QUERY = names(
    "model_id output_format enable_logging language_code auto_mode inactivity_timeout sync_alignment "
    "enable_ssml_parsing apply_text_normalization seed authorization single_use_token"
)
# Page Stream Speech (2026-11).
REQUEST_QUERY = names("output_format enable_logging optimize_streaming_latency")
# The realtime client of elevenlabs 2.78, `_build_websocket_url`.
LISTEN_QUERY = names(
    "model_id audio_format commit_strategy vad_silence_threshold_secs vad_threshold min_speech_duration_ms "
    "min_silence_duration_ms language_code secondary_languages include_timestamps include_language_detection keyterms "
    "no_verbatim entity_detection entity_redaction entity_redaction_mode transcript_edit filter_background_audio "
    "enable_logging token"
)


@dataclass
class Faults(CommonFaults):
    """What goes wrong; everything is off.

    Two finals, and an empty one: the vendor commits the first half, or nothing, by itself before it is asked to, as it
    does after a long time.
    """

    error_after: tuple[int, str] | None = None
    """Bytes after which an error of a kind comes."""
    copies: bool = False
    """Every final comes a second time, with times."""
    no_alignment: bool = False
    stray_context: bool = False
    """Audio of a context that is over comes before that of the present one."""


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
