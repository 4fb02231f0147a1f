"""What an operator writes for a bot of Haptik."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from config.base import Section, one_or_many
from config.bots import BotSection
from gateway.backends.haptik.faq import DEFAULT_HEADER
from gateway.backends.haptik.words import NAMES

Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class HandoffSection(Section):
    """How a caller gets to a person."""

    by: Literal["auto", "chat", "sip", "both", "off"] = "auto"
    """`chat`: an agent writes in Haptik's agent tool, and is read out to the caller; `sip`: the caller is put through;
    `both`: the chat goes to the team, and the caller is put through, too. `auto`: as `team_name` and `target` allow."""
    team_name: str | None = None
    """Name of the team in the Agent Chat Tool."""
    target: str | None = None
    """Where the caller is put through to; must be in the number's `transfer.allow`."""
    countdown: float | None = None
    """Seconds until the chat goes to the team's queue; moved into 5 to 10. Unset: Haptik's own, which is 10."""
    receiver: str = "athena"
    """Which agent tool the chat goes to; `athena` is Haptik's own."""
    phrases: Texts = ()
    """What a caller says to get to a person, compared without case and punctuation."""
    key: str | None = Field(default=None, pattern=r"^[0-9*#]$")
    """Key that gets the caller to a person."""
    commands: Texts = ()
    """Commands in braces in the bot's messages that hand the caller over, such as `talk_to_agent`."""
    after_failures: int = Field(default=1, ge=0, le=3)
    """Hand the caller over when so many turns in a row could not be had from the bot; 0: never. Applies only where
    there is somewhere to go."""
    agent_wait: float = Field(default=300.0, ge=5, le=3600)
    """Seconds until an agent must have taken the chat; then the caller is put through, offered a call back, or goes
    back to the bot."""
    callback_url: str | None = None
    """Where a wish to be called back is posted when the call is over, as JSON with `number` and `call_id`."""
    agent_voice: str | None = None
    """The synthesizer's name of the voice that reads an agent's messages. Unset: the bot's."""
    hold_every: float = Field(default=20.0, ge=5, le=300)
    """Seconds of silence while an agent is awaited or types, until the caller is told to hold on."""

    @property
    def ways(self) -> frozenset[Literal["chat", "sip"]]:
        """The ways that are open."""
        wanted = {"auto": {"chat", "sip"}, "both": {"chat", "sip"}, "off": set()}.get(self.by, {self.by})
        has = {"chat": self.team_name is not None, "sip": self.target is not None}
        return frozenset(way for way in ("chat", "sip") if way in wanted and has[way])


class HistorySection(Section):
    """The transcript that is fetched from Haptik when a call is over, into the call's record."""

    enabled: bool = True
    """Whether it is fetched at all."""
    delay: float = Field(default=5.0, ge=0, le=3600)
    """Seconds after the end of the call."""
    response_type: Literal["json", "text"] = "json"
    """`text` has no times and no message numbers."""
    limit: int | None = Field(default=None, ge=1, le=1000)
    """How many messages at most. Unset: all of them."""
    pxut_variable: str | None = None
    """Name of the call's variable that holds a TRACT Packed eXtensible User Token; used where Haptik has not told its
    own name of the user."""


class SurveySection(Section):
    """Two questions when the conversation is complete, by key or by voice: the answers are Haptik's feedback."""

    after: Literal["nobody", "agent", "any"] = "nobody"
    """Which callers are asked: nobody, those an agent has taken, or everyone. Haptik takes one answer an hour."""


class FaqSection(Section):
    """The bot's FAQ, for `talkpath haptik faq push FILE`."""

    domain: str | None = None
    """Name of the domain a file is uploaded to."""
    header: tuple[str, str, str] = DEFAULT_HEADER
    """The file's first row, as the account's template spells it."""


