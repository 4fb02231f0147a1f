"""What an operator writes for a bot that takes and gives JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section
from config.bots import BotSection
from config.lines import BasicAuth
from gateway.actions import TextFormat
from gateway.backends.rest.paths import Path
from gateway.backends.rest.templates import names_in

KNOWN = frozenset(
    {"version", "type", "call", "turn", "text", "confidence", "source", "language", "value", "barged_in", "choice"}
    | {"digits", "terminator", "no_input", "transfer", "media", "location", "channel", "end", "session"}
)
"""What a template may name first."""
EventType = Literal[
    "start", "message", "choice", "dtmf", "no_input", "transfer_result", "media", "location", "opt_out", "end"
]
EVERY_EVENT: tuple[EventType, ...] = ("start", "message", "choice", "no_input", "transfer_result", "media", "end")


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url


def _path(text: str) -> str:
    Path.parse(text)
    return text


def _template(value: Any) -> Any:
    for name in names_in(value):
        first = name.replace("[", ".").removeprefix("$.").partition(".")[0]
        if first not in KNOWN:
            raise ValueError(f"nothing is known as {{{{{name}}}}}; a template may name {', '.join(sorted(KNOWN))}")
    return value


JsonPath = Annotated[str, AfterValidator(_path)]
Url = Annotated[str, AfterValidator(_http)]


class HeaderAuth(Section):
    """A secret in a header of the bot's choice."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """The header."""
    value: SecretStr
    """Its value."""


class RestAuth(Section):
    """How we prove who we are. At most one way."""

    basic: BasicAuth | None = None
    """User name and password (RFC 7617)."""
    bearer: SecretStr | None = None
    """Sent as `Authorization: Bearer ...`."""
    header: HeaderAuth | None = None
    """A secret in a header, such as `X-Api-Key`."""
    hmac: SecretStr | None = None
    """Signs the body: `X-Timestamp`, and `X-Signature: sha256=` the HMAC-SHA256 of timestamp, dot and body in hex."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len([way for way in (self.basic, self.bearer, self.header, self.hmac) if way is not None]) > 1:
            raise PydanticCustomError("auth", "says one of basic, bearer, header and hmac")
        return self


class RequestSection(Section):
    """A request of another shape than ours. `{{text}}`, `{{call.from}}` and the like are filled in."""

    method: Literal["POST", "PUT", "PATCH", "GET"] = "POST"
    """How it is sent; a GET has no body."""
    url: str | None = None
    """Where to; unset: the bot's `url`. Values in it are percent-encoded."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers."""
    body: Any = None
    """The body, as YAML. A string that is one `{{...}}` alone becomes that value, whatever it is."""

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        for field in ("url", "headers", "body"):
            try:
                _template(getattr(self, field))
            except ValueError as error:
                raise PydanticCustomError("template", "{field}: {why}", {"field": field, "why": str(error)}) from error
        return self


class ResponseSection(Section):
    """Where things are in an answer of another shape than ours: paths such as `$.messages[*].text`."""

    text: JsonPath = "$.text"
    """What is said; several are said one after the other."""
    choices: JsonPath | None = None
    """The list of what the caller may choose from."""
    choice_id: JsonPath = "$.id"
    """Within a choice: what goes back."""
    choice_label: JsonPath = "$.label"
    """Within a choice: what the caller hears."""
    transfer: JsonPath | None = None
    """Where the caller is sent, when there is something."""
    hangup: JsonPath | None = None
    """The call ends when this is there and neither false, 0 nor empty."""
    language: JsonPath | None = None
    """The language from now on, such as `fr-FR`."""
    session: JsonPath | None = None
    """What is sent back as `{{session}}` next time."""


class RestBotSection(BotSection):
    """Any bot that takes and gives JSON. Without `request` and `response` both have the shape of docs/rest.md."""

    backend: Literal["rest"] = "rest"
    url: Url
    """Where events are posted."""
    auth: RestAuth = RestAuth()
    """How we prove who we are."""
    request: RequestSection | None = None
    """What is sent instead, for a bot that has its own idea."""
    response: ResponseSection | None = None
    """Where things are in its answers."""
    events: tuple[EventType, ...] = EVERY_EVENT
    """What the bot is told. `dtmf`: keys come as such, and not as text. What is left out, it does not hear of."""
    start_text: str = ""
    """`{{text}}` when a call starts."""
    no_input_text: str = ""
    """`{{text}}` when the caller stays silent."""
    greeting: str | None = None
    """Said at the start of a call, for a bot that is not told of it (`start` left out of `events`) or says nothing."""
    every_silence: bool = False
    """Every silence is told, not only the last one."""
    format: TextFormat = "markdown"
    """What the bot's texts are written in, where an action does not say."""
    timeout: float = Field(default=10.0, gt=0, le=120)
    """Seconds for one attempt, from the connection to the last byte."""
    callback: Url | None = None
    """Our own address, such as `https://voice.example.com`, for a bot that answers later: each call gets a
    `callback_url` below it. Unset: no callbacks."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.greeting is None and "start" not in self.events:
            raise PydanticCustomError("greeting", "needs a `greeting`, or `start` among its `events`")
        return self
