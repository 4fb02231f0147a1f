"""ElevenLabs' side: speech by both WebSockets and by HTTP, the list of voices, and Scribe in real time.

Written from elevenlabs.io, API reference (pages named below, read 2026-11), and from the types and the realtime client
of elevenlabs 2.78. It goes by the audio it has received, never by the clock.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.codecs import g711
from audio.format import Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.elevenlabs_asked import (
    KEY,
    VOICE,
    VOICES,
    Faults,
    Request,
    format_of,
    reached,
    refused,
    without_markup,
    wrong_with,
)
from tests.emulators.elevenlabs_streams import MultiVoice, Scribe, SingleVoice
from tests.emulators.serving import Connections, send_body, serving, whole_body

__all__ = ["KEY", "VOICE", "ElevenLabs", "Faults", "Request"]
CHUNK = 0.5


class ElevenLabs:
    """An emulated ElevenLabs.

    Args:
        known: Recordings that its recognizer knows: L16 at 8 kHz, by what is said in them.
    """

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.faults = Faults()
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.requests: list[Request] = []
        self.url = ""
        self._connections = Connections()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[ElevenLabs]:
        async with serving(self, self._connections) as address:
            self.url = f"http://{address}"
            yield self

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        request = Request(scope["path"], parse_qs(scope["query_string"].decode()))
        self.requests.append(request)
        try:
            await self._answer(request, scope, receive, send)
        except WebSocketDisconnect:
            pass
        finally:
            request.closed_at = asyncio.get_running_loop().time()
            request.closed.set()

    def break_all(self) -> None:
        """Reset every connection."""
        self._connections.abort_all()

    def abort(self, scope: Mapping[str, Any]) -> None:
        self._connections.abort(scope)

    async def _answer(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        refusal = self._refusal(request, dict(scope["headers"]))
        if scope["type"] == "http":
            request.messages.append(json.loads(await whole_body(receive) or b"{}"))
            if refusal is not None:
                request.status = refusal.status_code
                await refusal(scope, receive, send)
            elif request.kind == "voices":
                await JSONResponse(VOICES)(scope, receive, send)
            else:
                await self._speak_by_request(request, scope, receive, send)
            return
        socket = WebSocket(scope, receive, send)
        if self.faults.hold_handshake is not None:
            await self.faults.hold_handshake.wait()
        if refusal is not None:
            request.status = refusal.status_code
            await socket.receive()
            await socket.send_denial_response(refusal)
            return
        await socket.accept()
        if self.faults.garbage:
            await socket.send_text("<html>no JSON</html>")
        kinds = {"realtime": Scribe, "stream-input": SingleVoice, "multi-stream-input": MultiVoice}
        await kinds[request.kind](self, request, socket).run()

    def _refusal(self, request: Request, headers: dict[bytes, bytes]) -> Response | None:
        """Page Errors (2026-11): a body with detail.status and detail.message."""
        if self.faults.refuse is not None:
            return refused(self.faults.refuse, "emulated", "The script says so.")
        if headers.get(b"xi-api-key") != KEY.encode():
            return refused(401, "invalid_api_key", "Invalid API key")
        wrong = wrong_with(request)
        return refused(400, "invalid_request", wrong) if wrong else None

    async def _speak_by_request(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Page Stream Speech (2026-11): raw audio in pieces."""
        headers = {"content-type": self.faults.content_type or "audio/basic", "request-id": "emulated-request"}
        sound = self.sound(request, str(request.messages[0]["text"]), scope)
        request.was_complete = await send_body(receive, send, 200, headers, sound)

    async def sound(self, request: Request, text: str, scope: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """A text's audio as it was asked for, with whatever goes wrong."""
        format = format_of(request.query["output_format"][0])
        pcm = b"" if self.faults.empty_audio else self.sounds(without_markup(text), format.rate)
        data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
        size, sent = 333 if self.faults.odd_chunks else format.size(CHUNK), 0
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            sent += len(piece)
            yield piece
            if reached(self.faults.stall_after, sent):
                await asyncio.Event().wait()
            if reached(self.faults.abort_after, sent):
                self.abort(scope)
                await asyncio.Event().wait()
            await asyncio.sleep(0)
