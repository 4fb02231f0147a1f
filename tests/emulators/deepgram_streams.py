"""What is said on the emulated Deepgram's sockets: Nova's and Flux's listening, and speech.

Sources: as in `tests.emulators.deepgram`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio.frame import Frame
from tests.emulators.deepgram_asked import format_of
from tests.emulators.speech_office import Request, reached
from tests.fakes.resembling import heard_in

if TYPE_CHECKING:
    from tests.emulators.deepgram import Deepgram

CLOSE_WITHOUT_CODE = bytes([0x88, 0x00])  # RFC 6455 section 5.5.1
LOUD = 300
STEP = 0.02
INTERIM_EVERY = 0.5
UPDATE_EVERY = 0.25  # page Flux State Machine: an Update about every quarter of a second
FLUX_PAUSE = 0.5
MODEL_INFO = {"name": "general-nova-3", "version": "2025-04-17.21547", "arch": "nova-3"}


class Stream:
    """What the sockets have in common."""

    def __init__(self, office: Deepgram, request: Request, socket: WebSocket) -> None:
        self.office = office
        self.faults = office.faults
        self.request = request
        self.socket = socket
        self.format = format_of(request)

    async def run(self) -> None:
        if self.faults.garbage:
            await self.socket.send_text("<html>no JSON</html>")
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                self.request.audio += message["bytes"]
                await self._misbehave()
                await self.audio()
            else:
                value = json.loads(message["text"])
                self.request.messages.append(value)
                if await self.control(value):
                    return

    async def say(self, **message: Any) -> None:
        await self.socket.send_text(json.dumps(message))

    async def audio(self) -> None:
        raise NotImplementedError

    async def control(self, message: dict[str, Any]) -> bool:
        """Whether the stream is over."""
        raise NotImplementedError

    @property
    def received(self) -> float:
        return self.format.seconds(len(self.request.audio))

    def heard(self, start: float, end: float | None = None) -> str:
        """What is said between two places of the audio."""
        first, last = self.format.size(start), None if end is None else self.format.size(end)
        return " ".join(heard_in(bytes(self.request.audio[first:last]), self.format, self.office.known))

    def is_loud(self, at: float) -> bool:
        """Whether there is speech in the step that begins there."""
        start = self.format.size(at)
        pcm = Frame(bytes(self.request.audio[start : start + self.format.size(STEP)]), self.format).pcm()
        return bool(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max(initial=0) > LOUD)

    async def _misbehave(self) -> None:
        received = len(self.request.audio)
        await self.office.misbehave(self.socket, received)
        if reached(self.faults.error_after, received):
            await self.error()

    async def error(self) -> None:
        """Type ListenV1Error of deepgram-sdk 7.17."""
        await self.say(type="Error", variant="EMULATED", description="The script says so.")


class NovaStream(Stream):
    """Reference of /v1/listen (2026-11), pages Finalize, Close Stream, Interim Results, Endpointing, Utterance End."""

    def __init__(self, office: Deepgram, request: Request, socket: WebSocket) -> None:
        super().__init__(office, request, socket)
        query = request.query
        self.interim = query.get("interim_results") == ["true"]
        self.vad_events = query.get("vad_events") == ["true"]
        endpointing = query.get("endpointing", ["10"])[0]
        self.pause = None if endpointing == "false" else int(endpointing) / 1000
        self.utterance_end = int(query["utterance_end_ms"][0]) / 1000 if "utterance_end_ms" in query else None
        self.start = 0.0  # of the segment that is not final
        self.position = 0.0
        self.last_loud: float | None = None
        self.last_word_end: float | None = None
        self.is_utterance_open = False
        self.next_interim = INTERIM_EVERY

    async def audio(self) -> None:
        while self.position + STEP <= self.received:
            at, self.position = self.position, round(self.position + STEP, 2)
            if self.is_loud(at):
                if self.last_loud is None and self.vad_events:
                    await self.say(type="SpeechStarted", channel=[0, 1], timestamp=at)
                self.last_loud, self.is_utterance_open = self.position, True
            elif self.last_loud is not None and self.pause is not None and self.position - self.last_loud >= self.pause:
                await self.final(self.position, speech_final=True)
            quiet = self.position - (self.last_word_end or self.position)
            if self.utterance_end is not None and self.is_utterance_open and quiet >= self.utterance_end:
                self.is_utterance_open = False
                await self.say(type="UtteranceEnd", channel=[0, 1], last_word_end=self.last_word_end)
            if self.interim and self.last_loud is not None and self.position - self.start >= self.next_interim:
                self.next_interim += INTERIM_EVERY
                await self.results(self.heard(self.start, self.position), self.start, self.position, is_final=False)

    async def final(self, until: float, *, speech_final: bool = False, from_finalize: bool = False) -> None:
        """Everything since the last final; what is found in it is final."""
        start, text = self.start, self.heard(self.start, until)
        self.last_word_end = self.last_loud or self.last_word_end
        self.start, self.last_loud, self.next_interim = until, None, INTERIM_EVERY
        if self.faults.never_final:
            return
        if self.faults.empty_final:
            await self.results("", start, start + 0.1, is_final=True)
            start += 0.1
        words = text.split()
        if self.faults.two_finals and len(words) > 1:
            half = len(words) // 2
            await self.results(" ".join(words[:half]), start, start + 0.2, is_final=True)
            start, text = start + 0.2, " ".join(words[half:])
        await self.results(text, start, until, is_final=True, speech_final=speech_final, from_finalize=from_finalize)
        if self.faults.late_interim:
            await self.results("late and wrong", start, until, is_final=False)

    async def results(self, text: str, start: float, until: float, **flags: bool) -> None:
        """Type ListenV1Results of deepgram-sdk 7.17."""
        each = (until - start) / max(len(text.split()), 1)
        words = [
            {"word": word.lower().strip(".,"), "punctuated_word": word, "confidence": 0.98}
            | {"start": round(start + index * each, 2), "end": round(start + (index + 1) * each, 2)}
            for index, word in enumerate(text.split())
        ]
        best: dict[str, Any] = {"transcript": text, "confidence": 0.98 if text else 0.0, "words": words}
        if self.request.query["language"] == ["multi"]:
            best["languages"] = ["en"]
        await self.say(
            type="Results",
            channel_index=[0, 1],
            start=start,
            duration=round(until - start, 3),
            **{"is_final": False, "speech_final": False, "from_finalize": False, **flags},
            channel={"alternatives": [best]},
            metadata={"request_id": "emulated-request", "model_info": MODEL_INFO, "model_uuid": "emulated-model"},
        )

    async def control(self, message: dict[str, Any]) -> bool:
        match message["type"]:
            case "KeepAlive":
                pass  # page Audio Keep Alive: no answer
            case "Finalize":
                # Page Finalize: not guaranteed where nothing noticeable is left.
                if not self.faults.late_final and self.received > self.start:
                    await self.final(self.received, from_finalize=True)
                    self.position = self.received
            case "CloseStream":
                if self.received > self.start:
                    await self.final(self.received)
                if self.faults.never_final:
                    return False
                # Page Close Stream: the rest, a summary, the end.
                await self.say(
                    type="Metadata",
                    transaction_key="deprecated",
                    request_id="emulated-request",
                    sha256="0" * 64,
                    created="2026-11-21T10:00:00.000Z",
                    duration=self.received,
                    channels=1,
                )
                self.request.was_complete = True
                await self.socket.close(1000)
                return True
            case _:
                await self.say(type="Error", variant="SchemaError", description="Could not parse the message.")
        return False


class FluxStream(Stream):
    """Reference of /v2/listen (2026-11), pages Flux State Machine, Force End Turn, Close Stream (Flux)."""

    def __init__(self, office: Deepgram, request: Request, socket: WebSocket) -> None:
        super().__init__(office, request, socket)
        self.sequence = 0
        self.turn = 0
        self.start: float | None = None  # of the speech in the turn in progress
        self.turn_begins = 0.0  # where the turn before ended
        self.position = 0.0
        self.last_loud = 0.0
        self.next_update = UPDATE_EVERY
        self.ends_itself = float(request.query.get("eot_threshold", ["0.7"])[0]) < 1.0
        self.timeout = int(request.query.get("eot_timeout_ms", ["5000"])[0]) / 1000

    async def run(self) -> None:
        await self.say(type="Connected", request_id="emulated-request", sequence_id=0)
        await super().run()

    async def audio(self) -> None:
        while self.position + STEP <= self.received:
            at, self.position = self.position, round(self.position + STEP, 2)
            if self.is_loud(at):
                self.last_loud = self.position
                if self.start is None:
                    self.start = at
                    await self.turn_info("StartOfTurn")
            quiet = self.position - self.last_loud
            if self.start is not None and quiet >= (FLUX_PAUSE if self.ends_itself else self.timeout):
                await self.end_turn("model" if self.ends_itself else "timeout")
            if self.position >= self.next_update:
                self.next_update += UPDATE_EVERY
                await self.turn_info("Update")

    async def end_turn(self, trigger: str) -> None:
        await self.turn_info("EndOfTurn", trigger=trigger)
        if self.faults.late_interim:
            await self.turn_info("Update")
        self.turn, self.start, self.turn_begins = self.turn + 1, None, self.position

    async def turn_info(self, event: str, **more: Any) -> None:
        """Type ListenV2TurnInfo of deepgram-sdk 7.17."""
        self.sequence += 1
        text = "" if self.start is None else self.heard(self.turn_begins, self.position)
        words = [
            {"word": word, "confidence": 0.9, "start": self.turn_begins, "end": self.last_loud} for word in text.split()
        ]
        await self.say(
            type="TurnInfo",
            request_id="emulated-request",
            sequence_id=self.sequence,
            event=event,
            turn_index=self.turn,
            audio_window_start=self.turn_begins,
            audio_window_end=self.position,
            transcript=text,
            words=words,
            end_of_turn_confidence=0.9 if event == "EndOfTurn" else 0.1,
            **more,
            **({"languages": ["en"]} if self.request.query["model"][0].endswith("-multi") else {}),
        )

    async def control(self, message: dict[str, Any]) -> bool:
        match message["type"]:
            case "ForceEndTurn":
                # Page Force End Turn: ignored where no turn is in progress.
                if self.start is not None and not self.faults.late_final and not self.faults.never_final:
                    self.position = self.received
                    await self.end_turn("manual")
            case "CloseStream":
                if self.faults.never_final:
                    return False
                # Page Close Stream (Flux): updates, no EndOfTurn, no summary, a close frame without a code.
                self.position = self.received
                await self.turn_info("Update")
                self.request.was_complete = True
                self.office.write(self.socket.scope, CLOSE_WITHOUT_CODE)
                return False
            case "Configure":
                await self.say(type="ConfigureSuccess", request_id="r", thresholds={}, keyterms=[], sequence_id=0)
            case _:
                await self.error()
        return False

    async def error(self) -> None:
        """Type ListenV2FatalError of deepgram-sdk 7.17."""
        await self.say(type="Error", sequence_id=0, code="EMULATED", description="The script says so.")


class SpeakStream(Stream):
    """Reference of /v1/speak, WebSocket (2026-11), pages TTS Flush, TTS Clear, TTS Close."""

    def __init__(self, office: Deepgram, request: Request, socket: WebSocket) -> None:
        super().__init__(office, request, socket)
        self.buffer = ""
        self.flushes = 0

    async def run(self) -> None:
        await self.say(
            type="Metadata",
            request_id="emulated-request",
            model_name=self.request.query["model"][0],
            model_version="2025-04-07.0",
            model_uuid="emulated-model",
        )
        await super().run()

    async def audio(self) -> None:
        await self.say(type="Warning", code="UNEXPECTED_BINARY", description="Text was expected.")

    async def control(self, message: dict[str, Any]) -> bool:
        match message["type"]:
            case "Speak":
                self.buffer += str(message["text"])
            case "Flush":
                await self._flush()
            case "Clear":
                self.buffer = ""
                await self.say(type="Cleared", sequence_id=self.flushes)
            case "Close":
                await self.socket.close(1000)
                return True
            case _:
                await self.say(type="Warning", code="UNPARSABLE_MESSAGE", description="Unknown type.")
        return False

    async def _flush(self) -> None:
        text, self.buffer = self.buffer, ""
        leaving = asyncio.create_task(self.socket.receive())
        speaking = asyncio.create_task(self._send(text))
        await asyncio.wait([leaving, speaking], return_when=asyncio.FIRST_COMPLETED)
        has_left = leaving.done()
        for task in (leaving, speaking):
            task.cancel()
        await asyncio.wait([leaving, speaking])
        if has_left:
            raise WebSocketDisconnect
        speaking.result()
        await self.say(type="Flushed", sequence_id=self.flushes)
        self.flushes += 1
        self.request.was_complete = True

    async def _send(self, text: str) -> None:
        async for piece in self.office.sound(self.request, text, self.socket.scope):
            await self.socket.send_bytes(piece)
