"""Settings of a `twilio` line."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section
from config.lines import LineSection, SocketPath

USABLE_AUTH = ("twilio_signature", "basic", "bearer", "none")


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://api.twilio.com")
    return value.rstrip("/")


class RestSection(Section):
    """Twilio's REST API, through which callers are transferred; needs `server.public_url`, which Twilio reports to."""

    url: Annotated[str, AfterValidator(_http_url)] = "https://api.twilio.com"
    """The API's address; SignalWire has one for each space."""
    api_key: str | None = None
    """SID of an API key (`SK...`); without it the account's own SID is used."""
    secret: SecretStr | None = None
    """The key's secret, or the account's auth token; without it the one of `auth.twilio_signature`."""
    caller_id: str | None = Field(default=None, pattern=r"^(\+[1-9][0-9]{1,14}|[A-Za-z0-9._-]+)$")
    """What the target sees as the caller, where it shall not be the caller's own number."""
    timeout: float = Field(default=5.0, gt=0, le=30)
    """Seconds the API may take."""


class TwilioLine(LineSection):
    """Calls from Twilio Media Streams.

    A number's voice webhook is the line's `path` with `/voice` behind it. A TwiML document of your own may connect the
    stream as well: it passes caller and called number as `<Parameter>`s.
    """

    transport: Literal["twilio"] = "twilio"
    path: SocketPath = "/media/twilio"
    """Path of the media stream on the shared port; behind `server.public_url` it is what Twilio connects to."""
    rest: RestSection | None = None
    """Without it callers of this line cannot be transferred. `rest: {}` uses the account's own auth token."""
    start_timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds a stream may take to say who calls."""

    @model_validator(mode="after")
    def _auth_fits(self) -> Self:
        if self.auth is None or self.auth.kind not in USABLE_AUTH:
            raise PydanticCustomError("auth", "must be twilio_signature, basic, bearer or none on a twilio line")
        return self

    @model_validator(mode="after")
    def _rest_can_log_in(self) -> Self:
        if self.rest is not None and self.auth is not None and self.auth.bearer is not None:
            raise PydanticCustomError(
                "rest", "cannot be used with `auth.bearer`: Twilio reports transfers without a token"
            )
        if self.rest is None or self.rest.secret is not None:
            return self
        if self.rest.api_key is not None or self.auth is None or self.auth.twilio_signature is None:
            raise PydanticCustomError("rest", "needs `rest.secret` without `auth.twilio_signature`, or with an API key")
        return self

    @property
    def can_transfer(self) -> bool:
        return self.rest is not None
