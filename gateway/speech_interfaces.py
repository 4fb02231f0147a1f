"""The seams to speech vendors: who listens to the caller, and who speaks to them.

Small protocols and capabilities, as in `gateway.interfaces`, which has the seams to carriers and chat platforms.
Contract suites in `tests/contracts` hold fakes and real adapters to what is said here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from audio.format import AudioFormat
from audio.frame import Frame
from config.call import Kind
from gateway.events import Transcript
from gateway.tuning import Prosody, Tuning


# --- recognizers ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerCapabilities:
    """What a recognizer can do.

    Attributes:
        own_endpointing: ``utterance``: reports ends of utterances; ``turn``: a model that knows when a turn is over.
        speech_only: Wants only audio with speech in it (and a little around it).
        needs_hints: Hears nothing but hints, menu labels, digits and the like.
        takes_hints: Hints make what they name likelier.
        formats: What it takes, best first; empty: whatever the line has.
        languages: BCP 47 tags, or base languages; empty: any.
    """

    partials: bool = True
    own_endpointing: Literal["none", "utterance", "turn"] = "none"
    speech_only: bool = False
    needs_hints: bool = False
    takes_hints: bool = False
    formats: tuple[AudioFormat, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """What a recognition stream is opened with.

    Attributes:
        vendor: Its name in the configuration; for the directory that picks the recognizer.
        phrases: The only things the question allows (menu labels with their aliases), best recognised exactly.
        hints: Words and phrases that are likely.
        tuning: What else the vendor is told, in terms common to all of them.
        options: The vendor's own, as the operator or the bot wrote them; see `gateway.kit.options`.
        sensitive: Nothing of it may be logged or kept.
        format: What the frames to be pushed will have; the directory sets it. None: known with the first frame.
    """

    vendor: str = "local"
    language: str = "en-GB"
    kind: Kind = "free"
    phrases: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    model: str | None = None
    end_silence: float = 0.8
    max_length: float = 30.0
    sensitive: bool = False
    tuning: Tuning = field(default_factory=Tuning)
    options: Mapping[str, Any] = field(default_factory=dict)
    format: AudioFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechHeard:
    """A recognizer's own notice that speech started or stopped; ``at`` in seconds of the audio pushed so far."""

    started: bool
    at: float


class RecognitionStream(Protocol):
    """One caller turn."""

    async def push(self, frame: Frame) -> None: ...
    async def finish(self) -> None:
        """The caller's turn is over: deliver what is left, then `results` ends."""
        ...

    def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        """Raises VendorError when the stream breaks."""
        ...


class Recognizer(Protocol):
    """One per configured vendor; may keep sockets warm between streams."""

    @property
    def capabilities(self) -> RecognizerCapabilities: ...
    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]: ...


# --- synthesizers --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A piece of speech for a synthesizer: the whole effective request, which is also the prompt cache's key.

    Attributes:
        text: Plain text, or SSML when ``ssml``.
        plain: The text without markup, for the record of what was heard.
        vendor: Its name in the configuration.
        prosody: How the voice speaks, in terms common to all vendors.
        options: The vendor's own, as the operator or the bot wrote them; see `gateway.kit.options`.
        sensitive: Nothing of it may be logged or kept.
        format: What the line takes; the directory sets it. A synthesizer that cannot make it gives the nearest of its
            own, which the directory converts. None: the synthesizer's first.
    """

    text: str
    plain: str = ""
    ssml: bool = False
    vendor: str = "local"
    language: str = "en-GB"
    voice: str | None = None
    model: str | None = None
    prosody: Prosody = field(default_factory=Prosody)
    options: Mapping[str, Any] = field(default_factory=dict)
    sensitive: bool = False
    format: AudioFormat | None = None


@dataclass(frozen=True, slots=True)
class SpokenFrame:
    """Synthesized audio; ``chars``: how many characters of the plain text are spoken by its end, where known."""

    frame: Frame
    chars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizerCapabilities:
    """What a synthesizer can do.

    Attributes:
        streams: Audio comes while the rest is still being made.
        formats: What it can produce, best first; empty: whatever is asked for.
        languages: BCP 47 tags, or base languages; empty: any.
    """

    ssml: bool = False
    word_times: bool = False
    streams: bool = True
    formats: tuple[AudioFormat, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceInfo:
    """A voice a vendor offers.

    Attributes:
        name: What `synthesizer.voice` says.
        languages: BCP 47 tags it speaks; empty: any.
        about: For people: its title, sex, style.
    """

    name: str
    languages: tuple[str, ...] = ()
    about: str = ""


class Synthesizer(Protocol):
    """One per configured vendor."""

    @property
    def capabilities(self) -> SynthesizerCapabilities: ...
    def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Raises VendorError. Leaving the iterator cancels the request."""
        ...


@runtime_checkable
class ListsVoices(Protocol):
    """A synthesizer that can say which voices it has; `talkpath voices VENDOR` asks."""

    async def voices(self) -> Sequence[VoiceInfo]:
        """Raises VendorError."""
        ...


# --- for the books -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechUsed:
    """What a vendor did for the call, and may charge for.

    Attributes:
        vendor: Its name in the configuration.
        seconds: Of audio a recognizer was given.
        characters: Of the text a synthesizer was asked to say.
        cached: It had been said before; nobody was asked.
    """

    part: Literal["synthesizer", "recognizer"]
    vendor: str
    seconds: float = 0.0
    characters: int = 0
    cached: bool = False
