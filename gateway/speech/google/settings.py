"""Settings of an account with Google Cloud, under `speech`."""

from __future__ import annotations

import json
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from config.speech import SpeechSection

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class GoogleSpeechSection(SpeechSection):
    """Google Cloud Speech-to-Text and Text-to-Speech."""

    credentials: SecretStr | None = None
    """A service account's key, as the JSON that Google gives out; `file:/run/secrets/google.json` names a file. Unset:
    the application default credentials of the machine (`GOOGLE_APPLICATION_CREDENTIALS`, workload identity)."""
    project: str | None = None
    """Google Cloud project, for version 2 of the recognizer. Unset: the one the credentials belong to."""
    quota_project: str | None = None
    """Project that is billed, where it is another one than that of the credentials."""
    api: Literal["v1", "v2"] = "v1"
    """Version of Speech-to-Text; v2 has the chirp models and needs a project."""
    location: str = Field(default="global", pattern=r"^[a-z0-9-]+$")
    """Where speech is recognized: `global`, `eu`, `us`, or for v2 a region such as `europe-west4`."""
    voice_location: str = Field(default="global", pattern=r"^[a-z0-9-]+$")
    """Where speech is synthesized: `global`, `eu`, `us` or a region."""
    model: str = "telephony"
    """Model of the recognizer where neither number nor bot names one."""

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        if self.credentials is not None:
            try:
                key = json.loads(self.credentials.get_secret_value())
            except ValueError:
                raise ValueError("credentials is not JSON; a file is named by file:/whole/path.json") from None
            if not isinstance(key, dict) or key.get("type") != "service_account":
                raise ValueError("credentials is not the key of a service account")
        return self

    @model_validator(mode="after")
    def _is_an_endpoint(self) -> Self:
        if self.url is None:
            return self
        scheme, _, host = self.url.rstrip("/").partition("://")
        if scheme not in ("http", "https") or not host or "/" in host:
            raise ValueError("url is https://host:port, or http:// for a server on this machine")
        if scheme == "http" and host.rpartition(":")[0] not in LOCAL_HOSTS:
            raise ValueError("url may be http:// only for a server on this machine, with its port")
        return self
