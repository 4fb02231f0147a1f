"""Settings of an `asterisk` line."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section
from config.lines import LineSection, SocketPath

USABLE_AUTH = ("basic", "bearer", "none")


def _socket_url(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be a WebSocket address such as ws://asterisk:8088, with the HTTP server's prefix if any")
    return value.rstrip("/")


class ManagerSection(Section):
    """Asterisk's Manager Interface, through which callers are transferred. See docs/asterisk.md for its account."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Where Asterisk's manager interface listens."""
    port: int = Field(default=5038, ge=1, le=65535)
    """Its port."""
    username: str = Field(min_length=1)
    """Account in manager.conf, with `read = call` and `write = call`."""
    secret: SecretStr
    """Its secret."""
    context: str = Field(default="bot-transfer", pattern=r"^[A-Za-z0-9_.-]{1,79}$")
    """Context of the dialplan that dials the target, and dials us again when nobody answers."""
    channel: str = "pbx_channel"
    """Channel variable with the name of the caller's channel; a call without it cannot be transferred."""
    timeout: float = Field(default=3.0, gt=0, le=30)
    """Seconds to connect and log in, and again for Asterisk to send the caller away."""


class AsteriskLine(LineSection):
    """Calls from Asterisk's chan_websocket (20.16, 21.11, 22.6, 23.0 and later).

    Asterisk dials the line's `path` (`connection_type = per_call_config` in websocket_client.conf). With `f(json)` who
    calls whom comes as channel variables; as plain text, the called number is the last part of the path.
    """

    transport: Literal["asterisk"] = "asterisk"
    path: SocketPath = "/media/asterisk"
    """Path of the media socket on the shared port; a called number may follow it, as in `/media/asterisk/601`."""
    dial: Annotated[str | None, AfterValidator(_socket_url)] = None
    """Asterisk's HTTP server, such as `ws://asterisk:8088`, for channels that wait for us
    (`Dial(WebSocket/INCOMING/...)`) and are announced by `POST /api/lines/{line}/connect`."""
    dial_timeout: float = Field(default=5.0, gt=0, le=60)
    """Seconds a connection to `dial` may take."""
    manager: ManagerSection | None = None
    """Without it callers of this line cannot be transferred by the gateway, only by the dialplan, after our hang-up."""
    start_timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds Asterisk may take to describe the channel."""

    @model_validator(mode="after")
    def _auth_fits(self) -> Self:
        if self.auth is None or self.auth.kind not in USABLE_AUTH:
            raise PydanticCustomError("auth", "must be basic, bearer or none on an asterisk line")
        return self

    @property
    def can_transfer(self) -> bool:
        return self.manager is not None
