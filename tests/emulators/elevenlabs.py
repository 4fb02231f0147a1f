"""ElevenLabs' side: speech by both WebSockets and by HTTP, the list of voices, and Scribe in real time.

Written from elevenlabs.io, API reference (pages named below, read 2026-11), and from the types and the realtime client
of elevenlabs 2.78. It goes by the audio it has received, never by the clock.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from audio.frame import Frame
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.serving import Connections, send_body, serving, whole_body
from tests.fakes.resembling import heard_in

KEY = "xi-emulated-key"
VOICE = "JBFqnCBsd6RMkjVDRZzb"
ENCODINGS = {"ulaw": Encoding.PCMU, "alaw": Encoding.PCMA, "pcm": Encoding.L16}
SPEAK_FORMATS = {"ulaw_8000", "alaw_8000", "pcm_8000", "pcm_16000", "pcm_24000"}
HEARD_FORMATS = {"ulaw_8000", "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000"}
LEAST_COMMITTED = 0.3
INTERIM_EVERY = 0.5
UNASKED_AT = 2.5
MAX_CONTEXTS = 5
CHUNK = 0.5
PIECE = 0.1
STEP = 0.02
LOUD = 300


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


class ElevenLabs:
    """An emulated ElevenLabs.

    Args:
        known: Recordings that its recognizer knows: L16 at 8 kHz, by what is said in them.
    """

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.faults = Faults()
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
        for transport in self._connections.transports.values():
            transport.abort()

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
        kinds = {"realtime": _Scribe, "stream-input": _SingleVoice, "multi-stream-input": _MultiVoice}
        await kinds[request.kind](self, request, socket).run()

    def _refusal(self, request: Request, headers: dict[bytes, bytes]) -> Response | None:
        """Page Errors (2026-11): a body with detail.status and detail.message."""
        if self.faults.refuse is not None:
            return _refused(self.faults.refuse, "emulated", "The script says so.")
        if headers.get(b"xi-api-key") != KEY.encode():
            return _refused(401, "invalid_api_key", "Invalid API key")
        wrong = _wrong(request)
        return _refused(400, "invalid_request", wrong) if wrong else None

    async def _speak_by_request(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Page Stream Speech (2026-11): raw audio in pieces."""
        headers = {"content-type": self.faults.content_type or "audio/basic", "request-id": "emulated-request"}
        sound = self.sound(request, str(request.messages[0]["text"]), scope)
        request.was_complete = await send_body(receive, send, 200, headers, sound)

    async def sound(self, request: Request, text: str, scope: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """A text's audio as it was asked for, with whatever goes wrong."""
        format = _format(request.query["output_format"][0])
        pcm = b"" if self.faults.empty_audio else spoken_pcm(_without_markup(text), format.rate)
        data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
        size, sent = 333 if self.faults.odd_chunks else format.size(CHUNK), 0
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            sent += len(piece)
            yield piece
            if _reached(self.faults.stall_after, sent):
                await asyncio.Event().wait()
            if _reached(self.faults.abort_after, sent):
                self.abort(scope)
                await asyncio.Event().wait()
            await asyncio.sleep(0)


class _Voice:
    """What both speech sockets have in common."""

    def __init__(self, office: ElevenLabs, request: Request, socket: WebSocket) -> None:
        self.office = office
        self.faults = office.faults
        self.request = request
        self.socket = socket

    async def run(self) -> None:
        """Read until the client leaves; what is being said then stops."""
        reading = asyncio.create_task(self._read())
        try:
            await reading
        finally:
            for task in self.tasks:
                task.cancel()
            if self.tasks:
                await asyncio.wait(self.tasks)

    tasks: set[asyncio.Task[None]]

    async def _read(self) -> None:
        self.tasks = set()
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            value = json.loads(message["text"])
            self.request.messages.append(value)
            if await self.take(value):
                return

    async def take(self, value: dict[str, Any]) -> bool:
        """Whether the connection is over."""
        raise NotImplementedError

    async def say(self, text: str, context: str | None) -> None:
        """Page Text to Speech WebSocket (2026-11), AudioOutput: samples with the times of the text's characters."""
        if self.faults.error_after is not None:
            await self.error(self.faults.error_after[1])
            return
        if self.faults.stray_context:
            await self.send({"audio": base64.b64encode(bytes(800)).decode(), "contextId": "text-before"})
        format = _format(self.request.query["output_format"][0])
        total = format.size(len(spoken_pcm(_without_markup(text), format.rate)) / 2 / format.rate)
        said, sent = 0, 0
        async for piece in self.office.sound(self.request, text, self.socket.scope):
            sent += len(piece)
            until = len(text) if sent >= total else len(text) * sent // total
            chars = text[said:until]
            each = round(format.seconds(len(piece)) * 1000 / max(len(chars), 1))
            alignment = {
                "chars": list(chars),
                "charStartTimesMs": [index * each for index in range(len(chars))],
                "charDurationsMs": [each] * len(chars),
            }
            said = until
            message: dict[str, Any] = {"audio": base64.b64encode(piece).decode(), "isFinal": None}
            message["alignment"] = message["normalizedAlignment"] = None if self.faults.no_alignment else alignment
            await self.send(message | ({} if context is None else {"contextId": context}))

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send_text(json.dumps(message))

    async def error(self, kind: str) -> None:
        await self.send({"message": "The script says so.", "error": kind, "code": 1008})
        await self.socket.close(1008, kind)


class _SingleVoice(_Voice):
    """Page Text to Speech WebSocket (2026-11): one text on a connection, which an empty text closes."""

    text = ""

    async def take(self, value: dict[str, Any]) -> bool:
        if value["text"] != "":
            self.text += value["text"]
            return False
        task = asyncio.create_task(self._finish())
        self.tasks.add(task)
        return False

    async def _finish(self) -> None:
        await self.say(self.text.strip(), None)
        if not self.faults.never_final:
            await self.send({"audio": None, "isFinal": True, "alignment": None, "normalizedAlignment": None})
        self.request.was_complete = True
        await self.socket.close(1000)


class _MultiVoice(_Voice):
    """Page Multi-Context WebSocket (2026-11): texts in contexts, at most five open; a flushed one cannot be stopped."""

    def __init__(self, office: ElevenLabs, request: Request, socket: WebSocket) -> None:
        super().__init__(office, request, socket)
        self.contexts: dict[str, str] = {}
        self.flushed: dict[str, asyncio.Task[None]] = {}
        self.used: set[str] = set()

    async def take(self, value: dict[str, Any]) -> bool:
        if value.get("close_socket"):
            await self.socket.close(1000)
            return True
        context = str(value["context_id"])
        if value.get("close_context"):
            self.contexts.pop(context, None)
            task = asyncio.create_task(self._close(context))
            self.tasks.add(task)
            return False
        if context not in self.contexts:
            if value["text"] != " " or context in self.used or len(self.contexts) >= MAX_CONTEXTS:
                await self.error("max_active_conversations")
                return True
            self.used.add(context)
        self.contexts[context] = self.contexts.get(context, "") + value["text"]
        if value.get("flush"):
            text = self.contexts[context].strip()
            self.flushed[context] = asyncio.create_task(self.say(text, context))
            self.tasks.add(self.flushed[context])
        return False

    async def _close(self, context: str) -> None:
        speaking = self.flushed.pop(context, None)
        if speaking is not None:
            await asyncio.wait([speaking])
            speaking.result()
        if not self.faults.never_final and self.faults.error_after is None:
            await self.send({"isFinal": True, "contextId": context})
            self.request.was_complete = True


class _Scribe:
    """Page Realtime speech to text (2026-11), and the realtime client of elevenlabs 2.78."""

    def __init__(self, office: ElevenLabs, request: Request, socket: WebSocket) -> None:
        self.office = office
        self.faults = office.faults
        self.request = request
        self.socket = socket
        self.format = _format(request.query["audio_format"][0])
        self.by_vad = request.query.get("commit_strategy") == ["vad"]
        self.silence = float(request.query.get("vad_silence_threshold_secs", ["1.5"])[0])
        self.committed = 0.0
        self.position = 0.0
        self.last_loud: float | None = None
        self.next_interim = INTERIM_EVERY
        self.said = ""

    @property
    def received(self) -> float:
        return self.format.seconds(len(self.request.audio))

    async def run(self) -> None:
        query = {name: values[0] for name, values in self.request.query.items()}
        await self.say(
            "session_started", session_id="emulated-session", config={"sample_rate": self.format.rate, **query}
        )
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            value = json.loads(message["text"])
            self.request.messages.append(value)
            if value.get("message_type") != "input_audio_chunk" or value["sample_rate"] != self.format.rate:
                await self.fail("input_error")
            self.request.audio += base64.b64decode(value["audio_base_64"], validate=True)
            await self._misbehave()
            await self._listen()
            if value["commit"]:
                if self.received - self.committed < LEAST_COMMITTED:
                    await self.fail("commit_throttled")  # the session ends with it
                await self.commit(self.received)

    async def _listen(self) -> None:
        while self.position + STEP <= self.received:
            at, self.position = self.position, round(self.position + STEP, 2)
            start = self.format.size(at)
            pcm = Frame(bytes(self.request.audio[start : start + self.format.size(STEP)]), self.format).pcm()
            if np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max(initial=0) > LOUD:
                self.last_loud = self.position
            elif self.by_vad and self.last_loud is not None and self.position - self.last_loud >= self.silence:
                await self.commit(self.position)
            if not self.said and (self.faults.two_finals or self.faults.empty_final) and self.position >= UNASKED_AT:
                words = self.heard(self.received).split()
                self.said = "" if self.faults.empty_final else " ".join(words[: len(words) // 2])
                await self.say("committed_transcript", text=self.said)
                self.said = self.said or " "
            if self.last_loud is not None and self.position - self.committed >= self.next_interim:
                self.next_interim += INTERIM_EVERY
                await self.say("partial_transcript", text=self.heard(self.position))

    def heard(self, until: float) -> str:
        first, last = self.format.size(self.committed), self.format.size(until)
        return " ".join(heard_in(bytes(self.request.audio[first:last]), self.format, self.office.known))

    async def commit(self, until: float) -> None:
        text = self.heard(until).removeprefix(self.said.strip()).strip()
        self.committed, self.last_loud, self.next_interim = until, None, INTERIM_EVERY
        self.position = max(self.position, until)
        if self.faults.never_final:
            return
        if self.faults.copies:
            await self.say("committed_transcript_with_timestamps", text=text, words=[], language_code="en")
        await self.say("committed_transcript", text=text)
        if self.faults.late_interim:
            await self.say("partial_transcript", text="late and wrong")

    async def say(self, kind: str, **more: Any) -> None:
        await self.socket.send_text(json.dumps({"message_type": kind, **more}))

    async def fail(self, kind: str) -> None:
        await self.say(kind, error="The script says so.")
        await self.socket.close(1008, kind)
        raise WebSocketDisconnect

    async def _misbehave(self) -> None:
        received = len(self.request.audio)
        if _reached(self.faults.stall_after, received):
            while (await self.socket.receive())["type"] != "websocket.disconnect":
                pass
            raise WebSocketDisconnect
        if _reached(self.faults.abort_after, received):
            self.office.abort(self.socket.scope)
            raise WebSocketDisconnect
        if self.faults.close_after is not None and received >= self.faults.close_after[0]:
            await self.socket.close(*self.faults.close_after[1:])
            raise WebSocketDisconnect
        if self.faults.error_after is not None and received >= self.faults.error_after[0]:
            await self.fail(self.faults.error_after[1])


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


def _wrong(request: Request) -> str:
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


def _refused(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"detail": {"status": kind, "message": message}}, status_code=status)


def _without_markup(text: str) -> str:
    return re.sub(r"\s*<[^>]*>\s*", " ", text).strip()


def _format(name: str) -> AudioFormat:
    encoding, rate = name.split("_")
    return AudioFormat(ENCODINGS[encoding], int(rate))


def _reached(limit: int | None, count: int) -> bool:
    return limit is not None and count >= limit
