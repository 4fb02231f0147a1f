"""What an operator writes for a bot of TALKR."""

from __future__ import annotations

import string
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator

from config.bots import BotSection
from gateway.events import CallInfo

URL_PLACEHOLDERS = ("company", "bot_id", "channel")
PAGE_PLACEHOLDERS = ("from", "to", "call_id", "number", "line")


def _names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


class TalkrBotSection(BotSection):
    """A bot reached by the TALKR Chatbot API v4.2."""

    backend: Literal["talkr"] = "talkr"
    url: str
    """The endpoint TALKR gave you; `{company}`, `{bot_id}` and `{channel}` in it are filled in."""
    company: str | None = None
    """Name of the workspace, for `{company}`."""
    bot_id: str | None = None
    """Number of the bot, for `{bot_id}`."""
    channel: Literal["telephony", "web"] = "telephony"
    """`web` brings no speech settings; it is there for tests."""
    send_query_header: Literal["auto", "always", "never"] = "auto"
    """Whether `X-Talkr-Query: 1` is sent; `auto`: on the `web` channel, which requires it."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, for a proxy in front of the bot."""
    bearer_token: SecretStr | None = None
    """Sent as `Authorization: Bearer ...`, for a proxy in front of the bot; the API itself needs none."""
    current_url_template: str | None = None
    """Sent as `currentUrl` with every turn, such as `tel:{from}`; may name `{from}`, `{to}`, `{call_id}`, `{number}`
    and `{line}`. Unset: not sent."""
    send_call_variables: bool = False
    """Adds `caller_number`, `called_number`, `call_id`, `input_mode` and `stt_confidence` to each turn's variables.
    Off, because they could collide with variables of the bot's tree."""
    stale_answer: Literal["drop", "speak"] = "drop"
    """What becomes of a `bot_answer` that is word for word the one before although the bot has moved on."""
    retry_tracking: Literal["first", "spoken"] = "first"
    """Whose tracking goes back after a silence: always the first retry block's, or that of the block last spoken."""
    background_gap: float = Field(default=0.4, ge=0, le=10)
    """Pause between a waiting message and the answer it announces."""
    send_no_input: bool = False
    """Tell the bot when the caller stays silent after the last retry, once per block."""
    no_input_text: str = Field(default="", max_length=4000)
    """What is sent as the caller's text then."""
    allow_bot_transfer: bool = False
    """Obey messages of a type that transfers or hangs up; where callers may be sent is still `transfer.allow`."""
    send_links: bool = False
    """Hand the URLs of pictures, videos and files on, to be sent as text messages."""
    regions: dict[str, str] = Field(default_factory=dict)
    """Region for a language the bot names without one, such as `{en: US}`. Unset: that of the number's own
    language, else the usual one (`en-GB`)."""
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    """Time for the connection."""
    timeout: float = Field(default=20.0, gt=0, le=120)
    """Time for one attempt, from the connection to the last byte. `answer_timeout` bounds all attempts together."""
    retry_delays: tuple[Annotated[float, Field(ge=0, le=30)], ...] = Field(default=(2.0, 4.0), max_length=5)
    """Waiting times before a turn is sent again after a server error."""

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            text = value.get_secret_value()
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is not a header name")
            if not text.isascii() or not text.isprintable():
                raise ValueError(f"the value of header {name} has characters that cannot be sent")
        return headers

    @field_validator("current_url_template")
    @classmethod
    def _known_page_names(cls, template: str | None) -> str | None:
        unknown = _names_in(template or "") - set(PAGE_PLACEHOLDERS)
        if unknown:
            raise ValueError(f"unknown {sorted(unknown)}; may name {', '.join(PAGE_PLACEHOLDERS)}")
        return template

    @model_validator(mode="after")
    def _complete_url(self) -> TalkrBotSection:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        names = _names_in(self.url)
        if names - set(URL_PLACEHOLDERS):
            raise ValueError(f"url may name {', '.join(URL_PLACEHOLDERS)}, not {sorted(names - set(URL_PLACEHOLDERS))}")
        missing = sorted(name for name in names if getattr(self, name) is None)
        if missing:
            raise ValueError(f"url names {', '.join(missing)}, which must be set too")
        return self

    def endpoint(self) -> str:
        """The URL with its placeholders filled in, each value percent-encoded; without placeholders as it is."""
        values = {name: quote(str(getattr(self, name)), safe="") for name in URL_PLACEHOLDERS}
        return self.url.format_map(values) if _names_in(self.url) else self.url

    def request_headers(self) -> dict[str, str]:
        """The headers of every request (vendor document, "Web channel" and "Telephony channel")."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self.bearer_token.get_secret_value()}"
        if self.send_query_header == "always" or (self.send_query_header == "auto" and self.channel == "web"):
            headers["X-Talkr-Query"] = "1"
        return headers

    def page(self, call: CallInfo) -> str | None:
        """What is sent as ``currentUrl``."""
        if self.current_url_template is None:
            return None
        values = {"from": call.caller, "to": call.called, "call_id": call.call_id}
        return self.current_url_template.format_map({**values, "number": call.number, "line": call.line})
