"""What an operator writes for ElevenLabs: an entry under `speech`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from config.speech import SpeechSection


class ElevenLabsSpeechSection(SpeechSection):
    """ElevenLabs: speaks with its voices, recognizes by Scribe; both in the telephone's own encoding."""

    api_key: SecretStr
    """An API key, sent as `xi-api-key`."""
    voice: str = "JBFqnCBsd6RMkjVDRZzb"
    """Id of the voice where a number names none."""
    model: str = "eleven_flash_v2_5"
    """Model of synthesis where a number names none."""
    recognition_model: str = "scribe_v2_realtime"
    """Model of recognition where a number names none."""
    synthesis: Literal["multi", "single", "http"] = "multi"
    """How speech is asked for: `multi` by messages on a connection that serves one text after another, `single` by a
    WebSocket for each text, `http` by a request for each text, which does not tell how far a text has come."""
    warm_connections: int = Field(default=10, ge=0, le=1000)
    """Connections that wait for the next turn or text, for a minute each; every one may count against the account's
    limit of concurrent requests."""
