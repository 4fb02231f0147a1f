"""What is done after calls, and the operator's own services that are told of it: jobs, hooks, mail."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from config.base import Section, one_or_many

_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")


def _http_address(value: str) -> str:
    if not re.match(r"https?://[^/?#\s@]+(?:[/?#]\S*)?$", value):
        raise ValueError("is no http:// or https:// address without a user name")
    return value


def _mail_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("is no e-mail address, such as bot@example.com")
    return value


class CredentialsSection(Section):
    """A user name and its password."""

    username: str
    """User name."""
    password: SecretStr
    """Its password."""


class HookSection(Section):
    """A service of the operator's that is told something by POST: JSON, signed where there is a secret."""

    url: str
    """Where the POST goes."""
    secret: SecretStr | None = None
    """Signs each request: `X-Talkpath-Signature: sha256=` and the HMAC-SHA256 of `X-Talkpath-Timestamp`, a dot and the
    body, in hexadecimal. Unset: nothing is signed."""
    basic_auth: CredentialsSection | None = None
    """Sent with each request."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with each request, such as an API key."""
    timeout: float = Field(default=10.0, gt=0, le=120)
    """Longest wait for the whole answer."""

    _check_url = field_validator("url")(_http_address)


class WebhookCredentialsSection(CredentialsSection):
    """What a bot may send along by its name, without knowing it."""

    urls: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = Field(min_length=1)
    """Beginnings of the addresses it may be sent to."""

    @field_validator("urls")
    @classmethod
    def _check_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_http_address(url) for url in urls)


class WebhooksSection(Section):
    """Requests that bots ask for after a call. An address the operator wrote under the bot itself needs no leave."""

    allow: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """Beginnings of addresses that bots may name, such as `https://crm.example.com/calls/`."""
    credentials: dict[str, WebhookCredentialsSection] = Field(default_factory=dict)
    """Basic auth, by the names that bots give in `basic_auth`; `urls` are the beginnings of addresses it may go to."""
    timeout: float = Field(default=20.0, gt=0, le=120)
    """Longest wait for the whole answer."""

    @field_validator("allow")
    @classmethod
    def _check_allow(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_http_address(url) for url in urls)


class RetrySection(Section):
    """When a job that failed is tried again: after `first` seconds, then after twice as long each time."""

    first: float = Field(default=5.0, ge=0.1, le=3600)
    """Time before the second attempt."""
    longest: float = Field(default=3600.0, ge=1, le=86400)
    """No pause is longer; also where the other side asks for one."""
    give_up_after: float = Field(default=86400.0, ge=0, le=30 * 86400)
    """Time after which a failing job is given up, counted from when it was first due; 0: after one attempt."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.longest < self.first:
            raise ValueError("`longest` is shorter than `first`")
        return self


class JobsSection(Section):
    """What is done when a call is over: webhooks, mails, hooks, and errands of the bot's platform."""

    at_once: int = Field(default=4, ge=1, le=100)
    """Jobs of one kind that are worked on at the same time."""
    drain_timeout: float = Field(default=10.0, ge=0, le=600)
    """After SIGTERM, time to finish what is being done; the rest is done after the next start."""
    retry: RetrySection = RetrySection()
    retention_days: float = Field(default=7.0, ge=0)
    """Days after which the traces of finished jobs are removed; 0 keeps them. Those that were given up are kept as long
    as call records are."""
    webhooks: WebhooksSection = WebhooksSection()


class MailSection(Section):
    """The mail server that takes what bots ask to have mailed after a call."""

    host: str
    """Its name or address."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port. Unset: 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` and `tls` check the server's certificate; `none` sends in the clear, and no password."""
    username: str | None = None
    """Account. Unset: no login."""
    password: SecretStr | None = None
    """Its password."""
    sender: str
    """Address the mails come from."""
    recipients: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ("*",)
    """Who may be mailed: addresses, domains (`*@example.com`), or anybody (`*`)."""
    timeout: float = Field(default=30.0, gt=0, le=120)
    """Longest wait for one mail to be taken."""

    _check_sender = field_validator("sender")(_mail_address)

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` belong together")
        if self.username is not None and self.security == "none":
            raise ValueError("no password is sent in the clear; set `security`")
        return self

    @property
    def effective_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]
