"""Settings of a `browser` line."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section
from config.lines import LineSection, SocketPath
from gateway.transports.media.settings import MediaAddress, MediaPorts

Codec = Literal["opus", "G722", "PCMU", "PCMA"]


class BrowserMediaSection(Section):
    """Where the audio of calls from browsers is sent and received."""

    ports: MediaPorts = (20000, 20999)
    """UDP ports for audio, such as `20000-20999`; one for each call. Open them in the firewall."""
    host: MediaAddress = None
    """Local address for audio. Unset: all of the machine's."""
    announce: MediaAddress = None
    """Address that browsers are told, for a gateway behind 1:1 NAT. Unset: the local ones."""


class BrowserLine(LineSection):
    """Calls from the console's page, or from a page of yours, by WebRTC.

    There is nothing to configure for who may call: whoever may read the console asks for a token that is good for one
    call to one number, within a minute.
    """

    transport: Literal["browser"] = "browser"
    path: SocketPath = "/media/browser"
    """Path on the shared port to which a page sends its offer."""
    media: BrowserMediaSection = BrowserMediaSection()
    codecs: tuple[Codec, ...] = Field(default=("opus", "PCMU", "PCMA"), min_length=1)
    """Codecs, the preferred one first. Opus bears loss best and is heard best; PCMU costs the least."""
    calls_per_minute: int = Field(default=30, ge=1, le=6000)
    """Calls that one address may try within a minute."""
    retry_after: int = Field(default=30, ge=1, le=3600)
    """Seconds after which a page may try again, told with 503 when the gateway is full or about to stop."""

    @model_validator(mode="after")
    def _takes_no_auth(self) -> Self:
        if self.auth is not None:
            raise PydanticCustomError("auth", "is not used by a browser line: each call has a token of its own")
        return self

    @property
    def proof(self) -> str | None:
        return "one-time token"
