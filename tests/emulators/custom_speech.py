"""An engine that keeps the contract of ``docs/speech/custom.md``, or breaks it on demand.

The example engine in ``examples/custom-speech`` is the one that keeps it well; this one is for everything else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.format import AudioFormat, Encoding
from tests.emulators.serving import Connections, serving
from tests.fakes.resembling import heard_in

ENCODINGS = {"LINEAR16": Encoding.L16, "MULAW": Encoding.PCMU, "ALAW": Encoding.PCMA}
KEY = "key-of-the-engine"


@dataclass
class Noted:
    """A request or a turn, and when its connection was closed (time of the loop)."""

    headers: Mapping[str, str]
    body: Any = None
    messages: list[Any] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    finished: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float | None = None

    def close(self) -> None:
        self.closed_at = asyncio.get_running_loop().time()
        self.closed.set()


class CustomEmulator:
    """Its attributes are its faults.

    Attributes:
        status: Refuses everything with this status.
        sound, content_type, piece: What it says, as what, in pieces of how many bytes.
        sounds: What a text sounds like at a rate, in place of ``sound``; to be announced as ``audio/l16``.
        stall_after, break_after: Bytes after which speech, or hearing, stalls or breaks.
        during: What it says of a turn once so many bytes have come, each once, in order.
        known: Recordings that it knows: L16 at 8 kHz, by what is said in them.
        answers: What it says at the end of a turn, after what it has heard of those. None: nothing, ever.
        hangs_up: Whether it hangs up then.
        goes_on: Whether it says that it is done then, and hears the next turn.
        leaves_unanswered: It breaks off then, and says nothing.
    """

    def __init__(self) -> None:
        self.requests: list[Noted] = []
        self.status: int | None = None
        self.sound = b"\x10\x20" * 8000
        self.sounds: Callable[[str, int], bytes] | None = None
        self.known: Mapping[str, bytes] = {}
        self.leaves_unanswered = False
        self.content_type = "audio/l16;rate=8000"
        self.piece = 1600
        self.stall_after: int | None = None
        self.break_after: int | None = None
        self.during: Sequence[tuple[int, str]] = ()
        self.answers: Sequence[str] | None = ()
        self.hangs_up = True
        self.goes_on = False
        self._connections = Connections()
        self.opened = asyncio.Event()
        self.opened.set()
        self.arrived = asyncio.Event()
        self.silent = asyncio.Event()
        routes = [Route("/speak", self._speak, methods=["POST"]), WebSocketRoute("/listen", self._listen)]
        self.app = Starlette(routes=routes)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Gives the base address."""
        async with serving(self.app, self._connections) as where:
            yield f"http://{where}"

    def break_all(self) -> None:
        """Reset every connection."""
        self._connections.abort_all()

    def _refusal(self, headers: Mapping[str, str]) -> Response | None:
        if self.status is not None:
            return Response(status_code=self.status)
        return None if headers.get("authorization") == f"Bearer {KEY}" else Response(status_code=401)

    async def _speak(self, request: Request) -> Response:
        noted = Noted(dict(request.headers), await request.json())
        self.requests.append(noted)
        return self._refusal(request.headers) or StreamingResponse(self._pieces(noted), media_type=self.content_type)

    async def _pieces(self, noted: Noted) -> AsyncIterator[bytes]:
        asked = noted.body
        sound = self.sounds(asked["text"], asked["sampleRateHz"]) if self.sounds is not None else self.sound
        end = len(sound) if self.break_after is None else self.break_after
        try:
            for start in range(0, end, self.piece):
                if self.stall_after is not None and start >= self.stall_after:
                    await self.silent.wait()
                yield sound[start : min(end, start + self.piece)]
                await asyncio.sleep(0)
            if self.break_after:
                raise ConnectionAbortedError
            noted.finished = True
        finally:
            noted.close()

    async def _listen(self, socket: WebSocket) -> None:
        noted = Noted(dict(socket.headers))
        self.requests.append(noted)
        if (refusal := self._refusal(socket.headers)) is not None:
            await socket.send_denial_response(refusal)
            return
        await self.opened.wait()
        await socket.accept()
        try:
            await self._hear(socket, noted)
        except WebSocketDisconnect:
            pass
        finally:
            noted.close()

    def _heard(self, start: Mapping[str, Any], sound: bytes) -> list[str]:
        """What is said in a turn, each a final of its own."""
        format = AudioFormat(ENCODINGS[start["encoding"]], start["sampleRateHz"])
        texts = heard_in(sound, format, self.known) if self.known else []
        return [
            json.dumps({"type": "transcription", "is_final": True, "alternatives": [{"transcript": text}]})
            for text in texts
        ]

    async def _hear(self, socket: WebSocket, noted: Noted) -> None:
        waiting, begins = list(self.during), 0
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if message.get("bytes") is not None:
                noted.audio += message["bytes"]
                self.arrived.set()
                if self.break_after is not None and len(noted.audio) >= self.break_after:
                    await socket.close(1011)
                    return
                while waiting and len(noted.audio) >= waiting[0][0]:
                    await socket.send_text(waiting.pop(0)[1])
                continue
            noted.messages.append(json.loads(message["text"]))
            if noted.messages[-1]["type"] == "stop" and self.answers is not None:
                if self.leaves_unanswered:
                    await socket.close(1011)
                    return
                start = next(message for message in reversed(noted.messages) if message["type"] == "start")
                for answer in (*self._heard(start, bytes(noted.audio[begins:])), *self.answers):
                    await socket.send_text(answer)
                begins = len(noted.audio)
                if self.goes_on:
                    await socket.send_text('{"type": "done"}')
                elif self.hangs_up:
                    noted.finished = True
                    await socket.close()
                    return
