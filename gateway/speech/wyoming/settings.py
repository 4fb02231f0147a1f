"""What an operator writes for Wyoming servers."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from config.speech import SpeechSection


def _address(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return url
    if parts.scheme != "tcp" or not parts.hostname or parts.port is None:
        raise ValueError("must be tcp://host:port or unix:///path")
    return url


Address = Annotated[str | None, AfterValidator(_address)]


class WyomingSpeechSection(SpeechSection):
    """Wyoming servers, such as Piper and faster-whisper: one for both ways, or one for each."""

    url: Address = Field(default=None, min_length=1)
    """A server that speaks and listens: `tcp://host:port` or `unix:///path`."""
    speak_url: Address = None
    """One that speaks (Piper's port is 10200). With neither, nothing is spoken."""
    listen_url: Address = None
    """One that listens (faster-whisper's port is 10300). With neither, nothing is heard."""
    voice: str | None = None
    """Where a number names none. Unset: the server's own choice for the language."""
    listen_model: str | None = None
    """Where a number names none. Unset: the server's first."""
    listen_rate: Literal[8000, 16000] = 16000
    """Samples per second that the recognizer is sent; Whisper wants 16000."""
    partials: bool = False
    """The recognizer tells what it hears piece by piece (`supports_transcript_streaming`)."""
    hints: bool = False
    """The recognizer makes use of hints (`transcript_terms` of Wyoming 1.10); they are sent anyway."""
    ssml: bool = False
    """The voice understands SSML (`text_format` of Wyoming 1.10)."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds until the first sound and between two pieces of it, and from the end of a turn to its transcript."""

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if not (self.url or self.speak_url or self.listen_url):
            raise ValueError("a Wyoming entry needs url, speak_url or listen_url")
        return self
