"""What an operator writes for a Rasa assistant."""

from __future__ import annotations

import string
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section
from config.bots import BotSection

PLACEHOLDERS = ("from", "to", "call_id", "number", "line", "language", "display_name")
"""What the value of a slot may name."""


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/")


def _template(value: str) -> str:
    names = {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}
    if names - set(PLACEHOLDERS):
        unknown = ", ".join(sorted(names - set(PLACEHOLDERS)))
        raise ValueError(f"nothing is known as {unknown}; a slot may name {', '.join(PLACEHOLDERS)}")
    return value


Message = Annotated[str, Field(max_length=4000)]
PathInCustom = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]


class CustomSection(Section):
    """Where a response's `custom` object says something for the telephone: names with dots between them, such as
    `phone.hangup`. Unset: not looked for."""

    hangup: PathInCustom | None = "hangup"
    """The call ends after the words of the answer when this is there and neither false, 0, empty nor `no`."""
    transfer: PathInCustom | None = "transfer"
    """Where the caller is sent after the words of the answer; the number's `transfer.allow` must match."""
    ssml: PathInCustom | None = "ssml"
    """What is spoken, in SSML, instead of the `text` of the same response."""
    language: PathInCustom | None = "language"
    """The language from now on, such as `fr-FR`."""
    listen: PathInCustom | None = "listen"
    """What the next question asks for: `digits`, `number`, `date`, `email`, `phone`, `yesno` or `free`."""


class RasaBotSection(BotSection):
    """A Rasa assistant, behind its REST or its callback channel."""

    backend: Literal["rasa"] = "rasa"
    url: Annotated[str, AfterValidator(_http)]
    """Where the Rasa server is, such as `https://rasa.example.com`: what stands before `/webhooks/...`."""
    channel: Literal["rest", "callback"] = "rest"
    """Which channel of `credentials.yml` is used. `callback` also lets the bot speak unasked."""
    stream: bool = False
    """Speak each response of the `rest` channel as soon as the bot has it, while it works on the next."""
    token: SecretStr | None = None
    """Sent as `?token=`, for a server that runs with `--auth-token`."""
    bearer: SecretStr | None = None
    """Sent as `Authorization: Bearer ...`: a JWT for a server that runs with `--jwt-secret`, or a proxy's secret."""
    callback_token: Annotated[SecretStr, Field(min_length=16)] | None = None
    """What proves that a webhook comes from your bot. The `callback` channel needs it; see docs/rasa.md."""
    start_message: Message = "/session_start"
    """What is sent when a call starts, such as `/greet`. Empty: nothing."""
    greeting: str | None = None
    """Said at the start of a call, before what the bot says."""
    no_input_message: Message = "/no_input"
    """What is sent when the caller stays silent and the number says `no_input: {then: event}`. Empty: nothing."""
    every_silence: bool = False
    """Every silence is told, not only the last one."""
    transfer_failed_message: Message = ""
    """What is sent when a transfer has failed and the caller is back, such as `/transfer_failed`. Empty: nothing."""
    end_message: Message = ""
    """What is sent when the call is over, such as `/call_ended`; nobody hears the answer. Empty: nothing."""
    slots: dict[str, Annotated[str, AfterValidator(_template)]] = Field(default_factory=dict, max_length=50)
    """Slots that are set before the first message; a value may name `{from}`, `{to}`, `{call_id}`, `{number}`,
    `{line}`, `{language}` and `{display_name}`. Needs a server that runs with `--enable-api`."""
    send_metadata: bool = True
    """Sends what is known of call and input as `metadata` with every message."""
    custom: CustomSection = CustomSection()
    """What is understood of `custom` objects."""
    images: Literal["skip", "link"] = "skip"
    """What becomes of pictures and other files: noted in the call's record, or handed to the number's `links`."""
    format: Literal["detect", "plain", "markdown", "html", "ssml"] = "detect"
    """What the bot's texts are written in. `detect`: SSML within `<speak>`, HTML with tags, else Markdown."""
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    """Seconds for the connection."""
    timeout: float = Field(default=20.0, gt=0, le=120)
    """Seconds for one attempt; with `stream`, for the beginning and between two responses."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.channel == "callback" and self.callback_token is None:
            raise PydanticCustomError("callback_token", "channel callback needs a `callback_token`")
        if self.channel == "callback" and self.stream:
            raise PydanticCustomError("stream", "`stream` is for channel rest; callbacks come one by one anyway")
        return self