class HaptikBotSection(BotSection):
    """A bot reached by Haptik's Bot API: messages out by HTTP, answers in by webhook."""

    backend: Literal["haptik"] = "haptik"
    url: str
    """Base URL of the messenger host, such as `https://staging-messenger.haptikapi.com`."""
    integration_url: str | None = None
    """Base URL of the integration host (agents, transcripts). Unset: that of the messenger."""
    mogambo_url: str | None = None
    """Base URL of the host that takes FAQ files. Unset: that of the messenger."""
    token: SecretStr
    """Sent as `Authorization: Bearer ...`."""
    client_id: str = Field(min_length=1)
    """Sent as `client-id`."""
    business_id: int = Field(ge=0)
    """Number of the business (channel) on which callers write."""
    mode: Literal["webhook", "sync"] = "webhook"
    """`sync`: answers come with each request, and no public address is needed; but no agent can write, and Haptik's own
    name of the user stays unknown."""
    message_url: str | None = None
    """Full URL messages are posted to, where it is not the usual one; required with `mode: sync`."""
    webhook_secret: SecretStr | None = None
    """Secret key of the webhook; its signatures are checked with it. Required with `mode: webhook`."""
    webhook_path: str | None = Field(default=None, pattern=r"^/[A-Za-z0-9._~/-]+$")
    """Path Haptik posts to. Unset: `/in/haptik/` and the bot's name."""
    start_message: str = "Hi"
    """Sent silently when a call begins, because the bot speaks only when spoken to. Empty: nothing is sent."""
    greeting: str | None = None
    """Said by the gateway itself when the call begins, before the bot's own words."""
    user: Literal["call", "caller"] = "call"
    """Who Haptik takes a caller for: somebody new with every call, or the same one with every call of a number."""
    user_secret: SecretStr | None = None
    """Key of the pseudonym made of the caller's number; required with `user: caller`."""
    order_within: float = Field(default=0.2, ge=0, le=5)
    """Seconds a webhook is held for another one that it may have overtaken; 0: what comes first is said first."""
    custom_data: dict[str, str] = Field(default_factory=dict)
    """Further entries of the user's `custom_data`; flat."""
    hangup_on_complete: bool = True
    """Hang up when Haptik says that the conversation is complete."""
    handoff: HandoffSection = HandoffSection()
    history: HistorySection = HistorySection()
    survey: SurveySection = SurveySection()
    faq: FaqSection = FaqSection()
    texts: dict[str, str] = Field(default_factory=dict)
    """Own wording of what is said around a hand-over and at the end, by name: `transfer`, `hold`, `agent_joined`
    (`{name}`), `sorry`, `no_agent`, `offer_callback`, `callback_noted`, `caller_asks`, `survey_resolved`,
    `survey_rating`, `survey_thanks`."""
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    """Time for the connection."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Time for one attempt, to the last byte."""
    retry_delay: float = Field(default=1.0, ge=0, le=30)
    """Waiting time before a request is made once more after a server error."""
    per_minute: int = Field(default=100, ge=1, le=10_000)
    """Requests a minute per account that Haptik recommends. Agents and transcripts wait their turn; messages are
    counted, and the log warns at 80 %."""

    @field_validator("url", "integration_url", "mogambo_url", "message_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("expected an http:// or https:// URL without a query")
        return url.rstrip("/") if not parts.path.strip("/") else url

    @field_validator("texts")
    @classmethod
    def _known_texts(cls, texts: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(texts) - set(NAMES)):
            raise ValueError(f"unknown {', '.join(unknown)}; there are {', '.join(NAMES)}")
        return texts

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode == "webhook" and self.webhook_secret is None:
            raise ValueError("mode webhook needs webhook_secret")
        if self.mode == "sync" and self.message_url is None:
            raise ValueError("mode sync needs message_url")
        if self.user == "caller" and self.user_secret is None:
            raise ValueError("user: caller needs user_secret")
        if self.handoff.by in ("chat", "both") and self.handoff.team_name is None:
            raise ValueError(f"handoff.by: {self.handoff.by} needs handoff.team_name")
        if self.handoff.by in ("sip", "both") and self.handoff.target is None:
            raise ValueError(f"handoff.by: {self.handoff.by} needs handoff.target")
        return self
