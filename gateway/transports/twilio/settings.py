"""Settings of a `twilio` line."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from config.lines import LineSection, SocketPath

USABLE_AUTH = ("twilio_signature", "basic", "bearer", "none")


class TwilioLine(LineSection):
    """Calls from Twilio Media Streams.

    A number's voice webhook is the line's `path` with `/voice` behind it. A TwiML document of your own may connect the
    stream as well: it passes caller and called number as `<Parameter>`s.
    """

    transport: Literal["twilio"] = "twilio"
    path: SocketPath = "/media/twilio"
    """Path of the media stream on the shared port; behind `server.public_url` it is what Twilio connects to."""
    start_timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds a stream may take to say who calls."""

    @model_validator(mode="after")
    def _auth_fits(self) -> Self:
        if self.auth is None or self.auth.kind not in USABLE_AUTH:
            raise PydanticCustomError("auth", "must be twilio_signature, basic, bearer or none on a twilio line")
        return self
