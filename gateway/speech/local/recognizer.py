"""The local ear: hands caller audio to `listen_worker` processes and gives their transcripts on.

It hears what a question allows (labels of a menu, hints, digits, yes and no ...) and nothing else: it takes no
dictation. The audio of a turn is kept until its end, so that another worker can take over in the middle of it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from audio.format import L16_8K, PCMA_8K, PCMU_8K, AudioFormat, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.local.kinds import words_of
from gateway.speech.local.pool import PoolLimits, WorkerPool
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.wire import CODES, Kind, Message
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities, SpeechHeard

log = structlog.get_logger(__name__)

WORKER = "gateway.speech.local.listen_worker"
MESSAGE_SECONDS = 0.1
REPLAY_SECONDS = 1.0
"""Audio in one message when a turn is told to another worker."""
SPARE_SECONDS = 15.0
"""Audio beyond the longest turn that is still taken: pre-roll and pauses."""
RESULT_TIMEOUT = 10.0
"""Longest wait for the transcript once the turn is over."""
FORMATS = (PCMU_8K, PCMA_8K, L16_8K)


class LocalRecognizer:
    """pocketsphinx in worker processes. `start` (or the first stream) starts them, `close` ends them."""

    capabilities = RecognizerCapabilities(partials=True, speech_only=True, needs_hints=True, formats=FORMATS)

    def __init__(self, settings: LocalSpeechSection) -> None:
        self._settings = settings
        self._has_warned = False
        self.pool = WorkerPool(
            WORKER,
            PoolLimits(
                size=settings.listen_processes,
                max_jobs=settings.max_streams,
                start_timeout=settings.start_timeout,
                hang_after=settings.hang_after,
            ),
        )

    async def start(self) -> None:
        """Start the processes and wait for the first.

        Raises:
            VendorUnavailable: none starts.
        """
        await self.pool.wait_ready()

    async def close(self) -> None:
        await self.pool.close()

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        return self._open(settings)

    @asynccontextmanager
    async def _open(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        whole, loop = words_of(settings.kind, settings.language)
        phrases = tuple(dict.fromkeys((*settings.phrases, *settings.hints, *whole)))
        if not phrases and not loop:
            self._warn(settings)
            yield _DeafStream()
            return
        stream = _Stream(
            {
                "language": settings.language,
                "phrases": phrases,
                "loop": loop,
                "rejection": self._settings.rejection,
            },
            self.pool,
            max_seconds=settings.max_length + SPARE_SECONDS,
        )
        stream.open()
        try:
            yield stream
        finally:
            stream.close()

    def _warn(self, settings: ListenSettings) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "the local recognizer takes no dictation: a question without hints cannot be heard",
                kind=settings.kind,
                language=settings.language,
            )


class _DeafStream:
    """A question that nothing is known of: no text, and the end when the turn is over."""

    def __init__(self) -> None:
        self._finished = asyncio.Event()

    async def push(self, frame: Frame) -> None:
        pass

    async def finish(self) -> None:
        self._finished.set()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        await self._finished.wait()
        return
        yield  # makes this an iterator


class _Stream:
    """One turn: a `pool.Job` towards the worker, a `RecognitionStream` towards the call."""

    def __init__(self, request: dict[str, object], pool: WorkerPool, *, max_seconds: float) -> None:
        self._request = request
        self._pool = pool
        self._max_seconds = max_seconds
        self._number = 0
        self._format: AudioFormat | None = None
        self._audio = bytearray()  # the whole turn, bounded by max_seconds
        self._told = 0
        self._finished = False
        self._results: deque[Transcript] = deque()  # an unread partial is replaced, so one partial and one final
        self._done = False
        self._error: VendorError | None = None
        self._changed = asyncio.Event()

    def open(self) -> None:
        """Raises VendorUnavailable where there are too many streams."""
        self._number = self._pool.submit(self)

    def close(self) -> None:
        self._pool.release(self._number)

    # --- the call's side
    async def push(self, frame: Frame) -> None:
        """Take caller audio at 8 kHz, all of it in one encoding.

        Raises:
            MediaError: it is in another format.
        """
        if frame.format not in FORMATS or self._format not in (None, frame.format):
            raise MediaError(f"the local recognizer does not take {frame.format}")
        self._format = frame.format
        if self._finished or frame.format.seconds(len(self._audio)) > self._max_seconds:
            return
        self._audio += frame.data
        if frame.format.seconds(len(self._audio) - self._told) >= MESSAGE_SECONDS:
            self._tell_audio()

    async def finish(self) -> None:
        if not self._finished:
            self._tell_audio()
            self._finished = True
            self._pool.tell(self._number, Kind.FINISH)
            self._changed.set()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        while True:
            while self._results:
                yield self._results.popleft()
            if self._error is not None:
                raise self._error
            if self._done:
                return
            self._changed.clear()
            try:
                # While the caller's turn lasts there may be nothing to say; its length is the conversation's to bound.
                async with asyncio.timeout(RESULT_TIMEOUT if self._finished else None):
                    await self._changed.wait()
            except TimeoutError:
                raise VendorUnavailable("no transcript came", vendor="local", operation="listen") from None

    # --- the pool's side
    def opening(self) -> Iterable[tuple[Kind, bytes]]:
        yield self._open_message()
        if self._format is not None:
            self._told = len(self._audio)
            size = self._format.size(REPLAY_SECONDS)
            for start in range(0, self._told, size):
                yield Kind.AUDIO_IN, self._coded(self._audio[start : min(start + size, self._told)])
        if self._finished:
            yield Kind.FINISH, b""

    def receive(self, message: Message) -> None:
        match message.kind:
            case Kind.RESULT:
                self._take(message.json())
            case Kind.DONE:
                self._done = True
            case Kind.FAILED:
                reason = str(message.json().get("reason", ""))
                self._error = VendorRejected(reason, vendor="local", operation="listen")
            case _:
                return
        self._changed.set()

    def fail(self, error: VendorError) -> None:
        self._error = error
        self._changed.set()

    def _take(self, result: dict[str, object]) -> None:
        confidence = result.get("confidence")
        transcript = Transcript(
            text=str(result.get("text", "")),
            final=bool(result.get("final")),
            confidence=float(confidence) if isinstance(confidence, int | float) else None,
            language=str(self._request["language"]),
        )
        if self._results and not self._results[-1].final:
            self._results.pop()
        self._results.append(transcript)

    def _open_message(self) -> tuple[Kind, bytes]:
        return Kind.OPEN, json.dumps(self._request, ensure_ascii=False).encode()

    def _tell_audio(self) -> None:
        fresh = self._audio[self._told :]
        if fresh:
            self._told = len(self._audio)
            self._pool.tell(self._number, Kind.AUDIO_IN, self._coded(fresh))

    def _coded(self, audio: bytearray) -> bytes:
        """Audio with its encoding in front, as the worker reads it."""
        assert self._format is not None
        return CODES[self._format.encoding] + bytes(audio)
