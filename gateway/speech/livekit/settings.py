"""What an operator writes for a vendor behind one of LiveKit's plug-ins."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from config.speech import SpeechSection


class LivekitSpeechSection(SpeechSection):
    """A vendor that is spoken to by a plug-in of LiveKit's agents. Its own page says which keywords it takes."""

    plugin: str | None = Field(default=None, pattern=r"^[a-z0-9_]+$")
    """As in `livekit.plugins.NAME`. Unset: what follows `livekit:` in the entry's name."""
    api_key: SecretStr | None = None
    """Given to both sides as `api_key`."""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Further keywords of both sides, such as `api_secret`."""
    speaks: bool = True
    """The plug-in's `TTS` is used."""
    listens: bool = True
    """The plug-in's `STT` is used."""
    speak_url: str | None = None
    """Given to `TTS` as `base_url`, if it is not `url`."""
    listen_url: str | None = None
    """Given to `STT` as `base_url`, if it is not `url`."""
    speak: dict[str, Any] = Field(default_factory=dict)
    """Further keywords of `TTS`, such as `model`."""
    listen: dict[str, Any] = Field(default_factory=dict)
    """Further keywords of `STT`."""
    rate: Literal[8000, 16000, 24000] = 8000
    """Samples per second that `STT` is given."""
    partials: bool = True
    """`STT` tells what it hears before the caller has finished."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds until the first sound, and from the end of a turn to its last transcript."""
    settle: float = Field(default=0.5, gt=0, le=10)
    """Seconds of quiet, at the end of a turn whose words are final, after which nothing more is waited for."""
