"""What a session is given to work with. `app` builds it; a test gives what it needs and leaves out the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from audio.endpointing import VoiceEvent
from audio.format import AudioFormat
from audio.frame import Frame
from config.call import FallbackRecognizerSection, FallbackVoiceSection
from gateway.call.commands import Command
from gateway.clock import Clock, LoopClock
from gateway.errors import VendorError
from gateway.events import CallEvent
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechUsed, SpokenFrame, Utterance

OnTrouble = Callable[[VendorError], None]
OnUse = Callable[[SpeechUsed], None]


class Decider(Protocol):
    """Who decides; in production `gateway.call.conversation.Conversation`."""

    def handle(self, event: CallEvent, now: float) -> list[Command]: ...
    def next_deadline(self) -> float | None: ...


class Speech(Protocol):
    """All configured recognizers and synthesizers, conversions and fallbacks included."""

    def speak(
        self,
        utterance: Utterance,
        target: AudioFormat,
        fallback: Sequence[FallbackVoiceSection] = (),
        on_trouble: OnTrouble | None = None,
        *,
        on_use: OnUse | None = None,
        first_within: float | None = None,
    ) -> AsyncIterator[SpokenFrame]:
        """Audio in the target format.

        Args:
            on_trouble: Told of each voice that failed.
            on_use: Told of each voice that was asked.
            first_within: Seconds until a voice's first audio; then it has failed.

        Raises:
            VendorError: Every voice has failed.
        """
        ...

    def holds(self, utterance: Utterance, target: AudioFormat) -> bool:
        """Whether it was spoken before and is at hand, so that its audio comes at once."""
        ...

    def listen(
        self,
        settings: ListenSettings,
        source: AudioFormat,
        on_trouble: OnTrouble | None = None,
        *,
        fallback: Sequence[FallbackRecognizerSection] = (),
        on_use: OnUse | None = None,
        final_within: float | None = None,
    ) -> AbstractAsyncContextManager[RecognitionStream]:
        """A stream.

        Args:
            on_trouble: Told of a recognizer that failed and that another one stood in for.
            on_use: Told of each recognizer that was given audio.
            final_within: Seconds from the end of the turn until a final is late.
        """
        ...


class Detector(Protocol):
    """Says when voice starts, goes on and ends; positions in samples at `rate`. See `audio.ear.SpeechDetector`."""

    @property
    def rate(self) -> int: ...
    @property
    def end_silence(self) -> float: ...
    @end_silence.setter
    def end_silence(self, seconds: float) -> None: ...
    def push(self, frame: Frame) -> None: ...
    def close(self) -> None: ...


class Canceller(Protocol):
    """Takes our own voice out of what comes back. See `audio.echo.EchoCanceller`."""

    def reference(self, pcm: bytes, at_samples: int) -> None: ...
    def cut(self, at_samples: int) -> None: ...
    def process(self, frame: Frame) -> Frame: ...


class Recorder(Protocol):
    """Keeps both sides of the call; all times are call times in seconds."""

    def caller(self, frame: Frame, at: float) -> None: ...
    def bot(self, data: bytes, at: float) -> None:
        """Audio in the wire's format, as the caller has just heard it."""
        ...


Observer = Callable[[float, CallEvent, Sequence[Command]], None]
"""Told of each handled event exactly as handled: journal, live record, metrics. Must not wait."""


def _claim_nothing(key: str) -> None:
    pass


def _not_kept(use: SpeechUsed) -> None:
    pass


def _whole_stream(settings: ListenSettings) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """See the module's docstring.

    Attributes:
        clock: Must go with the event loop's time, because the session waits with the loop's timers.
        claim: Registers a webhook key for this call.
        detector: Makes the call's voice activity detector from the line's format and a listener. None: recognizers
            that report speech themselves are believed.
        canceller: Makes the call's echo canceller. None: the line's own is trusted.
        speech_only: Whether the recognizer of these settings wants only audio with speech in it.
        fallback_voices: The number's synthesizers, in order: its own first, because a bot may have chosen another.
        first_audio_within: Seconds a voice has for its first audio. None: what the directory says.
        fallback_recognizers: The number's, in order: its own first, because a bot may have chosen another.
        final_within: Seconds a recognizer has for its final. None: what the directory says.
        on_use: Told of what speech vendors did, also after the last event of the call.
        fetch_media: Downloads a recording by URL, with its own bounds. None: recordings by URL are not played.
        media_root: Where recordings by path lie. None: recordings by path are not played.
        observers: See `Observer`.
        put_message: Lays a WAV file where the bot can fetch it, and gives the address. None: bots get no such files.
        recorder: Gets audio from the moment the conversation says that the recording has started.
    """

    clock: Clock = field(default_factory=LoopClock)
    claim: Callable[[str], None] = _claim_nothing
    detector: Callable[[AudioFormat, Callable[[VoiceEvent], None]], Detector] | None = None
    canceller: Callable[[AudioFormat], Canceller] | None = None
    speech_only: Callable[[ListenSettings], bool] = _whole_stream
    fallback_voices: Sequence[FallbackVoiceSection] = ()
    first_audio_within: float | None = None
    fallback_recognizers: Sequence[FallbackRecognizerSection] = ()
    final_within: float | None = None
    on_use: OnUse = _not_kept
    fetch_media: Callable[[str], Awaitable[bytes]] | None = None
    media_root: Path | None = None
    observers: Sequence[Observer] = ()
    put_message: Callable[[bytes], str] | None = None
    recorder: Recorder | None = None
