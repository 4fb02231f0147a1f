"""ElevenLabs' side: speech by both WebSockets and by HTTP, the list of voices, and Scribe in real time.

Written from elevenlabs.io, API reference (pages named below, read 2026-11), and from the types and the realtime client
of elevenlabs 2.78. It goes by the audio it has received, never by the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket

from audio.format import AudioFormat
from tests.emulators.elevenlabs_asked import KEY, VOICE, VOICES, Faults, format_of, refused, without_markup, wrong_with
from tests.emulators.elevenlabs_streams import MultiVoice, Scribe, SingleVoice
from tests.emulators.speech_office import Request, SpeechOffice

__all__ = ["KEY", "VOICE", "ElevenLabs", "Faults", "Request"]


class ElevenLabs(SpeechOffice[Faults]):
    """An emulated ElevenLabs; see `SpeechOffice`."""

    piece = 0.5

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        super().__init__(known, Faults())

    def refusal(self, request: Request, headers: dict[bytes, bytes]) -> Response | None:
        """Page Errors (2026-11): a body with detail.status and detail.message."""
        if self.faults.refuse is not None:
            return refused(self.faults.refuse, "emulated", "The script says so.")
        if headers.get(b"xi-api-key") != KEY.encode():
            return refused(401, "invalid_api_key", "Invalid API key")
        wrong = wrong_with(request)
        return refused(400, "invalid_request", wrong) if wrong else None

    def listed(self, request: Request) -> dict[str, Any] | None:
        return VOICES if request.kind == "voices" else None

    def format_of(self, request: Request) -> AudioFormat:
        return format_of(request.query["output_format"][0])

    def sound_headers(self, request: Request) -> dict[str, str]:
        """Page Stream Speech (2026-11): raw audio in pieces."""
        return {"content-type": self.faults.content_type or "audio/basic", "request-id": "emulated-request"}

    def words_of(self, text: str) -> str:
        return without_markup(text)

    async def talk(self, request: Request, socket: WebSocket) -> None:
        await socket.accept()
        if self.faults.garbage:
            await socket.send_text("<html>no JSON</html>")
        kinds = {"realtime": Scribe, "stream-input": SingleVoice, "multi-stream-input": MultiVoice}
        await kinds[request.kind](self, request, socket).run()
