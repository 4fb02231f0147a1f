"""A recognition stream that takes the leg's frames as they are, and survives the vendors behind it.

The audio of the turn is kept until it has become text. When a recognizer cannot be reached, or breaks off, the next one
hears it. When a final is late, what was last understood is taken; where that is nothing, the next
recognizer hears the audio as well, and the first of them to understand something has the word.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import structlog

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.attempt import Attempt, Outcomes, Result, Sound, listen_converted
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard
from gateway.text.values import phrases_for

log = structlog.get_logger(__name__)

SPARE_SECONDS = 15.0
"""Audio beyond the longest turn that is kept: pre-roll and pauses."""
MAX_RESULTS = 1000
"""Results that wait to be read; then the vendor waits."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who can listen, and how the question is put to them."""

    recognizer: Recognizer
    settings: ListenSettings

    def can_hear(self) -> bool:
        """Whether it can do anything with the question."""
        if not self.recognizer.capabilities.needs_hints or self.settings.phrases or self.settings.hints:
            return True
        return bool(phrases_for(self.settings.kind, self.settings.language))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningPatience:
    """Seconds until a recognizer counts as failed.

    Attributes:
        open: Until its stream is open.
        final: From the end of the turn until there is a final.
    """

    open: float = 2.0
    final: float = 0.8


@asynccontextmanager
async def listen_in_turn(
    listeners: Sequence[Listener],
    source: AudioFormat,
    patience: ListeningPatience | None = None,
    on_trouble: Callable[[VendorError], None] | None = None,
    on_heard: Callable[[str, float], None] = lambda vendor, seconds: None,
) -> AsyncIterator[RecognitionStream]:
    """Open a stream at the first of the recognizers, with the others behind it.

    Args:
        listeners: At least one. Those that could do nothing with the question are passed over.
        on_trouble: Told of each recognizer that failed, and that another one stood in for.
        on_heard: Told by vendor how many seconds each was given.

    Raises:
        VendorError: on entering or from `results`: nobody can listen.
    """
    first, *behind = listeners
    behind = [listener for listener in behind if listener.can_hear()]

    def open_stream(listener: Listener) -> AbstractAsyncContextManager[RecognitionStream]:
        vendor = listener.settings.vendor
        return listen_converted(
            listener.recognizer, listener.settings, source, lambda seconds: on_heard(vendor, seconds)
        )

    if not behind:
        async with open_stream(first) as stream:
            yield stream
        return
    chain = _Chain([first, *behind], source, patience or ListeningPatience(), on_trouble or _log, open_stream)
    try:
        chain.begin()
        yield chain
    finally:
        await chain.close()


def _log(error: VendorError) -> None:
    log.warning("a recognizer failed, another one listens", vendor=error.vendor, reason=error.reason)


class _Chain:
    """The turn, and who is at work on it: mostly one recognizer, two while a final is late."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        source: AudioFormat,
        patience: ListeningPatience,
        on_trouble: Callable[[VendorError], None],
        open_stream: Callable[[Listener], AbstractAsyncContextManager[RecognitionStream]],
    ) -> None:
        self._waiting = deque(listeners)
        self._patience = patience
        self._on_trouble = on_trouble
        self._open_stream = open_stream
        self._sound = Sound(listeners[0].settings.max_length + SPARE_SECONDS)
        self._out: Outcomes = asyncio.Queue(MAX_RESULTS)
        self._attempts: list[Attempt] = []
        self._begun: list[Attempt] = []
        self._late_at: float | None = None
        self._partial = ""
        self._turn_is_over = False  # by the vendor's own word

    def begin(self) -> None:
        """Let the next recognizer hear the turn from what has not become text."""
        listener = self._waiting.popleft()
        attempt = Attempt(
            self._sound, self._open_stream(listener), self._patience.open, listener.settings.vendor, self._out
        )
        self._attempts.append(attempt)
        self._begun.append(attempt)

    async def close(self) -> None:
        for attempt in self._begun:
            attempt.task.cancel()
        await asyncio.gather(*(attempt.task for attempt in self._begun), return_exceptions=True)

    async def push(self, frame: Frame) -> None:
        if not self._sound.is_over:
            self._sound.add(frame)
            self._tell()

    async def finish(self) -> None:
        if not self._sound.is_over:
            self._sound.is_over = True
            self._late_at = asyncio.get_running_loop().time() + self._patience.final
            self._tell()
            self._wake_reader()

    async def results(self) -> AsyncIterator[Result]:
        """Raises VendorError when nobody is left."""
        while True:
            try:
                async with asyncio.timeout_at(self._late_at):
                    attempt, outcome = await self._out.get()
            except TimeoutError:
                self._late_at = None
                if last := self._taken_for_final():
                    yield last
                    return
                continue
            if attempt is None or attempt not in self._attempts:
                continue
            if isinstance(outcome, Transcript | SpeechHeard):
                if self._has_the_word(attempt, outcome):
                    yield outcome
            elif outcome is not None:
                self._attempts.remove(attempt)
                self._replace(outcome)
            else:
                self._attempts.remove(attempt)
                if not self._attempts and (self._sound.is_over or self._turn_is_over):
                    return
                if not self._attempts:
                    self._replace(VendorUnavailable("it stopped listening", vendor=attempt.vendor, operation="listen"))

    def _has_the_word(self, attempt: Attempt, result: Result) -> bool:
        """Whether a result counts; the first to have a final, of two at work, has the rest of the turn to itself."""
        is_final = isinstance(result, Transcript) and result.final
        if len(self._attempts) > 1:
            if not (is_final and isinstance(result, Transcript) and result.text.strip()):
                return False
            for other in self._attempts:
                if other is not attempt:
                    other.task.cancel()
            self._attempts = [attempt]
        if is_final:
            self._sound.has_become_text()
            self._late_at = None if self._sound.is_over else self._late_at
        if isinstance(result, Transcript):
            self._partial = "" if result.final else result.text
            self._turn_is_over |= result.ends_turn
        return True

    def _taken_for_final(self) -> Transcript | None:
        """What becomes of a turn whose final is late: its last partial, else somebody else hears it, too."""
        attempt = self._attempts[0]
        late = VendorUnavailable("its final is late", vendor=attempt.vendor, operation="listen")
        if self._partial.strip():
            self._on_trouble(late)
            return Transcript(text=self._partial, final=True)
        if self._waiting:
            self._on_trouble(late)
            self.begin()
        return None

    def _replace(self, error: VendorError) -> None:
        """Raises the error where there is nobody else."""
        if not self._attempts and not self._waiting:
            raise error
        self._on_trouble(error)
        if not self._attempts:
            self.begin()

    def _tell(self) -> None:
        for attempt in self._attempts:
            attempt.news.set()

    def _wake_reader(self) -> None:
        """Whoever waits for results learns that there is a deadline now."""
        if not self._out.full():  # where it is full, nobody waits
            self._out.put_nowait((None, None))
