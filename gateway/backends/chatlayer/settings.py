"""What an operator writes for a bot of Chatlayer."""

from __future__ import annotations

import re
import string
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from config.base import Section
from config.bots import BotSection

HOSTS = {"production": "https://api.chatlayer.ai", "staging": "https://api.staging.chatlayer.ai"}
"""The vendor's page, "Scheme and hostname"."""
MIN_SENDER_CHARS = 32  # the vendor's page, "User id"
PLACEHOLDER_CHARS = {"uuid": 36, "caller_hash": 32}
"""What may stand in `sender_id`, and how long it is at least."""
DATA_PLACEHOLDERS = ("from", "to", "call_id", "number", "line", "language", "name")
SIDE_API = (
    "silence_dialogstate",
    "transfer_failed_dialogstate",
    "hangup_dialogstate",
    "record_namespaces",
    "recover_missed",
)
"""Settings that need `access_token` on the legacy interface."""


def _start(value: object) -> object:
    """``start: none`` waits for the caller; our YAML keeps the bare word, other sources may have made it a null."""
    return {"text": None} if value in ("none", "off", False) else value


def _names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


class StartSection(Section):
    """How the bot is made to begin: it says nothing until it is told something."""

    text: str | None = Field(default=None, min_length=1, max_length=1000)
    """Sent as the caller's first words."""
    dialogstate: str | None = Field(default=None, min_length=1, max_length=200)
    """Jumped to by an asynchronous action, together with the data of the call; needs `access_token`."""
    intro: bool = False
    """The bot's own introduction; only with `dialect: v1`."""

    @model_validator(mode="after")
    def _one_of_them(self) -> StartSection:
        if sum((self.text is not None, self.dialogstate is not None, self.intro)) > 1:
            raise ValueError("start is one of text, dialogstate and intro")
        return self

    @property
    def is_none(self) -> bool:
        return self.text is None and self.dialogstate is None and not self.intro


