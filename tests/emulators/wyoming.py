"""A Wyoming server that speaks and listens, on the protocol's own package (wyoming 1.10), with faults on demand.

https://github.com/OHF-Voice/wyoming, "Event Types" in its README, read in November 2026. Its order of events is that
of wyoming-faster-whisper and wyoming-piper: one request a connection, which the server then closes, unless told not to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler
from wyoming.tts import Synthesize

from audio.format import AudioFormat, Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.fakes.resembling import heard_in

MAKER = Attribution(name="emulated", url="https://example.com")


@dataclass
class Noted:
    """A connection, and when it was closed (time of the loop)."""

    asked: dict[str, Any] | None = None
    audio: bytearray = field(default_factory=bytearray)
    rate: int = 0
    finished: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float | None = None


class WyomingEmulator:
    """Says `spoken_pcm`, hears by resemblance. Its attributes are its faults.

    Attributes:
        known: What can be heard: L16 at 8 kHz by what is said in it.
        script: What is heard instead.
        rate, width, piece: Of its voice: samples per second, bytes of one, bytes of a chunk.
        other_rate: What the second chunk claims.
        sounds: What a text sounds like at a rate, L16.
        is_down: Nobody listens to those who connect.
        stall_after, break_after: Bytes of speech, or of a turn, after which nothing more comes, or it hangs up.
        leaves_unanswered: It hangs up when a turn is over.
        error: Its answer to everything.
        garbage: Sent instead of its first event.
        streams: It tells transcripts by pieces, too.
        goes_on: It does not hang up when a turn is over, and hears the next one.
        is_mute: It makes no sound at all.
    """

    def __init__(self, known: Mapping[str, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.connections: list[Noted] = []
        self.script: str | None = None
        self.rate, self.width, self.piece = 22050, 2, 2048
        self.other_rate: int | None = None
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.is_down = False
        self.stall_after: int | None = None
        self.break_after: int | None = None
        self.leaves_unanswered = False
        self.error: Error | None = None
        self.garbage: bytes | None = None
        self.streams = False
        self.goes_on = False
        self.is_mute = False
        self.arrived = asyncio.Event()
        self.silent = asyncio.Event()
        self._serving: set[asyncio.Task[Any]] = set()
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Gives the address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield "tcp://{}:{}".format(*server.sockets[0].getsockname())
        finally:
            server.close()
            for task in list(self._serving):
                task.cancel()
            if self._serving:
                await asyncio.wait(self._serving)

    def break_all(self) -> None:
        """Reset every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(writer)
        noted = Noted()
        self.connections.append(noted)
        if self.is_down:
            writer.transport.abort()
        handler = _Handler(self, noted, reader, writer)
        try:
            await handler.run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            noted.closed_at = asyncio.get_running_loop().time()
            noted.closed.set()
            self._serving.discard(task)
            self._open.discard(writer)

    def info(self) -> Info:
        """What ``describe`` is answered with."""
        common: dict[str, Any] = {"attribution": MAKER, "installed": True, "version": "1"}
        voices = [
            TtsVoice(name="en_GB-alba-medium", description="Alba", languages=["en_GB"], **common),
            TtsVoice(name="not-there", description=None, languages=["fr_FR"], **{**common, "installed": False}),
        ]
        models = [AsrModel(name="tiny", description=None, languages=["en"], **common)]
        return Info(
            tts=[TtsProgram(name="piper", description=None, voices=voices, **common)],
            asr=[AsrProgram(name="whisper", description=None, models=models, **common)],
        )


class _Handler(AsyncEventHandler):
    def __init__(
        self, emulator: WyomingEmulator, noted: Noted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(reader, writer)
        self._emulator, self._noted = emulator, noted
        self._begins = 0  # of the turn, in all the sound

    async def handle_event(self, event: Event) -> bool:
        emulator = self._emulator
        if emulator.garbage is not None:
            self.writer.write(emulator.garbage)
            await self.writer.drain()
            return False
        if emulator.error is not None:
            await self.write_event(emulator.error.event())
            return False
        if Describe.is_type(event.type):
            await self.write_event(emulator.info().event())
            return True
        if Synthesize.is_type(event.type):
            self._noted.asked = event.data
            await self._say(Synthesize.from_event(event).text)
            return False
        return await self._hear(event)

    async def _say(self, text: str) -> None:
        """audio-start, audio-chunk ..., audio-stop. Who hangs up meanwhile is noticed by reading."""
        emulator = self._emulator
        leaving = asyncio.create_task(self.reader.read())
        saying = asyncio.create_task(self._chunks(b"" if emulator.is_mute else emulator.sounds(text, emulator.rate)))
        try:
            await asyncio.wait([leaving, saying], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._noted.finished = saying.done() and not saying.cancelled() and saying.exception() is None
            leaving.cancel()
            saying.cancel()
            await asyncio.wait([leaving, saying])

    async def _chunks(self, sound: bytes) -> None:
        emulator = self._emulator
        described = {"rate": emulator.rate, "width": emulator.width, "channels": 1}
        await self.write_event(AudioStart(**described).event())
        for start in range(0, len(sound), emulator.piece):
            if emulator.stall_after is not None and start >= emulator.stall_after:
                await emulator.silent.wait()
            if emulator.break_after is not None and start >= emulator.break_after:
                return
            if start and emulator.other_rate is not None:
                described["rate"] = emulator.other_rate
            await self.write_event(AudioChunk(audio=sound[start : start + emulator.piece], **described).event())
        if emulator.break_after is None or len(sound) < emulator.break_after:
            await self.write_event(AudioStop().event())

    async def _hear(self, event: Event) -> bool:
        """transcribe, audio-start, audio-chunk ..., audio-stop; then the transcript, by pieces before that."""
        emulator, noted = self._emulator, self._noted
        if Transcribe.is_type(event.type):
            noted.asked = event.data
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert (chunk.width, chunk.channels, chunk.rate) == (2, 1, noted.rate)
            noted.audio += chunk.audio
            emulator.arrived.set()
            return emulator.break_after is None or len(noted.audio) < emulator.break_after
        elif AudioStart.is_type(event.type):
            noted.rate = AudioStart.from_event(event).rate
        elif AudioStop.is_type(event.type):
            if emulator.stall_after is not None:
                await self.reader.read()
                return False
            if emulator.leaves_unanswered:
                return False
            await self._tell(self._understood())
            noted.finished = True
            self._begins = len(noted.audio)
            return emulator.goes_on
        return True

    def _understood(self) -> str:
        if self._emulator.script is not None:
            return self._emulator.script
        return " ".join(
            heard_in(
                bytes(self._noted.audio[self._begins :]),
                AudioFormat(Encoding.L16, self._noted.rate),
                self._emulator.known,
            )
        )

    async def _tell(self, text: str) -> None:
        language = (self._noted.asked or {}).get("language")
        if self._emulator.streams:
            await self.write_event(TranscriptStart(language=language).event())
            for word in text.split():
                await self.write_event(TranscriptChunk(text=word + " ").event())
        await self.write_event(Transcript(text=text, language=language).event())
        if self._emulator.streams:
            await self.write_event(TranscriptStop().event())
