"""A vendor's recognizer and synthesizer behind their circuit breakers, which learn how each request ends.

Whoever leaves a request early, as a caller does who interrupts, says nothing about the vendor; but whoever has waited
in vain for longer than `SLOW` has met a vendor that does not answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.closing import closing
from gateway.speech.breaker import Breaker
from gateway.speech_interfaces import (
    ListenSettings,
    ListsVoices,
    RecognitionStream,
    Recognizer,
    SpeechHeard,
    SpokenFrame,
    Synthesizer,
    Utterance,
    VoiceInfo,
)

SLOW = 1.5
"""Seconds without an answer after which giving up counts against the vendor."""


class _Trial:
    """One request, from its beginning to what it shows of the vendor, once."""

    def __init__(self, breaker: Breaker, now: Callable[[], float]) -> None:
        self._breaker = breaker
        self._now = now
        self._since: float | None = now()
        self._is_over = False

    def waits(self) -> None:
        self._since = self._now()

    def waits_no_more(self) -> None:
        self._since = None

    def succeeded(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._breaker.succeeded()

    def failed(self, error: VendorError) -> None:
        self._is_over = True
        self._breaker.failed(error)

    def left(self) -> None:
        """Somebody went away in the middle."""
        if self._is_over:
            return
        self._is_over = True
        if self._since is not None and self._now() - self._since >= SLOW:
            self._breaker.failed()
        else:
            self._breaker.abandoned()


def _admitted(breaker: Breaker, vendor: str, operation: str, now: Callable[[], float]) -> _Trial:
    if not breaker.admit():
        reason = f"not asked, because it keeps failing; the next try is in {breaker.seconds_left():.0f} s"
        raise VendorUnavailable(reason, vendor=vendor, operation=operation)
    return _Trial(breaker, now)


class GuardedSynthesizer:
    """See the module's docstring. The prompt cache stands before it: what is in there is said whatever the circuit."""

    def __init__(self, synthesizer: Synthesizer, breaker: Breaker, now: Callable[[], float]) -> None:
        self._synthesizer = synthesizer
        self._breaker = breaker
        self._now = now
        self.capabilities = synthesizer.capabilities

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """As the vendor does; fails at once while its circuit is open."""
        trial = _admitted(self._breaker, utterance.vendor, "speak", self._now)
        try:
            async with closing(self._synthesizer.speak(utterance)) as pieces:
                async for spoken in pieces:
                    trial.waits_no_more()
                    yield spoken
                    trial.waits()
            trial.succeeded()
        except VendorError as error:
            trial.failed(error)
            raise
        finally:
            trial.left()

    async def voices(self) -> Sequence[VoiceInfo]:
        """As the vendor lists them; empty where it does not."""
        return await self._synthesizer.voices() if isinstance(self._synthesizer, ListsVoices) else ()


class GuardedRecognizer:
    """See the module's docstring."""

    def __init__(self, recognizer: Recognizer, breaker: Breaker, now: Callable[[], float]) -> None:
        self._recognizer = recognizer
        self._breaker = breaker
        self._now = now
        self.capabilities = recognizer.capabilities

    @asynccontextmanager
    async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        """As the vendor does; fails at once while its circuit is open."""
        trial = _admitted(self._breaker, settings.vendor, "listen", self._now)
        try:
            async with self._recognizer.listen(settings) as stream:
                trial.waits_no_more()
                yield _GuardedStream(stream, trial)
        except VendorError as error:
            trial.failed(error)
            raise
        finally:
            trial.left()


class _GuardedStream:
    def __init__(self, stream: RecognitionStream, trial: _Trial) -> None:
        self._stream = stream
        self._trial = trial

    async def push(self, frame: Frame) -> None:
        await self._stream.push(frame)

    async def finish(self) -> None:
        self._trial.waits()
        await self._stream.finish()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        async with closing(self._stream.results()) as results:
            async for result in results:
                if isinstance(result, Transcript):
                    self._trial.succeeded()
                yield result
        self._trial.succeeded()
