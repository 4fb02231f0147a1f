"""Listening through Speech-to-Text: one gRPC stream for a caller's turn, over a connection that is kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.options import read_options
from gateway.speech.google.client import Api, GoogleClients
from gateway.speech.google.options import GoogleListenOptions
from gateway.speech.google.protocol import (
    MAX_AUDIO_BYTES,
    STREAM_SECONDS,
    Message,
    Reader,
    Version,
    audio_message,
    encoding_of,
    ends_turns,
    first_message,
    recognizer_name,
)
from gateway.speech.google.settings import GoogleSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities, SpeechHeard

CALL_SECONDS = 310.0
"""Deadline of one stream at Google, which ends it itself after about 5 minutes."""
LAST_WORDS_WITHIN = 10.0
"""Seconds for what is left after our endpoint; the conversation waits less."""
MAX_WAITING_SECONDS = 30.0
"""Audio that waits for Google to take it; then the stream has failed."""
MAX_RESULTS = 512
"""Results that nobody has read; then reading from Google waits."""
MAX_EARLY_ENDS = 5
"""How often Google may end a stream before the turn's end, by its timeouts, until that is a failure."""

FORMATS: dict[Version, tuple[AudioFormat, ...]] = {
    "v1": (PCMU_8K, L16_8K, L16_16K),
    "v2": (PCMU_8K, PCMA_8K, L16_8K, L16_16K),
}


