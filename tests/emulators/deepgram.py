"""Deepgram's side: `/v1/listen` (Nova), `/v2/listen` (Flux), `/v1/speak` over HTTP and WebSocket, `/v1/models`.

Written from developers.deepgram.com (pages named below, read 2026-11) and from the types of deepgram-sdk 7.17. It goes
by the audio it has received, never by the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket

from audio.format import AudioFormat
from tests.emulators.deepgram_asked import KEY, MODELS, Faults, format_of, refused, wrong_with
from tests.emulators.deepgram_streams import FluxStream, NovaStream, SpeakStream
from tests.emulators.speech_office import Request, SpeechOffice

__all__ = ["KEY", "Deepgram", "Faults", "Request"]


class Deepgram(SpeechOffice[Faults]):
    """An emulated Deepgram; see `SpeechOffice`."""

    piece = 0.1

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        super().__init__(known, Faults())

    def refusal(self, request: Request, headers: dict[bytes, bytes]) -> Response | None:
        """Page Errors (2026-11): a body with err_code and err_msg, statuses 400, 401, 402, 403, 429."""
        if self.faults.refuse is not None:
            return refused(self.faults.refuse, "EMULATED", "The script says so.")
        if headers.get(b"authorization") != f"Token {KEY}".encode():
            return refused(401, "INVALID_AUTH", "Invalid credentials.")
        wrong = wrong_with(request)
        return refused(400, "Bad Request", wrong) if wrong else None

    def listed(self, request: Request) -> dict[str, Any] | None:
        return MODELS if request.path == "/v1/models" else None

    def format_of(self, request: Request) -> AudioFormat:
        return format_of(request)

    def sound_headers(self, request: Request) -> dict[str, str]:
        """Reference of /v1/speak, HTTP: raw audio in pieces where ``container=none``."""
        kinds = {"mulaw": "audio/mulaw", "alaw": "audio/alaw"}
        return {
            "content-type": self.faults.content_type or kinds.get(request.query["encoding"][0], "audio/l16"),
            "dg-request-id": "emulated-request",
            "dg-model-name": request.query["model"][0],
        }

    async def talk(self, request: Request, socket: WebSocket) -> None:
        await socket.accept(headers=[(b"dg-request-id", b"emulated-request")])
        kind = {"/v1/listen": NovaStream, "/v2/listen": FluxStream, "/v1/speak": SpeakStream}[request.path]
        await kind(self, request, socket).run()
