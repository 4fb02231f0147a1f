"""Speech by ElevenLabs: over a WebSocket that serves one text after another, one for each text, or over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

from audio.format import AudioFormat, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.kit.closing import closing
from gateway.kit.http import HttpClient, Timeouts, check_status, status_error
from gateway.kit.options import read_options
from gateway.kit.sound import SoundReader
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import open_socket
from gateway.kit.warm_lines import HeldLine, WarmLines, hold
from gateway.speech.elevenlabs.options import SpeakOptions
from gateway.speech.elevenlabs.protocol import (
    FORMATS,
    PRODUCTION,
    Chunk,
    Reached,
    model_for,
    multi_messages,
    needs_request,
    parsed,
    single_messages,
    speak_address,
    speak_body,
    spoken,
    text_of,
    voices_from,
)
from gateway.speech.elevenlabs.settings import ElevenLabsSpeechSection
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance, VoiceInfo

NEXT_WITHIN = 10.0
"""Seconds for the first audio, and between two pieces; whoever wants to speak has a shorter patience."""
MAX_BYTES = 32 << 20
PIECE = 0.2
"""Seconds of audio in one frame, so that it is known to about a word how far a text has come."""
SOUNDS = ("audio/", "application/octet-stream")
PACKED = ("mpeg", "mp3", "ogg", "opus", "flac", "aac")
"""Kinds of sound that nobody asked for."""


class ElevenLabsSynthesizer:
    """See `gateway.speech_interfaces.Synthesizer`."""

    def __init__(self, name: str, settings: ElevenLabsSpeechSection, http: HttpClient) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._url = settings.url or PRODUCTION
        self._warm = WarmLines[Message](most=settings.warm_connections)
        self.capabilities = SynthesizerCapabilities(
            ssml=True, word_times=settings.synthesis != "http", formats=tuple(FORMATS)
        )

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        options = read_options(SpeakOptions, utterance.options, self._name)
        format = utterance.format if utterance.format in FORMATS else self.capabilities.formats[0]
        plain = utterance.plain or utterance.text
        if not any(character.isalnum() for character in plain):
            return
        model = model_for(utterance, options, self._settings.model)
        kind = "http" if needs_request(model) else self._settings.synthesis
        address = speak_address(
            self._url,
            utterance,
            options,
            voice=utterance.voice or self._settings.voice,
            model=model,
            format=format,
            kind=kind,
        )
        if kind == "http":
            chunks = self._by_request(address, speak_body(utterance, options, model))
        else:
            chunks = self._by_socket(address, text_of(utterance), options.settings(utterance.prosody.rate), kind)
        try:
            async with closing(_frames(chunks, format, plain, counts=kind != "http")) as frames:
                async for frame in frames:
                    yield frame
        except MediaError as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation="speak") from error

    async def voices(self) -> Sequence[VoiceInfo]:
        """What the account may speak with. Raises VendorError."""
        answer = await self._http.request(
            self._name, "GET", f"{self._url}/v1/voices", operation="voices", headers=self._headers(), max_bytes=8 << 20
        )
        check_status(answer, vendor=self._name, operation="voices")
        try:
            return voices_from(parsed(answer.body.decode(), self._name, "voices"))
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise VendorReplyInvalid("no list of voices", vendor=self._name, operation="voices") from error

    async def close(self) -> None:
        await self._warm.close()

    async def _by_socket(self, address: str, text: str, settings: dict[str, Any], kind: str) -> AsyncIterator[Chunk]:
        """A text's audio. Left in the middle, the connection is closed: a context that is flushing does not stop."""
        context = f"text-{uuid.uuid4().hex}" if kind == "multi" else None  # never the same one twice
        held = await self._warm.take(address) if context is not None else None
        held = held or await self._open(address)
        is_done = False
        messages = single_messages(text, settings) if context is None else multi_messages(text, settings, context)
        try:
            for message in messages:
                await held.line.send(message)
            while not is_done:
                answer = await held.line.receive(within=NEXT_WITHIN)
                if answer is None:
                    raise VendorUnavailable("it closed before the end", vendor=self._name, operation="speak")
                chunk = spoken(answer, self._name, context)
                if chunk is not None:
                    yield chunk
                    is_done = chunk.is_final
        finally:
            held.turns += 1
            if is_done and context is not None:
                await self._warm.keep(address, held)
            else:
                await held.close()

    async def _by_request(self, address: str, body: dict[str, Any]) -> AsyncIterator[Chunk]:
        request = self._http.stream(
            self._name,
            "POST",
            address,
            operation="speak",
            json=body,
            headers=self._headers(),
            timeout=Timeouts(total=NEXT_WITHIN),
            max_bytes=MAX_BYTES,
        )
        async with request as answer:
            request_id = answer.headers.get("request-id")
            error = status_error(
                answer.status, vendor=self._name, operation="speak", headers=answer.headers, request_id=request_id
            )
            if error is not None:
                raise error
            kind = answer.headers.get("content-type", SOUNDS[0])
            if not kind.startswith(SOUNDS) or any(packed in kind for packed in PACKED):
                raise VendorReplyInvalid("the answer is no sound", vendor=self._name, operation="speak")
            async for piece in answer.pieces:
                yield Chunk(piece)

    async def _open(self, address: str) -> HeldLine[Message]:
        return await hold(open_socket(self._name, address, operation="speak", headers=self._headers()))

    def _headers(self) -> dict[str, str]:
        return {"xi-api-key": self._settings.api_key.get_secret_value()}


async def _frames(
    chunks: AsyncIterator[Chunk], format: AudioFormat, plain: str, *, counts: bool
) -> AsyncIterator[SpokenFrame]:
    """Frames of whole samples; where ``counts``, each with how much of the text is said by its end.

    One is held back, since only the end tells that it was the last one, by which everything is said.

    Raises:
        MediaError: The audio breaks off in a sample, or there is none.
    """
    reader, reached = SoundReader(format), Reached(plain)
    last: SpokenFrame | None = None
    async with closing(chunks):
        try:
            async for chunk in chunks:
                frame = reader.feed(chunk.audio) if chunk.audio else None
                if frame is None:
                    for char in chunk.chars:
                        reached.say(char)
                    continue
                for piece in _told(frame, chunk, reached) if counts else [SpokenFrame(frame)]:
                    if last is not None:
                        yield last
                    last = piece
        except VendorError:
            if last is not None:
                yield last  # what came before it broke is heard: whoever goes on begins behind it
            raise
    reader.finish()
    if last is not None:
        yield SpokenFrame(last.frame, len(plain) if counts else None)


def _told(frame: Frame, chunk: Chunk, reached: Reached) -> list[SpokenFrame]:
    """A chunk's audio in short frames, each with the characters that are said by its end."""
    size, said, found = frame.format.size(PIECE), 0, []
    for start in range(0, len(frame.data), size):
        data = frame.data[start : start + size]
        end, is_last = frame.format.seconds(start + len(data)), start + size >= len(frame.data)
        while said < len(chunk.chars) and (is_last or chunk.ends[said] <= end):
            reached.say(chunk.chars[said])
            said += 1
        position = frame.pts_samples + frame.format.samples(start)
        found.append(SpokenFrame(Frame(data, frame.format, position), reached.count))
    return found
