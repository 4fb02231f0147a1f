"""Azure Speech's other side: recognition over the SDK's WebSocket protocol (USP), voices over REST, on this machine.

USP has no page: its messages are those that the SDK (azure-cognitiveservices-speech 1.53, October 2026) was seen to
send and accept in November 2026. REST: learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech.
Time is the time of the audio that was received. It knows nothing of the gateway's adapter.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.fakes.resembling import heard_in
from tests.fakes.shared_port import served

KEY = "0123456789abcdef0123456789abcdef"
TICKS = 10_000_000
HEADER_BYTES = 44
VOICED_PEAK = 300
VOICES = ("en-GB-SoniaNeural", "fr-FR-DeniseNeural", "fr-FR-HenriNeural", "en-US-AvaMultilingualNeural")
SSML = {"speak", "voice", "lang", "p", "s", "phoneme", "sub", "say-as", "prosody", "break", "emphasis", "bookmark"}
SSML |= {"express-as", "silence", "audio", "lexicon", "math", "viseme"}  # .../speech-synthesis-markup-structure

_TAGS = {1: Encoding.L16, 6: Encoding.PCMA, 7: Encoding.PCMU}  # RIFF format tags
_OUTPUTS = {
    "raw-8khz-8bit-mono-mulaw": AudioFormat(Encoding.PCMU, 8000),
    "raw-8khz-8bit-mono-alaw": AudioFormat(Encoding.PCMA, 8000),
    "raw-8khz-16bit-mono-pcm": AudioFormat(Encoding.L16, 8000),
    "raw-16khz-16bit-mono-pcm": AudioFormat(Encoding.L16, 16000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message by script.

    Attributes:
        after: Seconds of received audio from which on it is sent; None: once the audio has ended.
        status: RecognitionStatus of a final.
        others: Further readings of a final.
    """

    text: str = ""
    final: bool = True
    after: float | None = None
    status: str = "Success"
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong."""

    status: int = 0
    """Every request and handshake gets this status."""
    hold_handshake: bool = False
    stall_after: float | None = None
    """Recognition: seconds of audio after which nothing is read and nothing is said."""
    close_after: float | None = None
    """Recognition: seconds of audio after which the connection is closed with 1011."""
    close_at_end: bool = False
    """Recognition: it is closed so once the audio has ended."""
    hold_final: bool = False
    """Recognition: nothing is said after the end until `AzureEmulator.released`."""
    garbage: bool = False
    """Recognition: a message that is none, instead of the first hypothesis or phrase."""
    stall_speech_after: int | None = None
    break_speech_after: int | None = None
    empty: bool = False
    content_type: str = "audio/basic"


@dataclass(slots=True)
class Session:
    """A connection for recognition as it came."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    config: Any = None
    context: Any = None
    format: AudioFormat | None = None
    audio: bytearray = field(default_factory=bytearray)
    has_ended: bool = False
    closed_at: float | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Spoken:
    """A request for speech as it came."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    sent: int = 0
    closed_at: float | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class AzureEmulator:
    """A server while `serve` is entered.

    Args:
        known: Recordings (L16 at 8 kHz) by what is said in them, for sessions that have no script.
        script: What every session is answered, instead of hearing.

    Attributes:
        sounds: What a text sounds like at a rate, L16.
        sessions: Connections for recognition, in order.
        spoken: Likewise requests for speech.
        began: Set when audio, or a request for speech, has arrived.
        stalled: Set when speech has stopped coming, by a fault.
    """

    def __init__(
        self,
        *,
        known: Mapping[str, bytes] | None = None,
        script: tuple[Said, ...] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.known = dict(known or {})
        self.script = script
        self.faults = faults or Faults()
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.sessions: list[Session] = []
        self.spoken: list[Spoken] = []
        self.began = asyncio.Event()
        self.released = asyncio.Event()
        self.stalled = asyncio.Event()
        self.url = ""
        self._app = Starlette(
            routes=[
                WebSocketRoute("/speech/{rest:path}", self._recognize),
                WebSocketRoute("/stt/{rest:path}", self._recognize),
                Route("/cognitiveservices/v1", self._speak, methods=["POST"]),
                Route("/cognitiveservices/voices/list", self._list_voices),
            ]
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Gives the base address."""
        async with served(self._app) as where:
            self.url = f"http://{where}"
            try:
                yield self.url
            finally:
                self.released.set()

    def _refusal(self, headers: Mapping[str, str]) -> int:
        if headers.get("ocp-apim-subscription-key") != KEY:
            return 401
        return self.faults.status

    # --- recognition ------------------------------------------------------------------------------------------------
    async def _recognize(self, socket: WebSocket) -> None:
        if refusal := self._refusal(socket.headers):
            await socket.send_denial_response(PlainTextResponse("refused", refusal))
            return
        if "USP" not in socket.scope["subprotocols"]:
            await socket.send_denial_response(PlainTextResponse("no USP", 400))
            return
        if self.faults.hold_handshake:
            await self.released.wait()
        await socket.accept(subprotocol="USP")
        session = Session(dict(socket.query_params), dict(socket.headers))
        self.sessions.append(session)
        try:
            await _Turn(self, socket, session).run()
        except WebSocketDisconnect:
            pass
        finally:
            session.closed_at = asyncio.get_running_loop().time()
            session.closed.set()

    # --- voices -----------------------------------------------------------------------------------------------------
    async def _speak(self, request: Request) -> Response:
        body = (await request.body()).decode()
        taken = Spoken(dict(request.query_params), dict(request.headers), body)
        self.spoken.append(taken)
        self.began.set()
        if refusal := self._refusal(request.headers):
            return PlainTextResponse("refused", refusal)
        wrong = _wrong_request(request.headers, body)
        if wrong:
            return PlainTextResponse(wrong, 400)
        format = _OUTPUTS[request.headers["x-microsoft-outputformat"]]
        text = "" if self.faults.empty else " ".join("".join(ElementTree.fromstring(body).itertext()).split())
        pcm = self.sounds(text, format.rate) if text else b""
        data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
        headers = {"X-RequestId": "emulated"}
        return StreamingResponse(self._pieces(taken, data), headers=headers, media_type=self.faults.content_type)

    async def _pieces(self, taken: Spoken, data: bytes) -> AsyncIterator[bytes]:
        """Pieces of an odd number of bytes, so that samples are torn apart."""
        faults = self.faults
        try:
            for start in range(0, len(data), 1601):
                if faults.stall_speech_after is not None and taken.sent >= faults.stall_speech_after:
                    self.stalled.set()
                    await self.released.wait()
                if faults.break_speech_after is not None and taken.sent >= faults.break_speech_after:
                    raise ConnectionAbortedError
                piece = data[start : start + 1601]
                taken.sent += len(piece)
                yield piece
            if faults.break_speech_after is not None and taken.sent >= faults.break_speech_after:
                raise ConnectionAbortedError
        finally:
            taken.closed_at = asyncio.get_running_loop().time()
            taken.closed.set()

    async def _list_voices(self, request: Request) -> Response:
        if refusal := self._refusal(request.headers):
            return PlainTextResponse("refused", refusal)
        return JSONResponse(
            [{"ShortName": name, "Locale": name[:5], "Gender": "Female", "StyleList": ["chat"]} for name in VOICES]
        )


