"""What an operator writes for Deepgram: an entry under `speech`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from config.speech import SpeechSection


class DeepgramSpeechSection(SpeechSection):
    """Deepgram: recognizes by Nova and Flux models, speaks with Aura voices; both in the telephone's own encoding."""

    api_key: SecretStr
    """An API key of a Deepgram project, sent as `Authorization: Token ...`."""
    model: str = "nova-3"
    """Recognition model where a number names none. One that begins with `flux` ends turns by itself, where
    `recognizer.endpointing` is `vendor`; `flux` alone picks the one for the language."""
    voice: str | None = None
    """Voice where a number names none, such as `aura-2-thalia-en`, or `thalia`. Unset: one for the language."""
    synthesis: Literal["http", "websocket"] = "http"
    """How speech is asked for: by a request for each text, or by messages on a connection that stays."""
    warm_connections: int = Field(default=20, ge=0, le=1000)
    """Connections that wait for the next turn or text, for a minute each; every one counts against the project's
    limit of concurrent connections."""