class ChatlayerBotSection(BotSection):
    """A bot reached by Chatlayer's webhook channel."""

    backend: Literal["chatlayer"] = "chatlayer"
    bot_id: str = Field(min_length=1, max_length=200)
    """The bot's id, as in the address of its page."""
    verify_token: SecretStr
    """The verify token of the bot's webhook channel. It goes out with every message, and every message of the bot must
    bring it."""
    access_token: SecretStr | None = None
    """Access token of the account: for asynchronous actions, history, session data and the `talkpath chatlayer`
    commands."""
    environment: Literal["production", "staging"] = "production"
    """Which of the vendor's hosts."""
    url: str | None = None
    """Another host, such as `https://chatlayer.example.com`; the path `/api` is added."""
    insecure: bool = False
    """Take an address without https, for tests on one machine: the vendor requires https."""
    dialect: Literal["legacy", "v1"] = "legacy"
    """`legacy`: the Webhook Channel API. `v1`: messages go to `channel_url`; answers arrive by the same webhook."""
    channel_url: str | None = None
    """With `dialect: v1`: the address the platform shows for the channel."""
    channel_token: SecretStr | None = None
    """With `dialect: v1`: sent to it as `Authorization: Bearer ...`."""
    version: Literal["LIVE", "DRAFT"] = "LIVE"
    """Which version of the bot the `nlp` command asks."""
    locale: str = Field(default="auto", pattern=r"^(auto|none|[a-z]{2})$")
    """Sent with what the caller says: `auto` is the call's language in two letters, `none` sends none."""
    identity: Literal["call", "caller"] = "call"
    """`call`: every call is a new conversation. `caller`: the same caller goes on in his own, and keeps its variables;
    needs `identity_secret`. A withheld number is a new conversation."""
    identity_secret: SecretStr | None = None
    """Key by which a caller's number becomes his conversation's id, so that the number itself does not."""
    sender_id: str | None = None
    """The conversation's id instead of that, at least 32 characters, of letters, digits, dashes, `{uuid}` (36
    characters) and `{caller_hash}` (32 characters, by `identity_secret`)."""
    start: Annotated[StartSection | None, BeforeValidator(_start)] = None
    """`{text: hi}`, `{dialogstate: ID}`, or `none` to wait for the caller. Unset: `{text: hi}`; with `dialect: v1` the
    bot's own introduction."""
    greeting: str | None = None
    """Said by the gateway when nothing starts the bot."""
    session_namespace: str = Field(default="call", pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    """Namespace of the session data that is written at the start by `dialogstate`."""
    session_data: dict[str, str] = Field(
        default={"caller": "{from}", "called": "{to}", "call_id": "{call_id}", "language": "{language}"}
    )
    """That data: texts with `{from}`, `{to}`, `{call_id}`, `{number}`, `{line}`, `{language}` and `{name}`. Empty:
    none is written."""
    silence_dialogstate: str | None = None
    """Jumped to when the caller has stayed silent to the end; the number needs `no_input: {then: event}`."""
    silence_text: str | None = None
    """Sent as the caller's words instead. Neither: the number's fallback."""
    transfer_failed_dialogstate: str | None = None
    """Jumped to when a transfer has failed. Unset: the caller hears so, and is listened to."""
    offload_to: str | None = Field(default=None, min_length=1, max_length=200)
    """Where a caller is transferred when the bot offloads him to people: a number or SIP address that `transfer.allow`
    has. Opens the offloading webhook, at the channel's address with `/offloading` behind it."""
    hangup_dialogstate: str | None = None
    """Jumped to when the call is over."""
    send_links: bool = False
    """Hand the addresses of links, pictures, videos and files on, by the number's link policy."""
    connect_label: str | None = None
    """How a button with a telephone number is called in a menu, such as `to speak to {title}`. Unset: by language."""
    obey_events: bool = False
    """Obey events of the bot that transfer or hang up, `{"transfer": "+32..."}` and `{"hangup": true}`; where callers
    may be sent is still `transfer.allow`."""
    transfer_marker: str | None = Field(default=None, min_length=2, max_length=50)
    """A text of the bot that begins with this is no speech, but where to transfer the caller."""
    hangup_marker: str | None = Field(default=None, min_length=2, max_length=50)
    """A text of the bot that ends with this hangs up after it."""
    history: bool = True
    """Copy the bot's own history of the call into the call record when the call is over, if there is an
    `access_token`."""
    history_delay: float = Field(default=5.0, ge=0, le=3600)
    """Time after the end of the call until the history is asked for."""
    record_namespaces: tuple[str, ...] = Field(default=(), max_length=20)
    """Namespaces of session data that are copied into the call record with it."""
    recover_missed: bool = False
    """Look into the history for what the bot said when no message arrived in time."""
    recover_after: float = Field(default=15.0, ge=1, le=120)
    """That time, from the moment the platform took what the caller said."""
    order_within: float = Field(default=0.25, ge=0, le=2)
    """Time for a message whose counter says that one before it is missing."""
    retry_delays: tuple[Annotated[float, Field(ge=0, le=30)], ...] = Field(default=(1.0,), max_length=5)
    """Waiting times before what the caller said is sent again after a server error or no answer. The bot may then get
    it twice; empty: never again."""
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    """Time for the connection."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Time for one request, from the connection to the last byte."""

    @field_validator("url", "channel_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^\s/?#]+", value):
            raise ValueError("must begin with https:// and a host")
        return value.rstrip("/") if value else value

    @field_validator("sender_id")
    @classmethod
    def _long_enough(cls, template: str | None) -> str | None:
        if template is None:
            return None
        names = _names_in(template)
        if names - set(PLACEHOLDER_CHARS):
            raise ValueError(f"may name {', '.join(PLACEHOLDER_CHARS)}, not {sorted(names - set(PLACEHOLDER_CHARS))}")
        literal = "".join(text for text, *_ in string.Formatter().parse(template))
        if not re.fullmatch(r"[A-Za-z0-9_.-]*", literal):
            raise ValueError("may have letters, digits, dashes, dots and underscores beside its placeholders")
        if len(shortest_sender(template)) < MIN_SENDER_CHARS:
            raise ValueError(f"gives fewer than {MIN_SENDER_CHARS} characters, which Chatlayer refuses")
        if "uuid" not in names and "caller_hash" not in names:
            raise ValueError("must name uuid or caller_hash: callers would share one conversation")
        return template

    @field_validator("session_data")
    @classmethod
    def _known_names(cls, data: dict[str, str]) -> dict[str, str]:
        unknown = {name for text in data.values() for name in _names_in(text)} - set(DATA_PLACEHOLDERS)
        if unknown:
            raise ValueError(f"unknown {sorted(unknown)}; may name {', '.join(DATA_PLACEHOLDERS)}")
        return data

    @field_validator("connect_label")
    @classmethod
    def _names_title(cls, label: str | None) -> str | None:
        if label is not None and _names_in(label) != {"title"}:
            raise ValueError("must name {title}, and nothing else")
        return label

    @model_validator(mode="after")
    def _sound(self) -> ChatlayerBotSection:
        for problem in (*self._transport_problems(), *self._missing()):
            raise ValueError(problem)
        return self

    def _transport_problems(self) -> list[str]:
        found = []
        for name in ("url", "channel_url"):
            value = getattr(self, name)
            if value is not None and value.startswith("http://") and not self.insecure:
                found.append(f"{name} must begin with https://, or say insecure: true")
        if self.dialect == "v1" and (self.channel_url is None or self.channel_token is None):
            found.append("dialect v1 needs channel_url and channel_token")
        return found

    def _missing(self) -> list[str]:
        found = []
        names_caller = self.identity == "caller" or "{caller_hash}" in (self.sender_id or "")
        if names_caller and self.identity_secret is None:
            found.append("identity_secret is needed to tell callers apart")
        if self.begins.intro and self.dialect != "v1":
            found.append("start: {intro: true} needs dialect: v1")
        if self.access_token is None:
            needed = [name for name in SIDE_API if getattr(self, name)]
            if self.begins.dialogstate is not None and self.dialect == "legacy":
                needed.append("start.dialogstate")
            if needed:
                found.append(f"{', '.join(needed)} needs access_token")
        return found

    @property
    def begins(self) -> StartSection:
        """How the bot is made to begin, as written or by default."""
        if self.start is not None:
            return self.start
        return StartSection(intro=True) if self.dialect == "v1" else StartSection(text="hi")

    @property
    def base_url(self) -> str:
        return self.url or HOSTS[self.environment]

    def filled(self, values: dict[str, Any]) -> dict[str, str]:
        """The session data of a call."""
        return {name: text.format_map(values) for name, text in self.session_data.items()}


def shortest_sender(template: str) -> str:
    """The shortest id a template can give, for its length."""
    return template.format_map({name: "x" * size for name, size in PLACEHOLDER_CHARS.items()})
