"""Deepgram's side: `/v1/listen` (Nova), `/v2/listen` (Flux), `/v1/speak` over HTTP and WebSocket, `/v1/models`.

Written from developers.deepgram.com (pages named below, read 2026-11) and from the types of deepgram-sdk 7.17. It goes
by the audio it has received, never by the clock.
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
from tests.emulators.deepgram_asked import KEY, MODELS, Faults, Request, format_of, reached, refused, wrong_with
from tests.emulators.deepgram_streams import FluxStream, NovaStream, SpeakStream
from tests.emulators.serving import Connections, send_body, serving, whole_body

__all__ = ["KEY", "Deepgram", "Faults", "Request"]
PIECE = 0.1


class Deepgram:
    """An emulated Deepgram.

    Args:
        known: Recordings that its recognizers know: L16 at 8 kHz, by what is said in them.
    """

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.faults = Faults()
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.requests: list[Request] = []
        self.url = ""
        self._connections = Connections()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Deepgram]:
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

    async def _answer(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        refusal = self._refusal(request, dict(scope["headers"]))
        if scope["type"] == "http":
            request.messages.append(json.loads(await whole_body(receive) or b"{}"))
            if refusal is not None:
                request.status = refusal.status_code
                await refusal(scope, receive, send)
            elif request.path == "/v1/models":
                await JSONResponse(MODELS)(scope, receive, send)
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
        await socket.accept(headers=[(b"dg-request-id", b"emulated-request")])
        kind = {"/v1/listen": NovaStream, "/v2/listen": FluxStream, "/v1/speak": SpeakStream}[request.path]
        await kind(self, request, socket).run()

    def _refusal(self, request: Request, headers: dict[bytes, bytes]) -> Response | None:
        """Page Errors (2026-11): a body with err_code and err_msg, statuses 400, 401, 402, 403, 429."""
        if self.faults.refuse is not None:
            return refused(self.faults.refuse, "EMULATED", "The script says so.")
        if headers.get(b"authorization") != f"Token {KEY}".encode():
            return refused(401, "INVALID_AUTH", "Invalid credentials.")
        wrong = wrong_with(request)
        return refused(400, "Bad Request", wrong) if wrong else None

    async def _speak_by_request(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Reference of /v1/speak, HTTP: raw audio in pieces where ``container=none``."""
        encoding = request.query["encoding"][0]
        headers = {
            "content-type": self.faults.content_type
            or {"mulaw": "audio/mulaw", "alaw": "audio/alaw"}.get(encoding, "audio/l16"),
            "dg-request-id": "emulated-request",
            "dg-model-name": request.query["model"][0],
        }
        pieces = self.sound(request, str(request.messages[0]["text"]), scope)
        request.was_complete = await send_body(receive, send, 200, headers, pieces)

    async def sound(self, request: Request, text: str, scope: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """A text's audio as it was asked for, with whatever goes wrong."""
        format = format_of(request)
        pcm = b"" if self.faults.empty_audio else self.sounds(text, format.rate)
        data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
        size, sent = 333 if self.faults.odd_chunks else format.size(PIECE), 0
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

    def abort(self, scope: Mapping[str, Any]) -> None:
        self._connections.abort(scope)

    def break_all(self) -> None:
        """Reset every connection."""
        self._connections.abort_all()

    def write(self, scope: Mapping[str, Any], data: bytes) -> None:
        self._connections.write(scope, data)