class GoogleRecognizer:
    """See `gateway.speech_interfaces.Recognizer`.

    Args:
        stream_seconds: Audio after which a new stream is opened.
    """

    def __init__(
        self, clients: GoogleClients, settings: GoogleSpeechSection, *, stream_seconds: float = STREAM_SECONDS
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._stream_seconds = stream_seconds
        self.capabilities = RecognizerCapabilities(
            partials=True, own_endpointing="utterance", takes_hints=True, formats=FORMATS[settings.api]
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        """A stream; its connection is made, or found to be there, on entering."""
        return self._open(settings)

    @asynccontextmanager
    async def _open(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        options = read_options(GoogleListenOptions, settings.options, self._clients.vendor)
        version = options.service_version or self._settings.api
        api = await self._clients.recognition(version)
        opening = first_message(
            settings,
            options,
            version=version,
            default_model=self._settings.model,
            recognizer=self._recognizer(options) if version == "v2" else "",
        )
        reader = Reader(
            ends_turns=ends_turns(settings),
            tells_speech=options.enable_voice_activity_events or ends_turns(settings),
        )
        stream = _GoogleStream(self._clients, api, version, opening, reader, settings, self._stream_seconds)
        running = asyncio.create_task(stream.run(), name=f"listening by {self._clients.vendor}")
        try:
            yield stream
        finally:
            running.cancel()
            await asyncio.wait([running])

    def _recognizer(self, options: GoogleListenOptions) -> str:
        project = self._clients.project
        if project is None and not (options.recognizer_id or "").startswith("projects/"):
            raise VendorRejected("v2 needs a project", vendor=self._clients.vendor, operation="listen")
        return recognizer_name(options.recognizer_id, project or "", self._settings.location)


class _GoogleStream:
    """One turn, in as many of Google's streams as it takes: usually one."""

    def __init__(
        self,
        clients: GoogleClients,
        api: Api,
        version: Version,
        opening: Message,
        reader: Reader,
        settings: ListenSettings,
        stream_seconds: float,
    ) -> None:
        self._clients = clients
        self._api = api
        self._version: Version = version
        self._opening = opening
        self._reader = reader
        self._sensitive = settings.sensitive
        self._stream_seconds = stream_seconds
        self._waiting: deque[Frame] = deque()
        self._waiting_seconds = 0.0
        self._sent_seconds = 0.0
        self._arrived = asyncio.Event()
        self._is_finished = False
        self._is_over = False
        self._ends_at: float | None = None
        self._deadline: asyncio.Timeout | None = None
        self._results: asyncio.Queue[Transcript | SpeechHeard | VendorError | None] = asyncio.Queue(MAX_RESULTS)

    async def push(self, frame: Frame) -> None:
        """Raises VendorUnavailable when Google takes nothing any more."""
        if self._is_finished or self._is_over:
            return
        if self._waiting_seconds > MAX_WAITING_SECONDS:
            raise self._unavailable("it takes no audio")
        self._waiting.append(frame)
        self._waiting_seconds += frame.duration
        self._arrived.set()

    async def finish(self) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        self._arrived.set()
        self._ends_at = asyncio.get_running_loop().time() + LAST_WORDS_WITHIN
        if self._deadline is not None and not self._is_over:
            self._deadline.reschedule(self._ends_at)

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while (result := await self._results.get()) is not None:
            if isinstance(result, VendorError):
                raise result
            yield result

    async def run(self) -> None:
        """Listen until the turn is over; then the results end, with an error where there was one."""
        end: VendorError | None = None
        try:
            async with asyncio.timeout_at(self._ends_at) as self._deadline:
                await self._listen()
        except TimeoutError:
            end = self._unavailable("no final transcript in time")
        except VendorError as error:
            end = error
        self._is_over = True
        await self._results.put(end)

    async def _listen(self) -> None:
        early_ends = 0
        while True:
            before = self._sent_seconds
            is_ours = await self._one_stream()
            if (self._is_finished and not self._waiting) or self._reader.holds_final:
                break
            if is_ours:
                continue
            early_ends += 1
            if early_ends > MAX_EARLY_ENDS or self._sent_seconds == before:
                raise self._unavailable("it ended the stream early")
        for final in self._reader.end(by_vendor=not self._is_finished):
            await self._results.put(final)

    async def _one_stream(self) -> bool:
        """One of Google's streams, to its end. Returns whether that came after our own."""
        since = self._sent_seconds
        with self._clients.translated("listen", sensitive=self._sensitive):
            call = self._api.calls.streaming_recognize(timeout=CALL_SECONDS)
            sending = asyncio.create_task(self._send(call), name="audio to Google")
            try:
                async for response in call:
                    self._check(response)
                    for result in self._reader.read(response, since):
                        await self._results.put(result)
                return sending.done() and sending.result()
            finally:
                call.cancel()
                sending.cancel()
                await asyncio.wait([sending])

    async def _send(self, call: Any) -> bool:
        """Google's stream from our side: how to listen, the audio, the end. Returns whether it came so far.

        What went wrong is told by the stream's other side.
        """
        since = self._sent_seconds
        try:
            with self._clients.translated("listen"):
                await call.write(self._api.package.StreamingRecognizeRequest(self._opening))
                while self._sent_seconds - since < self._stream_seconds and await self._has_audio():
                    await self._send_frame(call, self._waiting[0])
                await call.done_writing()
        except (VendorError, asyncio.InvalidStateError):  # the latter: Google has ended the stream
            return False
        return True

    async def _has_audio(self) -> bool:
        """Wait for audio; False when there will be no more."""
        while not self._waiting and not self._is_finished:
            self._arrived.clear()
            await self._arrived.wait()
        return bool(self._waiting)

    async def _send_frame(self, call: Any, frame: Frame) -> None:
        is_as_announced = encoding_of(self._version, frame.format) == encoding_of("v2", frame.format)
        data = frame.data if is_as_announced else frame.pcm()
        for start in range(0, len(data), MAX_AUDIO_BYTES):
            message = audio_message(self._version, data[start : start + MAX_AUDIO_BYTES])
            await call.write(self._api.package.StreamingRecognizeRequest(message))
        self._waiting.popleft()
        self._waiting_seconds -= frame.duration
        self._sent_seconds += frame.duration

    def _check(self, response: Any) -> None:
        """gRPC makes None of what is no message; v1 may report an error inside one."""
        if response is None:
            raise VendorReplyInvalid("not a message", vendor=self._clients.vendor, operation="listen")
        error = getattr(response, "error", None)
        if error is not None and error.code:
            raise self._clients.failure(error.code, "listen")

    def _unavailable(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor=self._clients.vendor, operation="listen")
