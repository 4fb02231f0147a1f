"""The recognition streams of a call: what the caller says goes out, transcripts come in.

Audio waits in a bounded queue that drops the oldest, so that a slow vendor never delays the leg. What is sent to whom
is decided here in samples only; when a stream opens and closes is the conversation's decision.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from audio.format import AudioFormat
from audio.frame import Frame, join
from gateway.call.alarm import Alarm
from gateway.call.guard import Helpers, plug_in
from gateway.errors import GatewayError, VendorError
from gateway.events import (
    CallEvent,
    RecognitionEnded,
    RecognizerFailed,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    TranscriptUpdated,
)
from gateway.kit.closing import closing
from gateway.kit.groups import first_of
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard

log = structlog.get_logger()

RING = 2.0
"""Seconds of the caller's audio that are kept, for streams that open late."""
LEAD = 0.3
"""Seconds a stream gets from before the caller's first voiced sample; a soft consonant comes before the voice."""
QUIET_LEAD = 0.5
"""Seconds a stream gets from before it was opened while the caller is silent: more than a detector takes to be sure."""
TRAIL = 0.2
"""Seconds after the end of speech that a recognizer which wants only speech still gets."""
MESSAGE = 0.1
"""Seconds in one message to a recognizer."""
MAX_QUEUED = 100
"""Messages that wait for a recognizer, ten seconds; then the oldest is dropped."""

Listen = Callable[[ListenSettings, AudioFormat], AbstractAsyncContextManager[RecognitionStream]]


class Ear:
    """One recognition stream and its queue. Positions are samples of the caller's time line."""

    def __init__(self, stream: int, settings: ListenSettings, format: AudioFormat, *, speech_only: bool) -> None:
        self.stream = stream
        self.settings = settings
        self.speech_only = speech_only
        self.position = 0
        self.first: int | None = None
        self.dropped = 0
        self.is_finishing = False
        self.alarm = Alarm()
        self.queue: deque[Frame] = deque()
        self._message = format.size(MESSAGE) // format.encoding.bytes_per_sample
        self._pending: list[Frame] = []
        self._pending_samples = 0

    def push(self, frame: Frame) -> None:
        if frame.pts_samples < self.position or self.is_finishing:
            return
        if self.first is None:
            self.first = frame.pts_samples
        self.position = frame.end_samples
        self._pending.append(frame)
        self._pending_samples += frame.samples
        if self._pending_samples >= self._message:
            self.flush()

    def flush(self) -> None:
        """Send what there is without waiting for a whole message."""
        if not self._pending:
            return
        if len(self.queue) >= MAX_QUEUED:
            self.queue.popleft()
            self.dropped += 1
        self.queue.append(join(self._pending))
        self._pending, self._pending_samples = [], 0
        self.alarm.ring()

    def finish(self) -> None:
        self.flush()
        self.is_finishing = True
        self.alarm.ring()


