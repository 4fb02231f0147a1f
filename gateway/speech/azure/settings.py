"""Settings of an Azure Speech resource, under `speech`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from config.speech import SpeechSection


class AzureSpeechSection(SpeechSection):
    """Azure Speech. `url` names a host for everything, `speak_url` another one for voices, as containers have them."""

    api_key: SecretStr | None = None
    """Key of the Speech resource; a container on a machine of yours may need none."""
    region: str | None = Field(default=None, pattern=r"^[a-z0-9]+$")
    """Region of the resource, such as `francecentral`."""
    speak_url: str | None = Field(default=None, min_length=1)
    """Address of the voices, where it is another one than `url`."""
    voice: str | None = None
    """Voice where neither number nor bot names one. Unset: a usual one of the language."""
    endpoint_id: str | None = None
    """A custom model for recognition, where neither number nor bot names one."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.region is None and self.url is None:
            raise ValueError("name the region of the Speech resource, or a url")
        if self.api_key is None and self.url is None:
            raise ValueError("api_key is missing")
        for url in (self.url, self.speak_url):
            if url is not None and not url.startswith(("http://", "https://")):
                raise ValueError("url begins with http:// or https://")
        return self

    @property
    def listen_host(self) -> str | None:
        """What the SDK calls a host; None: it finds its own by the region."""
        return None if self.url is None else "ws" + self.url.rstrip("/").removeprefix("http")

    @property
    def speak_base(self) -> str:
        """Where voices are, without a slash at the end."""
        base = self.speak_url or self.url or f"https://{self.region}.tts.speech.microsoft.com"
        return base.rstrip("/")
