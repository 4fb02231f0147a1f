"""What is said on the emulated ElevenLabs' sockets: speech in one context or in several, and Scribe's listening.

Sources: as in `tests.emulators.elevenlabs`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.frame import Frame
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.elevenlabs_asked import format_of, without_markup
from tests.emulators.speech_office import Request
from tests.fakes.resembling import heard_in

if TYPE_CHECKING:
    from tests.emulators.elevenlabs import ElevenLabs

LEAST_COMMITTED = 0.3
INTERIM_EVERY = 0.5
UNASKED_AT = 2.5
MAX_CONTEXTS = 5
STEP = 0.02
LOUD = 300


class Voice:
    """What both speech sockets have in common."""

    def __init__(self, office: ElevenLabs, request: Request, socket: WebSocket) -> None:
        self.office = office
        self.faults = office.faults
        self.request = request
        self.socket = socket
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read until the client leaves; what is being said then stops."""
        try:
            await self._read()
        finally:
            for task in self.tasks:
                task.cancel()
            if self.tasks:
                await asyncio.wait(self.tasks)

    async def _read(self) -> None:
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
        format = format_of(self.request.query["output_format"][0])
        total = format.size(len(spoken_pcm(without_markup(text), format.rate)) / 2 / format.rate)
        said, sent = 0, 0
        async for piece in self.office.sound(self.request, text, self.socket.scope):
            speech = format.seconds(max(0, min(len(piece), total - sent)))  # the rest is silence
            sent += len(piece)
            until = len(text) if sent >= total else len(text) * sent // total
            chars = text[said:until]
            each = round(speech * 1000 / max(len(chars), 1))
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


class SingleVoice(Voice):
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


class MultiVoice(Voice):
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


class Scribe:
    """Page Realtime speech to text (2026-11), and the realtime client of elevenlabs 2.78."""

    def __init__(self, office: ElevenLabs, request: Request, socket: WebSocket) -> None:
        self.office = office
        self.faults = office.faults
        self.request = request
        self.socket = socket
        self.format = format_of(request.query["audio_format"][0])
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
        await self.office.misbehave(self.socket, received)
        if self.faults.error_after is not None and received >= self.faults.error_after[0]:
            await self.fail(self.faults.error_after[1])
