"""The vendors' other side, as cheap as possible: a recognizer, a synthesizer and a TALKR bot on one port.

Everything is answered at once, so that the time between a turn's events is the gateway's own. When they happened is
kept per turn, on the clock that all processes of this machine share, and fetched with ``GET /turns``.

`/stt`  WebSocket; JSON ``start``, then binary mu-law, ``finish`` or ``cancel``; answers ``partial`` and ``final``.
`/tts`  WebSocket; JSON ``{"text"}``; answers binary mu-law in messages of 200 ms, then ``done``.
`/api/` HTTP; the TALKR Chatbot API. `/repeat` and `/vary`: answer the same few texts, which are cached, or new ones.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from collections import OrderedDict
from typing import Any, cast

import uvloop

from benchmarks import sound, wire

GREETING = "Welcome to the benchmark of the gateway, and this is the only sentence before the first question."
"""One sentence, because each is asked for by itself, and a stub says the same length whatever it is asked."""
MAX_TURNS = 100_000
REPEATED = 8
MESSAGE = 1600
PARTIAL_EVERY = 8
"""Messages of the caller's voice between two partial transcripts: 0.8 s."""
VOICED = 0.1
"""Part of loud samples from which a message has voice in it."""
_SOFT = bytes(code for code in range(256) if (code | 0x80) >= 0xD8)
_NUMBER = re.compile(r"(\d+)")


class Turns:
    """When what happened, by the number of the turn."""

    def __init__(self) -> None:
        self._numbers = itertools.count(100)
        self._times: OrderedDict[int, dict[str, float]] = OrderedDict()

    def begin(self, **times: float) -> int:
        number = next(self._numbers)
        self._times[number] = times
        if len(self._times) > MAX_TURNS:
            self._times.popitem(last=False)
        return number

    def note(self, number: int, **times: float) -> None:
        if number in self._times:
            for name, value in times.items():
                self._times[number].setdefault(name, value)

    def take(self) -> dict[int, dict[str, float]]:
        taken, self._times = dict(self._times), OrderedDict()
        return taken


class House:
    """What all connections share."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.repeats = False
        self._sessions = itertools.count(1)
        self._asked: OrderedDict[str, int] = OrderedDict()

    def bot(self, body: bytes) -> dict[str, Any]:
        """An answer of the vendor's document: a greeting, or a sentence that names the turn it answers."""
        now = time.monotonic()
        asked = json.loads(body) if body.strip() else {}
        if not asked:
            return _reply(f"s{next(self._sessions)}", GREETING)
        session, said = asked["session"], asked["variables"]["userresponse"]
        found = _NUMBER.search(said)
        number = int(found[1]) if found else 0
        self.turns.note(number, bot_asked=now)
        if self.repeats:
            number = self._asked[session] = self._asked.get(session, 0) % REPEATED + 1
            if len(self._asked) > MAX_TURNS:
                self._asked.popitem(last=False)
        text = f"This is answer number {number}, and it takes as long to say as all the others."
        reply = _reply(session, text)
        self.turns.note(number, bot_answered=time.monotonic())
        return reply


def _reply(session: str, text: str) -> dict[str, Any]:
    return {
        "session": session,
        "code": 200,
        "name": "bench",
        "language": {"name": "English", "slug": "EN"},
        "variables": {"bot_answer": text},
        "data": {
            "messages": [{"type": "text", "content": text}],
            "responses": [{"type": "custom", "content": "What did you say?", "tracking": "1"}],
            "object_id": text[:40],
            "has_background_text": 0,
            "retries": 2,
            "hangup_no_response": 0,
            "speech_recognizer": {"language": "en-GB", "timeout": 7},
        },
    }


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, until a WebSocket is asked for."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._buffer = b""
        self._reader: wire.FrameReader | None = None
        self._is_listening = False
        self._voiced = self._heard = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self._buffer += data
            self._read_requests()
            return
        for opcode, payload in self._reader.feed(data):
            if opcode == wire.BINARY:
                self._hear(payload)
            elif opcode == wire.TEXT:
                self._obey(json.loads(payload))
            elif opcode == wire.PING:
                self._transport.write(wire.server_frame(payload, wire.PONG))
            elif opcode == wire.CLOSE:
                self._transport.write(wire.server_frame(payload[:2], wire.CLOSE))
                self._transport.close()

    def _say(self, **message: Any) -> None:
        self._transport.write(wire.server_frame(json.dumps(message).encode()))

    # --- the recognizer ----------------------------------------------------------------------------------------------
    def _hear(self, audio: bytes) -> None:
        if len(audio.translate(None, _SOFT)) < VOICED * len(audio):
            return
        self._voiced += 1
        if self._voiced % PARTIAL_EVERY == 0:
            self._say(type="partial", stream=self._heard, text="and so on " * (self._voiced // PARTIAL_EVERY))

    def _obey(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "start":
                self._heard, self._voiced = message["stream"], 0
            case "finish":
                self._finish(message["stream"])
            case "speak":
                self._speak(message["text"])

    def _finish(self, stream: int) -> None:
        text = ""
        if self._voiced:
            number = self._house.turns.begin(finish_asked=time.monotonic())
            text = f"my question has the number {number}"
            self._house.turns.note(number, text_sent=time.monotonic())
        self._say(type="final", stream=stream, text=text)

    # --- the synthesizer ---------------------------------------------------------------------------------------------
    def _speak(self, text: str) -> None:
        asked = time.monotonic()
        found = _NUMBER.search(text)
        number = int(found[1]) if found else 0
        clips = sound.prompt_clips()
        audio = sound.stamp(clips[number % len(clips)], number)
        self._house.turns.note(number, speech_asked=asked, speech_sent=time.monotonic())
        messages = [audio[at : at + MESSAGE] for at in range(0, len(audio), MESSAGE)]
        self._transport.writelines([wire.server_frame(message, wire.BINARY) for message in messages])
        self._say(type="done")

    # --- HTTP --------------------------------------------------------------------------------------------------------
    def _read_requests(self) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lines = self._buffer[:end].split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
            size = int(headers.get(b"content-length", 0))
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            if b"sec-websocket-key" in headers:
                self._transport.write(wire.server_handshake(headers[b"sec-websocket-key"]))
                self._reader = wire.FrameReader()
                return
            self._answer(lines[0].split(b" ")[1].decode(), body)

    def _answer(self, path: str, body: bytes) -> None:
        value: Any = {}
        if path.startswith("/api/"):
            value = self._house.bot(body)
        elif path == "/turns":
            value = self._house.turns.take()
        elif path in ("/repeat", "/vary"):
            self._house.repeats = path == "/repeat"
        data = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self._transport.write(head.encode() + data)


async def serve() -> None:
    sound.prompt_clips()
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(house), "127.0.0.1", 0, backlog=2048)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until the parent closes it, or dies
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
