"""What an operator writes for an engine of one's own."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from audio.format import AudioFormat, Encoding
from config.speech import SpeechSection

DEFAULT_FORMATS = ("l16/8000",)


def _http(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/") if url else None


def _socket(url: str | None) -> str | None:
    if url is not None and not url.startswith(("ws://", "wss://")):
        raise ValueError("must begin with ws:// or wss://")
    return url


def _format(name: str) -> str:
    encoding, _, rate = name.lower().partition("/")
    if encoding not in set(Encoding) or not rate.isdigit() or not 8000 <= int(rate) <= 48000:
        raise ValueError("must be an encoding (pcmu, pcma, l16) and a rate, such as l16/16000")
    if encoding != Encoding.L16 and int(rate) != 8000:
        raise ValueError("pcmu and pcma have 8000 samples per second")
    return name.lower()


FormatName = Annotated[str, AfterValidator(_format)]


def formats(names: tuple[str, ...]) -> tuple[AudioFormat, ...]:
    """Formats by the names of the configuration."""
    pairs = (name.split("/") for name in names)
    return tuple(AudioFormat(Encoding(encoding), int(rate)) for encoding, rate in pairs)


class CustomSpeechSection(SpeechSection):
    """An engine of one's own that keeps the contract in `docs/speech/custom.md`."""

    url: Annotated[str | None, AfterValidator(_http)] = Field(default=None, min_length=1)
    """The engine's address: it speaks at `/speak` below it and listens at `/listen`."""
    speak_url: Annotated[str | None, AfterValidator(_http)] = None
    """Where it speaks, if not below `url`. With neither, it does not speak."""
    listen_url: Annotated[str | None, AfterValidator(_socket)] = None
    """Where it listens (`ws://` or `wss://`), if not below `url`. With neither, it does not listen."""
    api_key: SecretStr | None = None
    """Sent as `Authorization: Bearer ...`."""
    speak_formats: tuple[FormatName, ...] = Field(default=DEFAULT_FORMATS, min_length=1)
    """What it can say, best first: `pcmu/8000`, `pcma/8000`, `l16/8000`, `l16/16000` ..."""
    listen_formats: tuple[FormatName, ...] = Field(default=DEFAULT_FORMATS, min_length=1)
    """What it can hear, best first."""
    languages: tuple[str, ...] = ()
    """What it speaks and hears, such as `fr-FR` or `fr`. Empty: anything."""
    ssml: bool = False
    """It understands SSML."""
    partials: bool = True
    """It tells what it hears before the caller has finished."""
    hints: bool = True
    """It makes use of hints."""
    ends_turns: bool = False
    """It can tell by itself when a turn is over, for numbers with `recognizer.endpointing: vendor`."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds until the first sound and between two pieces of it, and from the end of a turn to its last transcript."""

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.address_spoken is None and self.address_heard is None:
            raise ValueError("an engine needs url, speak_url or listen_url")
        return self

    @property
    def address_spoken(self) -> str | None:
        return self.speak_url or (f"{self.url}/speak" if self.url else None)

    @property
    def address_heard(self) -> str | None:
        return self.listen_url or (f"{self.url.replace('http', 'ws', 1)}/listen" if self.url else None)
