"""Listening through Microsoft's Speech SDK: one recognizer of it, and one connection, for a caller's turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.errors import ConfigError, VendorError, VendorRejected, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.options import read_options
from gateway.speech.azure.options import AzureListenOptions
from gateway.speech.azure.protocol import transcript
from gateway.speech.azure.sdk import Reported, SdkStream, load
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities, SpeechHeard

CONNECT_WITHIN = 5.0
"""Seconds for the connection, the SDK's own repetitions included."""
LAST_WORDS_WITHIN = 10.0
"""Seconds for what is left after our endpoint; the conversation waits less."""
MAX_SECONDS = 900.0
"""Audio of one turn; the SDK keeps what is not sent yet, without a bound of its own."""
MAX_RESULTS = 1000
"""Results that nobody has read; partials beyond it are dropped."""
THREADS = 16
"""For setting up and letting go; a stream whose service does not answer holds one for 10 s."""
FORMATS = (PCMU_8K, PCMA_8K, L16_8K, L16_16K)

_REFUSALS = {"AuthenticationFailure": 401, "BadRequest": 400, "Forbidden": 403}
"""The SDK's error codes that will not go away by trying again, with the status they stand for."""
_OUTAGES = {"TooManyRequests": 429, "ServiceUnavailable": 503, "ServiceTimeout": 504}


class AzureRecognizer:
    """See `gateway.speech_interfaces.Recognizer`."""

    def __init__(self, vendor: str, settings: AzureSpeechSection) -> None:
        self._vendor = vendor
        self._settings = settings
        self._sdk: Any = None
        self._threads: ThreadPoolExecutor | None = None
        self.capabilities = RecognizerCapabilities(
            partials=True, own_endpointing="utterance", takes_hints=True, formats=FORMATS
        )

    async def load(self) -> Any:
        """The SDK, loaded once. Raises ConfigError."""
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(load, self._vendor)
        return self._sdk

    async def close(self) -> None:
        """Wait for streams that are being let go of, which is bounded by the SDK."""
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
            self._threads = None

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        """A stream; it takes audio before the connection is there."""
        return self._open(settings)

    @asynccontextmanager
    async def _open(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        options = read_options(AzureListenOptions, settings.options, self._vendor)
        try:
            sdk = await self.load()
        except ConfigError as error:  # during a call it is the vendor that cannot be used
            raise VendorRejected(error.reason, vendor=self._vendor, operation="listen") from error
        stream = AzureStream(self._vendor, settings)
        format = settings.format or FORMATS[0]

        def make() -> SdkStream:
            return SdkStream(sdk, self._settings, settings, options, format, stream.report)

        making = self._in_thread(make)
        try:
            stream.source = await self._made(making)
            stream.expect_connection()
            yield stream
        finally:
            stream.abandon()
            if making.done():
                self._leave(making)
            else:
                making.add_done_callback(self._leave)

    async def _made(self, making: asyncio.Future[SdkStream]) -> SdkStream:
        try:
            return await asyncio.shield(making)
        except (RuntimeError, ValueError) as error:  # all that the SDK raises
            raise VendorRejected("the SDK refuses the settings", vendor=self._vendor, operation="listen") from error

    def _in_thread(self, work: Any) -> asyncio.Future[Any]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"speech-{self._vendor}")
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _leave(self, making: asyncio.Future[SdkStream]) -> None:
        """Let go of a stream in a thread; nobody waits for that but `close`."""
        if not making.cancelled() and making.exception() is None and self._threads is not None:
            with suppress(RuntimeError):  # the threads have just been closed
                self._threads.submit(making.result().leave)


class AzureStream:
    """One turn."""

    def __init__(self, vendor: str, settings: ListenSettings) -> None:
        self._vendor = vendor
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._results: asyncio.Queue[Transcript | SpeechHeard | VendorError | None] = asyncio.Queue(MAX_RESULTS)
        self._pushed = 0.0
        self._is_finished = False
        self._is_over = False
        self._is_connected = False
        self._is_speech = False
        self._deadline: asyncio.TimerHandle | None = None
        self.source: SdkStream | None = None

    async def push(self, frame: Frame) -> None:
        """Raises VendorUnavailable when the turn never ends."""
        if self._is_finished or self._is_over or self.source is None:
            return
        self._pushed += frame.duration
        if self._pushed > MAX_SECONDS:
            raise self._unavailable("the turn does not end")
        self.source.write(frame.data)

    async def finish(self) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        if self._is_over or self.source is None:
            return
        if not self._pushed:
            self._end(None)  # nothing can have been heard
            return
        self._within(LAST_WORDS_WITHIN, "no final transcript in time")
        self.source.end()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while (result := await self._results.get()) is not None:
            if isinstance(result, VendorError):
                raise result
            yield result

    def report(self, reported: Reported) -> None:
        """Called by the SDK, in its threads, also after the turn."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._take, reported)

    def expect_connection(self) -> None:
        """Fail, unless the SDK reports a connection in time."""
        if not self._is_connected and not self._is_over:
            self._within(CONNECT_WITHIN, "no connection in time")

    def abandon(self) -> None:
        """Nobody is interested any more."""
        self._is_over = True
        if self._deadline is not None:
            self._deadline.cancel()

    def _take(self, reported: Reported) -> None:
        if self._is_over:
            return
        match reported.kind:
            case "connected":
                self._connected()
            case "disconnected":
                self._disconnected()
            case "partial" if reported.text and self._settings.tuning.interim is not False:
                self._put(Transcript(text=reported.text, final=False))
            case "final":
                found = transcript(reported.text, reported.detail, self._settings, reported.language)
                if found is not None:
                    self._put(found)
            case "started":
                self._is_speech = True
                self._put(SpeechHeard(started=True, at=reported.at))
            case "stopped" if self._is_speech:  # the SDK tells the end of audio likewise, speech or not
                self._is_speech = False
                self._put(SpeechHeard(started=False, at=reported.at))
            case "failed":
                self._end(self._failure(reported.detail))
            case "over":
                self._end(None if self._is_finished else self._unavailable("it ended the stream early"))

    def _connected(self) -> None:
        self._is_connected = True
        if not self._is_finished and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _disconnected(self) -> None:
        """The SDK connects again and sends what was not answered; that may take as long as the first time."""
        self._is_connected = False
        if not self._is_finished:
            self.expect_connection()

    def _within(self, seconds: float, reason: str) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._end, self._unavailable(reason))

    def _put(self, result: Transcript | SpeechHeard) -> None:
        """Room is kept for what ends the results."""
        if self._results.qsize() < MAX_RESULTS - 1:
            self._results.put_nowait(result)

    def _end(self, error: VendorError | None) -> None:
        if not self._is_over:
            self.abandon()
            self._results.put_nowait(error)

    def _failure(self, code: str) -> VendorError:
        if code in _REFUSALS:
            return VendorRejected(code, vendor=self._vendor, operation="listen", status=_REFUSALS[code])
        return VendorUnavailable(code, vendor=self._vendor, operation="listen", status=_OUTAGES.get(code))

    def _unavailable(self, reason: str) -> VendorUnavailable:
        return VendorUnavailable(reason, vendor=self._vendor, operation="listen")
