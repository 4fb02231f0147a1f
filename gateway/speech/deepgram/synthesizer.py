"""Speech by Deepgram, over HTTP or over a WebSocket that serves one text after another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, MediaError
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.kit.closing import closing
from gateway.kit.http import HttpClient, HttpStream, Timeouts, check_status, status_error
from gateway.kit.options import read_options
from gateway.kit.sound import SoundReader
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import open_socket
from gateway.kit.warm_lines import HeldLine, WarmLines, hold
from gateway.speech.deepgram.options import SpeakOptions
from gateway.speech.deepgram.protocol import (
    PRODUCTION,
    VOICES,
    is_spoken,
    parsed,
    pieces,
    speak_address,
    speak_messages,
    voices_from,
)
from gateway.speech.deepgram.settings import DeepgramSpeechSection
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance, VoiceInfo

NEXT_WITHIN = 10.0
"""Seconds for the first audio, and between two pieces; whoever wants to speak has a shorter patience."""
MAX_BYTES = 32 << 20
MOST_TEXTS = 15
"""Texts on one connection: it takes 20 Flush messages a minute (developers.deepgram.com, TTS Flush, 2026-11)."""
SOUNDS = ("audio/", "application/octet-stream")
PACKED = ("mpeg", "mp3", "ogg", "opus", "flac", "aac")
"""Kinds of sound that nobody asked for."""


class DeepgramSynthesizer:
    """See `gateway.speech_interfaces.Synthesizer`."""

    capabilities = SynthesizerCapabilities(
        formats=(PCMU_8K, PCMA_8K, L16_8K, L16_16K, AudioFormat(Encoding.L16, 24000)), languages=tuple(VOICES)
    )

    def __init__(self, name: str, settings: DeepgramSpeechSection, http: HttpClient) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._url = settings.url or PRODUCTION
        self._warm = WarmLines[Message](most=settings.warm_connections)

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        options = read_options(SpeakOptions, utterance.options, self._name)
        format = utterance.format if utterance.format in self.capabilities.formats else self.capabilities.formats[0]
        by_socket = self._settings.synthesis == "websocket"
        address = speak_address(self._url, utterance, options, self._settings.voice, format, socket=by_socket)
        texts = pieces(utterance.plain or utterance.text, utterance.language)
        if not texts:
            return
        reader = SoundReader(format)
        sound = self._by_socket if by_socket else self._by_request
        try:
            for text in texts:
                async with closing(sound(address, text)) as chunks:
                    async for chunk in chunks:
                        frame = reader.feed(chunk)
                        if frame is not None:
                            yield SpokenFrame(frame)
            reader.finish()
        except MediaError as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation="speak") from error

    async def voices(self) -> Sequence[VoiceInfo]:
        """What the project may speak with. Raises VendorError."""
        answer = await self._http.request(
            self._name, "GET", f"{self._url}/v1/models", operation="voices", headers=self._headers(), max_bytes=8 << 20
        )
        check_status(answer, vendor=self._name, operation="voices")
        try:
            return voices_from(parsed(answer.body.decode(), self._name, "voices"))
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise VendorReplyInvalid("no list of models", vendor=self._name, operation="voices") from error

    async def close(self) -> None:
        await self._warm.close()

    async def _by_request(self, address: str, text: str) -> AsyncIterator[bytes]:
        request = self._http.stream(
            self._name,
            "POST",
            address,
            operation="speak",
            json={"text": text},
            headers=self._headers(),
            timeout=Timeouts(total=NEXT_WITHIN),
            max_bytes=MAX_BYTES,
        )
        async with request as answer:
            self._check(answer)
            async for piece in answer.pieces:
                yield piece

    async def _by_socket(self, address: str, text: str) -> AsyncIterator[bytes]:
        held = await self._warm.take(address) or await self._open(address)
        is_done = False
        try:
            for message in speak_messages(text):
                await held.line.send(message)
            while not is_done:
                answer = await held.line.receive(within=NEXT_WITHIN)
                if answer is None:
                    raise VendorUnavailable("it closed before the end", vendor=self._name, operation="speak")
                if isinstance(answer, bytes):
                    yield answer
                else:
                    is_done = is_spoken(answer, self._name)
        finally:
            held.turns += 1
            if is_done and held.turns < MOST_TEXTS:
                await self._warm.keep(address, held)
            else:
                await held.close()

    async def _open(self, address: str) -> HeldLine[Message]:
        return await hold(open_socket(self._name, address, operation="speak", headers=self._headers()))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._settings.api_key.get_secret_value()}"}

    def _check(self, answer: HttpStream) -> None:
        request_id = answer.headers.get("dg-request-id")
        error = status_error(
            answer.status, vendor=self._name, operation="speak", headers=answer.headers, request_id=request_id
        )
        if error is not None:
            raise error
        kind = answer.headers.get("content-type", SOUNDS[0])
        if not kind.startswith(SOUNDS) or any(packed in kind for packed in PACKED):
            raise VendorReplyInvalid("the answer is no sound", vendor=self._name, operation="speak")
