"""Listening through OpenAI's API: a turn is uploaded when it is over, or streamed into a realtime session."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlencode

from audio.format import L16_8K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from gateway.events import Transcript
from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.http import HttpClient, Timeouts, check_status
from gateway.kit.options import read_options
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.warm_lines import WarmLines
from gateway.speech.openai.options import ListenOptions
from gateway.speech.openai.protocol import transcript_in, transcription, upload_body, upload_fields
from gateway.speech.openai.realtime import RealtimeTurn, audio_format, writes_while_hearing
from gateway.speech.openai.settings import OpenAiSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities, SpeechHeard

SHORTEST = 0.1
"""Seconds of sound below which the API refuses an upload."""
SPARE_SECONDS = 30.0
"""Of sound that is kept beyond the longest turn."""
L16_24K = AudioFormat(Encoding.L16, 24000)


def bearer(settings: OpenAiSpeechSection) -> dict[str, str]:
    """The header with the key, where there is one."""
    key = settings.api_key
    return {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}


class UploadRecognizer:
    """``POST /audio/transcriptions``, once for each turn."""

    def __init__(self, vendor: str, settings: OpenAiSpeechSection, http: HttpClient) -> None:
        self._vendor = vendor
        self._settings = settings
        self._http = http
        self.capabilities = RecognizerCapabilities(
            partials=False, takes_hints=True, formats=(AudioFormat(Encoding.L16, settings.listen_rate),)
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        return self._open(settings)

    @asynccontextmanager
    async def _open(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        upload = _Upload(self, settings)
        working = asyncio.create_task(upload.work(), name=f"upload to {self._vendor}")
        upload.working = working
        try:
            yield upload
        finally:
            working.cancel()
            await asyncio.wait([working])
            if not working.cancelled():
                working.exception()  # who read the results has been told

    async def close(self) -> None:
        """Nothing is left open between turns but what the HTTP client keeps."""

    async def transcribe(self, pcm: bytes, rate: int, settings: ListenSettings) -> Transcript | None:
        """What is said in it; None where that is nothing. Raises VendorError."""
        options = read_options(ListenOptions, settings.options, self._vendor)
        fields = upload_fields(transcription(settings, options, self._settings.model_heard), options)
        boundary = secrets.token_hex(16)
        answer = await self._http.request(
            self._vendor,
            "POST",
            f"{self._settings.base}/audio/transcriptions",
            operation="listen",
            content=upload_body(fields, pcm, rate, boundary),
            headers={**bearer(self._settings), "content-type": f"multipart/form-data; boundary={boundary}"},
            timeout=Timeouts(total=self._settings.timeout),
        )
        check_status(answer, vendor=self._vendor, operation="listen")
        return transcript_in(answer.body, self._vendor)


class _Upload:
    """Keeps a turn until its end. Of one that is longer than it may be, the end is lost."""

    working: asyncio.Task[Transcript | None]

    def __init__(self, owner: UploadRecognizer, settings: ListenSettings) -> None:
        self._owner = owner
        self._settings = settings
        self._format = settings.format or L16_8K
        self._limit = self._format.size(settings.max_length + SPARE_SECONDS)
        self._pcm = bytearray()
        self._over = asyncio.Event()

    async def push(self, frame: Frame) -> None:
        if not self._pcm:
            self._format = frame.format
        if not self._over.is_set() and len(self._pcm) < self._limit:
            self._pcm += frame.data

    async def finish(self) -> None:
        self._over.set()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        await asyncio.wait([self.working])
        transcript = self.working.result()
        if transcript is not None:
            yield transcript

    async def work(self) -> Transcript | None:
        await self._over.wait()
        if self._format.seconds(len(self._pcm)) < SHORTEST:
            return None
        return await self._owner.transcribe(bytes(self._pcm), self._format.rate, self._settings)


class RealtimeRecognizer:
    """``wss://.../realtime?intent=transcription``: a session, which hears turns of one model and format."""

    def __init__(self, vendor: str, settings: OpenAiSpeechSection) -> None:
        self._vendor = vendor
        self._settings = settings
        self._warm = WarmLines[Message]()
        self._limits = HearingLimits(rest=settings.timeout, close=0.0)
        is_live = writes_while_hearing(settings.model_heard)
        self.capabilities = RecognizerCapabilities(
            partials=is_live,
            own_endpointing="none" if is_live else "utterance",
            takes_hints=True,
            formats=(PCMU_8K, PCMA_8K, L16_24K),
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._vendor)
        model = settings.model or options.model or self._settings.model_heard
        partials = self.capabilities.partials and settings.tuning.interim is not False
        format = settings.format or PCMU_8K

        def begin(carried: float) -> RealtimeTurn:
            return RealtimeTurn(self._vendor, settings, options, format, model, partials, starts_at=carried)

        route = Route(
            begin=begin, connect=lambda: self._connect(model), warm=self._warm, key=f"{model} {audio_format(format)}"
        )
        return hear(route, vendor=self._vendor, format=format, limits=self._limits)

    async def close(self) -> None:
        """Sessions that wait for a turn are closed."""
        await self._warm.close()

    def _connect(self, model: str) -> AbstractAsyncContextManager[VendorSocket]:
        query = {"intent": "transcription"} | ({"model": model} if self._settings.realtime_model_in_address else {})
        address = self._settings.base.replace("http", "ws", 1)
        return open_socket(
            self._vendor,
            f"{address}/realtime?{urlencode(query)}",
            operation="listen",
            headers=bearer(self._settings),
        )
