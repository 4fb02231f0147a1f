"""The other side of OpenAI's speech API, as its reference of November 2026 describes it, with faults on demand.

``POST /audio/speech`` and ``POST /audio/transcriptions``: https://developers.openai.com/api/reference/resources/audio.
The realtime transcription session: https://developers.openai.com/api/docs/guides/realtime-transcription and the
"Realtime" section of the reference. `test_openai_speech_sdk` proves it by the official client.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any, NoReturn

import numpy as np
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.format import PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from audio.wav import header
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.serving import Connections, serving
from tests.fakes.resembling import heard_in

KEY = "sk-emulated"
L16_24K = AudioFormat(Encoding.L16, 24000)
VOICED_PEAK = 300
SPEECH_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")


@dataclass
class Noted:
    """A request or a session, and when its connection was closed (time of the loop)."""

    path: str
    headers: Mapping[str, str]
    body: Any = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    finished: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float | None = None

    def close(self) -> None:
        self.closed_at = asyncio.get_running_loop().time()
        self.closed.set()


class OpenAiEmulator:
    """Says `spoken_pcm`, hears by resemblance. Its attributes are its faults; each holds until it is changed.

    Attributes:
        arrived: Set once a request with sound in it, or a session's sound, is there.
        known: What can be heard: L16 at 8 kHz by what is said in it.
        sounds: What a text sounds like at a rate.
        script: What is heard instead, a list of finals for each turn.
        status: Answers everything with this status.
        stall_after: Bytes of speech after which nothing more comes; of a session, bytes of audio.
        break_after: The same, and the connection breaks; of an upload, bytes of its body.
        leaves_unanswered: The connection breaks when a turn is there, before anything is said of it.
        piece: Bytes of speech in one piece.
        lead: What is sent before speech, such as a WAV header.
        content_type, rate: Of speech.
        garbage: Sent instead of a transcription, or of an event.
        opened: A session is accepted once this is set.
        error: The session's answer to a commit.
        late: A delta that comes after its item's completed text.
    """

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.requests: list[Noted] = []
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.script: list[str] | None = None
        self.status: int | None = None
        self.stall_after: int | None = None
        self.break_after: int | None = None
        self.leaves_unanswered = False
        self._connections = Connections()
        self.piece = 4800
        self.lead = b""
        self.content_type = "audio/pcm"
        self.rate = 24000
        self.garbage: str | None = None
        self.opened = asyncio.Event()
        self.opened.set()
        self.silent = asyncio.Event()
        self.arrived = asyncio.Event()
        self.error: dict[str, Any] | None = None
        self.late = False
        self.app = Starlette(
            routes=[
                Route("/v1/audio/speech", self._speech, methods=["POST"]),
                Route("/v1/audio/transcriptions", self._transcription, methods=["POST"]),
                WebSocketRoute("/v1/realtime", self._realtime),
            ]
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Gives the base address."""
        async with serving(self.app, self._connections) as where:
            yield f"http://{where}/v1"

    def heard(self, data: bytes, format: AudioFormat) -> list[str]:
        return heard_in(data, format, self.known)

    # --- speech ------------------------------------------------------------------------------------------------------
    async def _speech(self, request: Request) -> Response:
        noted = self._note(request)
        noted.body = body = await request.json()
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if body["response_format"] != "pcm" or not body["input"] or not 0.25 <= body.get("speed", 1.0) <= 4:
            return _error(400, "invalid_request_error", "invalid_value")
        sound = self.lead + self.sounds(body["input"], self.rate)
        return StreamingResponse(self._pieces(noted, sound), media_type=self.content_type)

    async def _pieces(self, noted: Noted, sound: bytes) -> AsyncIterator[bytes]:
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

    # --- transcriptions ----------------------------------------------------------------------------------------------
    async def _transcription(self, request: Request) -> Response:
        noted = self._note(request)
        try:
            body = await self._received(request)
        except ClientDisconnect:
            noted.close()
            return Response(status_code=499)  # nobody is left who reads it
        fields, file = _form(request.headers["content-type"], body)
        noted.body = fields
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if not file.startswith(b"RIFF") or "model" not in fields:
            return _error(400, "invalid_request_error", "invalid_value")
        rate = int.from_bytes(file[24:28], "little")
        noted.audio += file[44:]
        self.arrived.set()
        if len(noted.audio) < rate // 5:
            return _error(400, "invalid_request_error", "audio_too_short")
        if self.stall_after is not None:
            try:
                await _gone(request)
            finally:
                noted.close()
        texts = self.script if self.script is not None else self.heard(file[44:], AudioFormat(Encoding.L16, rate))
        return Response(self.garbage or json.dumps({"text": " ".join(texts)}), media_type="application/json")

    async def _received(self, request: Request) -> bytes:
        """An upload. Raises ClientDisconnect: its connection is to break."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if self.break_after is not None and len(body) >= self.break_after:
                self.break_off(request.scope)
        if self.leaves_unanswered:
            self.break_off(request.scope)
        return bytes(body)

    def break_all(self) -> None:
        """Reset every connection."""
        self._connections.abort_all()

    def break_off(self, scope: Mapping[str, Any]) -> NoReturn:
        self._connections.abort(scope)
        raise ClientDisconnect

    # --- realtime ----------------------------------------------------------------------------------------------------
    async def _realtime(self, socket: WebSocket) -> None:
        noted = Noted(str(socket.url), dict(socket.headers))
        self.requests.append(noted)
        if self.status is not None or socket.headers.get("authorization") != f"Bearer {KEY}":
            await socket.send_denial_response(self._refusal(socket) or Response(status_code=401))
            return
        await self.opened.wait()
        await socket.accept()
        try:
            await _Session(self, socket, noted).run()
        except (ClientDisconnect, WebSocketDisconnect):
            pass
        finally:
            noted.close()

    # --- common ------------------------------------------------------------------------------------------------------
    def _note(self, request: Request) -> Noted:
        noted = Noted(request.url.path, dict(request.headers))
        self.requests.append(noted)
        return noted

    def _refusal(self, request: Request | WebSocket) -> Response | None:
        """Error bodies: "Error codes" of the API guide, November 2026."""
        if self.status is not None:
            return _error(self.status, "requests" if self.status == 429 else "server_error", None)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_request_error", "invalid_api_key")
        return None


class _Session:
    """A realtime transcription session, of as many updates and items as there come; its times go on."""

    def __init__(self, emulator: OpenAiEmulator, socket: WebSocket, noted: Noted) -> None:
        self._emulator, self._socket, self._noted = emulator, socket, noted
        self._input: dict[str, Any] = {}
        self._buffer = bytearray()
        self._item = 0
        self._delta = ""
        self._silence = 0.0
        self._is_speaking = False

    async def run(self) -> None:
        await self._send("session.created", session={"type": "transcription"})
        while True:
            event = json.loads(await self._socket.receive_text())
            self._noted.messages.append(event)
            match event["type"]:
                case "session.update":
                    await self._update(event["session"])
                case "input_audio_buffer.append":
                    await self._append(base64.b64decode(event["audio"]))
                case "input_audio_buffer.clear":
                    self._buffer.clear()
                    await self._send("input_audio_buffer.cleared")
                case "input_audio_buffer.commit":
                    await self._commit()
                case kind:
                    await self._fail({"type": "invalid_request_error", "code": "invalid_value", "message": kind})

    async def _update(self, session: dict[str, Any]) -> None:
        """`RealtimeTranscriptionSessionCreateRequest`: 24 kHz only, and no detection for models that hear live."""
        self._input = session["audio"]["input"]
        model = self._input["transcription"]["model"]
        is_live = model in ("gpt-live-transcribe", "gpt-realtime-whisper")
        if session["type"] != "transcription" or (is_live and self._input.get("turn_detection") is not None):
            await self._fail({"type": "invalid_request_error", "code": "invalid_value", "message": "turn_detection"})
        elif self._emulator.garbage is not None:
            await self._socket.send_text(self._emulator.garbage)
        else:
            await self._send("session.updated", session=session)

    @property
    def _format(self) -> AudioFormat:
        told = self._input["format"]
        if told["type"] == "audio/pcm":
            assert told["rate"] == 24000, told
            return L16_24K
        return {"audio/pcmu": PCMU_8K, "audio/pcma": PCMA_8K}[told["type"]]

    async def _append(self, data: bytes) -> None:
        self._buffer += data
        self._noted.audio += data
        emulator = self._emulator
        emulator.arrived.set()
        if emulator.break_after is not None and len(self._noted.audio) >= emulator.break_after:
            await self._socket.close(1011)
            raise WebSocketDisconnect
        if emulator.stall_after is not None and len(self._noted.audio) >= emulator.stall_after:
            while True:
                await self._socket.receive_text()
        if self._input.get("turn_detection"):
            await self._detect(data)
        elif self._input["transcription"]["model"] == "gpt-live-transcribe" and not self._delta:
            await self._write_live()

    async def _write_live(self) -> None:
        if self._format.seconds(len(self._buffer)) < 0.5:
            return
        heard = self._emulator.heard(bytes(self._buffer), self._format)
        if heard:
            self._delta = heard[0].split()[0]
            await self._transcribed("delta", delta=self._delta)

    async def _detect(self, data: bytes) -> None:
        """`server_vad`: speech_started, speech_stopped, committed, each with the item it is about."""
        pcm = np.frombuffer(Frame(data, self._format).pcm(), "<i2").astype(np.int32)
        if np.abs(pcm).max(initial=0) >= VOICED_PEAK:
            self._silence = 0.0
            if not self._is_speaking:
                self._is_speaking = True
                await self._send("input_audio_buffer.speech_started", audio_start_ms=self._ms, item_id=self._item_id)
        elif self._is_speaking:
            self._silence += self._format.seconds(len(data))
            if self._silence * 1000 >= self._input["turn_detection"].get("silence_duration_ms", 500):
                self._is_speaking = False
                await self._send("input_audio_buffer.speech_stopped", audio_end_ms=self._ms, item_id=self._item_id)
                await self._complete()

    async def _commit(self) -> None:
        """An empty buffer, or less than 100 ms, is an error of its own."""
        if self._emulator.leaves_unanswered:
            self._emulator.break_off(self._socket.scope)
        if self._emulator.error is not None:
            await self._fail(self._emulator.error)
        elif self._format.seconds(len(self._buffer)) < 0.1:
            await self._fail(
                {"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty", "message": "too small"}
            )
        else:
            await self._complete()

    async def _complete(self) -> None:
        await self._send("input_audio_buffer.committed", item_id=self._item_id, previous_item_id=None)
        script = self._emulator.script
        texts = script if script is not None else self._emulator.heard(bytes(self._buffer), self._format)
        text = " ".join(texts)
        if text and text != self._delta:
            await self._transcribed("delta", delta=text.removeprefix(self._delta))
        usage = {"type": "duration", "seconds": self._format.seconds(len(self._buffer))}
        await self._transcribed("completed", transcript=text, content_index=0, usage=usage)
        if self._emulator.late:
            await self._transcribed("delta", delta=" and more")
        self._buffer.clear()
        self._delta = ""
        self._item += 1

    async def _transcribed(self, kind: str, **fields: Any) -> None:
        await self._send(f"conversation.item.input_audio_transcription.{kind}", item_id=self._item_id, **fields)

    @property
    def _item_id(self) -> str:
        return f"item_{self._item}"

    @property
    def _ms(self) -> int:
        return round(self._format.seconds(len(self._noted.audio)) * 1000)

    async def _fail(self, error: dict[str, Any]) -> None:
        await self._send("error", error=error)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send_text(json.dumps({"type": kind, "event_id": "event_1", **fields}))


async def _gone(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _form(content_type: str, body: bytes) -> tuple[dict[str, list[str]], bytes]:
    """A form's fields, and its file."""
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=policy.HTTP)
    fields: dict[str, list[str]] = {}
    file = b""
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        if name == "file":
            assert part.get_filename()
            file = data
        else:
            fields.setdefault(name, []).append(data.decode())
    return fields, file


def _error(status: int, kind: str, code: str | None) -> JSONResponse:
    error = {"message": "emulated", "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status, headers={"x-request-id": "req_emulated"})


def wav_header(rate: int) -> bytes:
    """Of a file whose size is not known yet."""
    return header(0, rate, 1)