class _Turn:
    """One request id: from its context to its ``turn.end``."""

    def __init__(self, emulator: AzureEmulator, socket: WebSocket, session: Session) -> None:
        self._emulator = emulator
        self._socket = socket
        self._session = session
        self._id = ""
        self._script = list(emulator.script or ())
        self._spoke = False
        self._quiet = 0.0
        self._heard: list[str] = []

    async def run(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                self._read_text(message["text"])
            else:
                await self._read_audio(message["bytes"])

    def _read_text(self, text: str) -> None:
        head, _, body = text.partition("\r\n\r\n")
        path = _headers(head)["path"]
        if path == "speech.config":
            self._session.config = json.loads(body)
        elif path == "speech.context":
            self._session.context = json.loads(body)

    async def _read_audio(self, message: bytes) -> None:
        size = struct.unpack_from(">H", message)[0]
        headers, data = _headers(message[2 : 2 + size].decode()), message[2 + size :]
        assert headers["path"] == "audio"
        if self._id != headers["x-requestid"]:
            self._id = headers["x-requestid"]
            await self._send("turn.start", {"context": {"serviceTag": "emulated"}})
        if self._session.format is None:
            self._session.format, data = _format_of(data), data[HEADER_BYTES:]
            if not data:
                return
        if not data:
            await self._end()
            return
        self._session.audio += data
        self._emulator.began.set()
        await self._fail_in_time()
        await self._segment(data)
        while self._script and self._script[0].after is not None and self._seconds >= self._script[0].after:
            await self._say(self._script.pop(0))

    @property
    def _seconds(self) -> float:
        assert self._session.format is not None
        return self._session.format.seconds(len(self._session.audio))

    async def _fail_in_time(self) -> None:
        faults = self._emulator.faults
        if faults.close_after is not None and self._seconds >= faults.close_after:
            await self._break_off()
        if faults.stall_after is not None and self._seconds >= faults.stall_after:
            await self._emulator.released.wait()

    async def _break_off(self) -> None:
        await self._socket.close(1011, "internal error")
        raise WebSocketDisconnect(1011)

    async def _segment(self, data: bytes) -> None:
        """Tell that speech has started; end an utterance by a pause, where one was asked for."""
        format = self._session.format
        assert format is not None
        pcm = data if format.encoding is Encoding.L16 else g711.decode(data, format.encoding)
        samples = np.frombuffer(pcm, "<i2").astype(int)
        step = round(format.rate * 0.02)
        for start in range(0, len(samples), step):
            is_voiced = np.abs(samples[start : start + step]).max(initial=0) > VOICED_PEAK
            self._quiet = 0.0 if is_voiced else self._quiet + 0.02
            if is_voiced and not self._spoke:
                self._spoke = True
                await self._send("speech.startDetected", {"Offset": round(self._seconds * TICKS)})
        pause = self._pause()
        if self._spoke and pause is not None and self._quiet >= pause and self._emulator.script is None:
            self._spoke = False
            await self._hear()

    def _pause(self) -> float | None:
        detection = self._session.context["phraseDetection"]
        segmentation = detection.get(detection.get("mode", ""), {}).get("segmentation", {})
        silence = segmentation.get("segmentationSilenceTimeoutMs")
        return None if silence is None else silence / 1000

    async def _hear(self) -> None:
        session = self._session
        assert session.format is not None
        for text in heard_in(bytes(session.audio), session.format, self._emulator.known):
            if text not in self._heard:
                self._heard.append(text)
                await self._say(Said(text=text.split()[0], final=False))
                await self._say(Said(text=text))

    async def _end(self) -> None:
        self._session.has_ended = True
        if self._emulator.faults.close_at_end:
            await self._break_off()
        if self._emulator.faults.hold_final:
            await self._emulator.released.wait()
        for said in self._script:
            await self._say(said)
        if self._emulator.script is None:
            await self._hear()
        offset = round(self._seconds * TICKS)  # all that was received: otherwise the SDK sends the rest once more
        await self._send("speech.endDetected", {"Offset": offset})
        await self._send("speech.phrase", {"RecognitionStatus": "EndOfDictation", "Offset": offset, "Duration": 0})
        await self._send("turn.end", {})

    async def _say(self, said: Said) -> None:
        if self._emulator.faults.garbage:
            await self._socket.send_text("this is no message")
            return
        body: dict[str, Any] = {"Offset": 0, "Duration": round(self._seconds * TICKS)}
        if detected := self._detected():
            body["PrimaryLanguage"] = {"Language": detected, "Confidence": "High"}
        if not said.final:
            await self._send("speech.hypothesis", {"Text": said.text, **body})
            return
        body |= {"RecognitionStatus": said.status, "DisplayText": said.text}
        if self._session.query.get("format") == "detailed" and said.status == "Success":
            body["NBest"] = [
                {"Confidence": 0.9 - index / 10, "Lexical": _plain(text), "ITN": _plain(text), "Display": text}
                for index, text in enumerate((said.text, *said.others))
            ]
        await self._send("speech.phrase", body)

    def _detected(self) -> str | None:
        """The first candidate, where the language is to be found out."""
        languages = self._session.context.get("languageId", {}).get("languages", [])
        return languages[0] if languages else None

    async def _send(self, path: str, body: Any) -> None:
        head = f"X-RequestId:{self._id}\r\nPath:{path}\r\nContent-Type:application/json; charset=utf-8"
        await self._socket.send_text(f"{head}\r\n\r\n{json.dumps(body)}")


def _headers(head: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in head.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _format_of(header: bytes) -> AudioFormat:
    assert header[:4] == b"RIFF"
    tag, channels, rate = struct.unpack_from("<HHI", header, 20)
    assert channels == 1
    return AudioFormat(_TAGS[tag], rate)


def _plain(text: str) -> str:
    """The words without marks and capitals."""
    return re.sub(r"[^\w\s'-]", "", text).lower()


def _wrong_request(headers: Mapping[str, str], body: str) -> str:
    """Why a request for speech is refused; empty when it is right."""
    if headers.get("content-type", "").partition(";")[0] != "application/ssml+xml":
        return "The Content-Type is unsupported."
    if headers.get("x-microsoft-outputformat") not in _OUTPUTS:
        return "Unsupported audio format."
    if not headers.get("user-agent"):
        return "The User-Agent is missing."
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "SSML is not well-formed."
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    lang = root.get("{http://www.w3.org/XML/1998/namespace}lang")
    if tags[0] != "speak" or root.get("version") != "1.0" or not lang or set(tags) - SSML:
        return "SSML is invalid."
    voices = [child for child in root if child.tag.endswith("}voice")]
    if len(voices) != 1 or tags.count("voice") != 1 or voices[0].get("name") not in VOICES:
        return "Unsupported voice."
    return "" if "".join(root.itertext()).strip() else "There is no text."
