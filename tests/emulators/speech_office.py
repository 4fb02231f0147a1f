"""What emulated vendors have in common that listen by WebSocket and speak by both, each with a model of its own:
requests that are noted, and connections that are refused, held up, stalled or broken off by script."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.serving import Connections, send_body, serving, whole_body


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
        """The end of its path."""
        return self.path.rsplit("/", 1)[-1]

    def kinds(self) -> list[str]:
        """The types of its messages."""
        return [str(message.get("type", "")) for message in self.messages]


@dataclass
class CommonFaults:
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
    garbage: bool = False
    """Something that is no message comes first."""
    two_finals: bool = False
    """A final comes in two halves."""
    empty_final: bool = False
    """A final without words comes before the one with words."""
    late_interim: bool = False
    """An interim of what is final already comes after it."""
    never_final: bool = False
    """Not even closing brings a final."""
    odd_chunks: bool = False
    """Audio comes in pieces of 333 bytes."""
    empty_audio: bool = False
    content_type: str | None = None


FaultsT = TypeVar("FaultsT", bound=CommonFaults)


class SpeechOffice(ABC, Generic[FaultsT]):
    """An emulated vendor.

    Args:
        known: Recordings that it hears: L16 at 8 kHz, by what is said in them.
        faults: None of them on.
    """

    piece: ClassVar[float]
    """Seconds of audio that come at once."""

    def __init__(self, known: Mapping[str, bytes] | None, faults: FaultsT) -> None:
        self.known = dict(known or {})
        self.faults = faults
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.requests: list[Request] = []
        self.url = ""
        self._connections = Connections()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Any]:
        """Gives itself, with its `url`."""
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

    @abstractmethod
    def refusal(self, request: Request, headers: dict[bytes, bytes]) -> Response | None:
        """What a request is answered with that may not be served."""

    @abstractmethod
    def listed(self, request: Request) -> dict[str, Any] | None:
        """What is listed by a request that asks for no speech."""

    @abstractmethod
    def format_of(self, request: Request) -> AudioFormat: ...
    @abstractmethod
    def sound_headers(self, request: Request) -> dict[str, str]:
        """Of an answer that is audio."""

    @abstractmethod
    async def talk(self, request: Request, socket: WebSocket) -> None:
        """Accept a WebSocket, and serve it to its end."""

    def words_of(self, text: str) -> str:
        """What is said of a text."""
        return text

    async def _answer(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        refusal = self.refusal(request, dict(scope["headers"]))
        if scope["type"] == "http":
            request.messages.append(json.loads(await whole_body(receive) or b"{}"))
            if refusal is not None:
                request.status = refusal.status_code
                await refusal(scope, receive, send)
            elif (listed := self.listed(request)) is not None:
                await JSONResponse(listed)(scope, receive, send)
            else:
                sound = self.sound(request, str(request.messages[0]["text"]), scope)
                request.was_complete = await send_body(receive, send, 200, self.sound_headers(request), sound)
            return
        socket = WebSocket(scope, receive, send)
        if self.faults.hold_handshake is not None:
            await self.faults.hold_handshake.wait()
        if refusal is not None:
            request.status = refusal.status_code
            await socket.receive()
            await socket.send_denial_response(refusal)
            return
        await self.talk(request, socket)

    async def sound(self, request: Request, text: str, scope: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """A text's audio as it was asked for, with whatever goes wrong."""
        format = self.format_of(request)
        pcm = b"" if self.faults.empty_audio else self.sounds(self.words_of(text), format.rate)
        data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
        size, sent = 333 if self.faults.odd_chunks else format.size(self.piece), 0
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

    async def misbehave(self, socket: WebSocket, received: int) -> None:
        """What goes wrong once so much audio has come. Raises WebSocketDisconnect where that is the end."""
        if reached(self.faults.stall_after, received):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass
            raise WebSocketDisconnect
        if reached(self.faults.abort_after, received):
            self.abort(socket.scope)
            raise WebSocketDisconnect
        if self.faults.close_after is not None and received >= self.faults.close_after[0]:
            await socket.close(*self.faults.close_after[1:])
            raise WebSocketDisconnect

    def abort(self, scope: Mapping[str, Any]) -> None:
        """Reset the connection a request came by."""
        self._connections.abort(scope)

    def break_all(self) -> None:
        """Reset every connection."""
        self._connections.abort_all()

    def write(self, scope: Mapping[str, Any], data: bytes) -> None:
        self._connections.write(scope, data)


def names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


def reached(limit: int | None, count: int) -> bool:
    return limit is not None and count >= limit