class Ears:
    """All recognition streams of a call.

    Args:
        format: Of the caller's audio.
        listen: Opens a stream at the vendor.
        post: Takes transcripts, ends and failures.
        time_of: Call time of a position.
        reports_speech: Whether a recognizer's own notice of speech is believed, for want of a detector.
    """

    def __init__(
        self,
        format: AudioFormat,
        listen: Listen,
        speech_only: Callable[[ListenSettings], bool],
        post: Callable[[CallEvent], None],
        time_of: Callable[[int], float],
        *,
        reports_speech: bool,
    ) -> None:
        self._format = format
        self._listen = listen
        self._speech_only = speech_only
        self._post = post
        self._time_of = time_of
        self._reports_speech = reports_speech
        self._ring: deque[Frame] = deque()
        self._ring_samples = 0
        self._ring_size = round(RING * format.rate)
        self._ears: dict[int, Ear] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._voice_from: int | None = None
        self._voice_until = 0

    # --- from the conversation -------------------------------------------------------------------------------------
    def open(self, stream: int, settings: ListenSettings, since: float, helpers: Helpers) -> None:
        """Open a stream; it begins with what was heard just before, but not before ``since``."""
        ear = Ear(stream, settings, self._format, speech_only=self._speech_only(settings))
        ear.position = self._position_of(since)
        self._ears[stream] = ear
        if self._voice_from is not None:
            self._replay(ear, self._voice_from - self._samples(LEAD))
        elif self._ring and not ear.speech_only:
            self._replay(ear, self._ring[-1].end_samples - self._samples(QUIET_LEAD))
        self._tasks[stream] = helpers.once("ear", self._attend(ear))

    def finish(self, stream: int) -> None:
        if stream in self._ears:
            self._ears[stream].finish()

    def close(self, stream: int) -> None:
        self._ears.pop(stream, None)
        task = self._tasks.pop(stream, None)
        if task is not None:
            task.cancel()

    # --- from the caller's audio -----------------------------------------------------------------------------------
    def push(self, frame: Frame) -> None:
        """The next of the caller's audio; once for each frame, so it stays short."""
        self._ring.append(frame)
        self._ring_samples += frame.samples
        while self._ring_samples > self._ring_size:
            self._ring_samples -= self._ring.popleft().samples
        for ear in self._ears.values():
            if not ear.speech_only or self._voice_from is not None or frame.pts_samples < self._voice_until:
                ear.push(frame)

    def voice_started(self, position: int) -> None:
        self._voice_from = position
        for ear in self._ears.values():
            self._replay(ear, position - self._samples(LEAD))

    def voice_stopped(self, position: int) -> None:
        self._voice_from = None
        self._voice_until = position + self._samples(TRAIL)
        for ear in self._ears.values():
            ear.flush()

    def _replay(self, ear: Ear, start: int) -> None:
        for frame in self._ring:
            if frame.end_samples > start:
                ear.push(frame)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._format.rate)

    def _position_of(self, time: float) -> int:
        start = self._time_of(0)
        return max(0, round((time - start) * self._format.rate)) if start == start else 0  # NaN before any audio

    # --- towards the vendor ----------------------------------------------------------------------------------------
    async def _attend(self, ear: Ear) -> None:
        try:
            with plug_in("recognizer"):
                async with self._listen(ear.settings, self._format) as stream:
                    await self._serve(ear, stream)
        except GatewayError as error:
            log.warning("recognizer failed", stream=ear.stream, error=str(error))
            self._forget(ear)
            vendor = error.vendor if isinstance(error, VendorError) else ""
            self._post(RecognizerFailed(stream=ear.stream, reason=str(error), vendor=vendor))
        else:
            self._forget(ear)
            self._post(RecognitionEnded(stream=ear.stream))
        if ear.dropped:
            log.warning("recognizer was too slow", stream=ear.stream, dropped_messages=ear.dropped)

    async def _serve(self, ear: Ear, stream: RecognitionStream) -> None:
        failure: GatewayError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                pump = group.create_task(self._pump(ear, stream))
                with plug_in("recognizer"):
                    async with closing(stream.results()) as results:
                        async for result in results:
                            self._take(ear, result)
                pump.cancel()
        except* GatewayError as errors:
            failure = first_of(errors)
        if failure is not None:
            raise failure

    async def _pump(self, ear: Ear, stream: RecognitionStream) -> None:
        with plug_in("recognizer"):
            while True:
                while ear.queue:
                    await stream.push(ear.queue.popleft())
                if ear.is_finishing:
                    break
                await ear.alarm.wait(None)
            await stream.finish()

    def _take(self, ear: Ear, result: Transcript | SpeechHeard) -> None:
        if ear.stream not in self._ears:
            return
        if isinstance(result, Transcript):
            self._post(TranscriptUpdated(stream=ear.stream, transcript=result))
        elif self._reports_speech:
            at = self._time_of((ear.first or 0) + self._samples(result.at))
            self._post(SpeechStarted(at=at) if result.started else SpeechStopped(at=at))

    def _forget(self, ear: Ear) -> None:
        if self._ears.get(ear.stream) is ear:
            del self._ears[ear.stream]
            self._tasks.pop(ear.stream, None)
