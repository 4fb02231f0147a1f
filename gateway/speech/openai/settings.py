"""What an operator writes for OpenAI's speech API, or a server of the same shape."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from config.speech import SpeechSection

Mode = Literal["upload", "realtime"]
OPENAI = "https://api.openai.com/v1"
LISTEN_MODELS: dict[Mode, str] = {"upload": "gpt-transcribe", "realtime": "gpt-live-transcribe"}
"""Where the configuration names none; the older ones end on 2027-02-26 (API reference of November 2026)."""


def _http(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/") if url else None


class OpenAiSpeechSection(SpeechSection):
    """OpenAI's speech API, or a server of the same shape."""

    url: Annotated[str | None, AfterValidator(_http)] = Field(default=None, min_length=1)
    """The address before `/audio/speech`. Unset: OpenAI's own."""
    api_key: SecretStr | None = None
    """Sent as `Authorization: Bearer ...`; servers of your own may need none."""
    mode: Mode = "upload"
    """How callers are heard: `upload` sends a whole turn once it is over, `realtime` sends it while they speak."""
    listen_model: str | None = None
    """Where a number names none. Unset: `gpt-transcribe`, in `realtime` mode `gpt-live-transcribe`."""
    listen_rate: Literal[8000, 16000, 24000] = 8000
    """Samples per second of what is uploaded; some servers take 16000 only."""
    realtime_model_in_address: bool = False
    """Name the model in the address of the realtime connection as well, as Speaches wants it and OpenAI does not."""
    speak_model: str = "gpt-4o-mini-tts"
    """Where a number names none."""
    voice: str = "alloy"
    """Where a number names none."""
    speak_rate: int = Field(default=24000, ge=8000, le=48000)
    """Samples per second that the server's `pcm` has; OpenAI's 24000."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds until the first sound, between two pieces of it, and for a whole transcription."""

    @property
    def base(self) -> str:
        return self.url or OPENAI

    @property
    def model_heard(self) -> str:
        return self.listen_model or LISTEN_MODELS[self.mode]
