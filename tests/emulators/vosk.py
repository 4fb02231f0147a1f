"""A Vosk server as ``websocket/asr_server.py`` of https://github.com/alphacep/vosk-server (May 2025, read in November
2026) behaves: ``config`` is not answered, every other message by exactly one. With faults on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from audio.format import AudioFormat, Encoding
from tests.fakes.resembling import heard_in

EOF = '{"eof" : 1}'
RESET = '{"reset" : 1}'
VOICED_PEAK = 300
PAUSE = 0.5
"""Seconds of silence after which Kaldi ends an utterance by itself (its rule with words; the real one weighs more)."""

LOOK_EVERY = 0.4
"""Seconds of sound between two looks at what it is: each compares it with every known recording."""


@dataclass
class Noted:
    """A connection, and when it was closed (time of the loop)."""

    config: dict[str, Any] = field(default_factory=dict)
    audio: bytearray = field(default_factory=bytearray)
    finished: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float | None = None


class VoskEmulator:
    """Hears by resemblance. Its attributes are its faults.

    Attributes:
        known: What can be heard: L16 at 8 kHz by what is said in it.
        script: What is heard instead.
        status: Refuses the upgrade with this status.
        stall_after, break_after: Bytes of sound after which it answers no more, or hangs up.
        leaves_unanswered: It hangs up when a turn is over.
        is_in_cpp: It is `websocket-cpp/asr_server.cpp` of the same repository, to which ``reset`` is sound.
        garbage: Its answer to everything.
        opened: The upgrade is answered once this is set.
    """

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.connections: list[Noted] = []
        self.script: str | None = None
        self.status: int | None = None
        self.stall_after: int | None = None
        self.break_after: int | None = None
        self.leaves_unanswered = False
        self.is_in_cpp = False
        self._open: set[ServerConnection] = set()
        self.garbage: str | None = None
        self.opened = asyncio.Event()
        self.opened.set()
        self.arrived = asyncio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Gives the address."""
        async with serve(self._recognize, "127.0.0.1", 0, process_request=self._welcome, close_timeout=0.1) as server:
            yield "ws://{}:{}/".format(*next(iter(server.sockets)).getsockname())

    def break_all(self) -> None:
        """Reset every connection."""
        for connection in self._open:
            connection.transport.abort()

    async def _welcome(self, connection: ServerConnection, request: Request) -> Response | None:
        await self.opened.wait()
        return None if self.status is None else Response(self.status, "refused", Headers(), b"no")

    async def _recognize(self, connection: ServerConnection) -> None:
        noted = Noted()
        self.connections.append(noted)
        self._open.add(connection)
        ear: _Ear | None = None
        try:
            async for message in connection:
                if isinstance(message, str) and "config" in message:
                    noted.config = json.loads(message)["config"]
                    continue
                if isinstance(message, bytes):
                    noted.audio += message
                    self.arrived.set()
                if self._leaves(noted, message):
                    await connection.close(1011)
                elif self.stall_after is not None and len(noted.audio) >= self.stall_after:
                    continue
                ear = ear or _Ear(self, noted, dict(noted.config))  # what is configured later changes nothing
                await connection.send(self.garbage or json.dumps(ear.answer(message)))
                noted.finished = message in (EOF, RESET)
                if message == EOF:
                    return
        except ConnectionClosed:
            pass
        finally:
            self._open.discard(connection)
            noted.closed_at = asyncio.get_running_loop().time()
            noted.closed.set()

    def _leaves(self, noted: Noted, message: str | bytes) -> bool:
        if self.break_after is not None and len(noted.audio) >= self.break_after:
            return True
        return self.leaves_unanswered and message in (EOF, RESET)


class _Ear:
    """A ``KaldiRecognizer``: answers with what it hears so far, or with an utterance that a pause has ended."""

    def __init__(self, emulator: VoskEmulator, noted: Noted, config: dict[str, Any]) -> None:
        self._emulator, self._noted, self._config = emulator, noted, config
        self._utterance = bytearray()
        self._silence = 0.0
        self._partial = ""
        self._looked_at = 0

    def answer(self, message: str | bytes) -> dict[str, Any]:
        if message == EOF or (message == RESET and not self._emulator.is_in_cpp):
            return self._final()
        if message == RESET:
            return {"partial": self._partial}
        assert isinstance(message, bytes), message
        assert len(message) % 2 == 0
        self._utterance += message
        is_loud = np.abs(np.frombuffer(message, "<i2").astype(np.int32)).max(initial=0) >= VOICED_PEAK
        self._silence = 0.0 if is_loud else self._silence + self._format.seconds(len(message))
        if len(self._utterance) - self._looked_at >= self._format.size(LOOK_EVERY):
            self._looked_at = len(self._utterance)
            self._partial = self._text()
        if self._silence >= PAUSE and self._partial:
            return self._final()
        return {"partial": " ".join(self._partial.split()[:2])}

    @property
    def _format(self) -> AudioFormat:
        return AudioFormat(Encoding.L16, int(self._config.get("sample_rate", 8000)))

    def _text(self) -> str:
        if self._emulator.script is not None:
            return self._emulator.script
        text = " ".join(heard_in(bytes(self._utterance), self._format, self._emulator.known))
        text = " ".join("".join(c for c in text.lower() if c.isalnum() or c in " '").split())
        allowed = self._config.get("phrase_list")
        return text if not allowed or text in allowed else "[unk]" if text else ""

    def _final(self) -> dict[str, Any]:
        text = self._text()
        self._utterance.clear()
        self._partial, self._looked_at = "", 0
        if self._config.get("max_alternatives"):
            return {"alternatives": [{"text": text, "confidence": 240.5}, {"text": text + " too", "confidence": 230.1}]}
        words = [{"word": word, "start": 0.0, "end": 1.0, "conf": 0.8} for word in text.split()]
        return {"result": words, "text": text} if words and self._config.get("words") else {"text": text}
