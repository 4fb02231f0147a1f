"""A speech vendor on the other end of real sockets: the plug-in that the benchmark's gateway speaks and hears with.

It does what a vendor's adapter does: keeps sockets warm between streams, sends the caller's audio as it comes from the
call (messages of 100 ms), and passes speech on piece by piece. The other side is `benchmarks.stubs`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from audio.format import PCMU_8K
from audio.frame import Frame
from config.speech import SpeechSection
from gateway.errors import VendorUnavailable
from gateway.events import Transcript
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpeechHeard,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
)


class BenchSpeechSection(SpeechSection):
    """``url``: where the stubs are, such as `ws://127.0.0.1:9000`."""


class Sockets:
    """Warm connections to one endpoint; a stream has one to itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[ClientConnection] = []
        self._open: set[ClientConnection] = set()

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[ClientConnection]:
        """One that goes back when all went well, and is closed otherwise."""
        socket = self._idle.pop() if self._idle else await self._connect()
        try:
            yield socket
        except BaseException as error:
            self._open.discard(socket)
            socket.transport.abort()  # in the middle of something: nobody may get it
            if isinstance(error, WebSocketException):
                raise VendorUnavailable("the stub broke off", vendor="bench", operation="stream") from error
            raise
        self._idle.append(socket)

    async def _connect(self) -> ClientConnection:
        try:
            socket = await connect(self._url, compression=None, ping_interval=None, max_size=None)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise VendorUnavailable("no connection to the stub", vendor="bench", operation="connect") from error
        self._open.add(socket)
        return socket

    async def close(self) -> None:
        for socket in self._open:
            await socket.close()


class BenchStream:
    """One caller turn."""

    def __init__(self, socket: ClientConnection, number: int) -> None:
        self._socket = socket
        self._number = number
        self.is_over = False

    async def push(self, frame: Frame) -> None:
        await self._socket.send(frame.data)

    async def finish(self) -> None:
        await self._tell("finish")

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while not self.is_over:
            result: dict[str, Any] = json.loads(await self._socket.recv())
            if result["stream"] != self._number:
                continue  # of the stream before
            self.is_over = result["type"] == "final"
            if result["text"]:
                yield Transcript(text=result["text"], final=self.is_over)

    async def start(self) -> None:
        await self._tell("start")

    async def _tell(self, what: str) -> None:
        await self._socket.send(json.dumps({"type": what, "stream": self._number}))


class BenchRecognizer:
    def __init__(self, url: str) -> None:
        self.sockets = Sockets(url)
        self._numbers = itertools.count(1)
        self.capabilities = RecognizerCapabilities(formats=(PCMU_8K,))

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[RecognitionStream]:
        async with self.sockets.borrow() as socket:
            stream = BenchStream(socket, next(self._numbers))
            await stream.start()
            yield stream


class BenchSynthesizer:
    def __init__(self, url: str) -> None:
        self.sockets = Sockets(url)
        self.capabilities = SynthesizerCapabilities(formats=(PCMU_8K,))

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        async with self.sockets.borrow() as socket:
            await socket.send(json.dumps({"type": "speak", "text": utterance.text}))
            position = 0
            while isinstance(message := await socket.recv(), bytes):
                yield SpokenFrame(Frame(message, PCMU_8K, position))
                position += len(message)


class BenchSpeech:
    """See `gateway.plugins`."""

    Section = BenchSpeechSection

    def __init__(self, name: str, settings: BenchSpeechSection, http: Any = None) -> None:
        self.recognizer = BenchRecognizer(f"{settings.url}/stt")
        self.synthesizer = BenchSynthesizer(f"{settings.url}/tts")

    async def start(self) -> None:
        """Sockets are opened when they are needed."""

    async def close(self) -> None:
        async with asyncio.timeout(5):
            await self.recognizer.sockets.close()
            await self.synthesizer.sockets.close()
