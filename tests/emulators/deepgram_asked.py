"""What is asked of the emulated Deepgram, what of it is wrong, and what goes wrong by script.

Sources: as in `tests.emulators.deepgram`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from audio.format import AudioFormat, Encoding
from tests.emulators.speech_office import CommonFaults, Request, names

KEY = "dg-emulated-key"


ENCODINGS = {"mulaw": Encoding.PCMU, "alaw": Encoding.PCMA, "linear16": Encoding.L16}
# Reference of /v1/listen (2026-11); what is not here is a 400, as `err_code` Bad Request.
NOVA_QUERY = names(
    "model version language language_hint channels interim_results punctuate smart_format no_delay dictation numerals "
    "filler_words profanity_filter endpointing utterance_end_ms vad_events keyterm keywords redact replace search tag "
    "mip_opt_out encoding sample_rate multichannel diarize callback extra detect_entities"
)
# Reference of /v2/listen (2026-11).
FLUX_QUERY = names(
    "model encoding sample_rate eager_eot_threshold eot_threshold eot_timeout_ms keyterm language_hint "
    "profanity_filter numerals redact mip_opt_out tag"
)
# Reference of /v1/speak (2026-11).
SPEAK_QUERY = names("model encoding sample_rate container bit_rate speed tag mip_opt_out callback")


@dataclass
class Faults(CommonFaults):
    """What goes wrong; everything is off."""

    error_after: int | None = None
    """Bytes after which an error frame comes."""
    late_final: bool = False
    """Finalize and ForceEndTurn are answered only when the stream is closed."""


MODELS = {
    "stt": [],
    "tts": [
        {
            "name": "thalia",
            "canonical_name": "aura-2-thalia-en",
            "architecture": "aura-2",
            "languages": ["en", "en-US"],
            "version": "2025-04-07.0",
            "uuid": "emulated-model",
            "metadata": {"accent": "American", "tags": ["feminine", "clear"]},
        }
    ],
}
"""Type ListModelsV1Response of deepgram-sdk 7.17."""


def wrong_with(request: Request) -> str:
    """What is wrong with a query; empty: nothing."""
    query = {name: values[0] for name, values in request.query.items()}
    model = query.get("model", "")
    known = {"/v1/listen": NOVA_QUERY, "/v2/listen": FLUX_QUERY, "/v1/speak": SPEAK_QUERY, "/v1/models": frozenset()}
    if request.path not in known:
        return "no such path"
    unknown = set(query) - known[request.path]
    if unknown:
        return f"unknown parameters {sorted(unknown)}"
    if request.path == "/v1/models":
        return ""
    if query.get("encoding") not in ENCODINGS or query.get("sample_rate") not in ("8000", "16000", "24000", "48000"):
        return "encoding or sample_rate"
    if request.path == "/v1/listen":
        return _wrong_for_nova(query, model)
    if request.path == "/v2/listen":
        eot, eager = float(query.get("eot_threshold", "0.7")), float(query.get("eager_eot_threshold", "0.3"))
        hinted = "language_hint" in query and not model.endswith("-multi")
        return "" if model.startswith("flux-general-") and 0.5 <= eot <= 1.0 and eager <= eot and not hinted else "flux"
    return "" if model.startswith("aura-") else "model"


def _wrong_for_nova(query: Mapping[str, str], model: str) -> str:
    if not model.startswith(("nova", "enhanced", "base")) or not query.get("language"):
        return "model or language"
    if "utterance_end_ms" in query and query.get("interim_results") != "true":
        return "utterance_end_ms needs interim_results"  # page Utterance End
    if ("keyterm" in query) != model.startswith("nova-3") and "keyterm" in query:
        return "keyterm needs nova-3"  # page Keyterm Prompting
    if "keywords" in query and model.startswith("nova-3"):
        return "keywords are not for nova-3"  # page Keywords
    return ""


def refused(status: int, code: str, message: str) -> Response:
    body = {"err_code": code, "err_msg": message, "request_id": "emulated-request"}
    return JSONResponse(body, status_code=status, headers={"dg-request-id": "emulated-request", "dg-error": message})


def format_of(request: Request) -> AudioFormat:
    return AudioFormat(ENCODINGS[request.query["encoding"][0]], int(request.query["sample_rate"][0]))
