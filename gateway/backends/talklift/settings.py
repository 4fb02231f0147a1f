"""What an operator writes for a TalkLift project: its modules as TalkLift has them, and the backend behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from config.base import Section, one_or_many
from config.bots import BotSection
from gateway.backends.talklift.conditions import Condition, ConditionError, parse_condition
from gateway.backends.talklift.patterns import PatternError, compiled

Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Confirm = Literal["digits", "always", "never"]
MAX_ID = 2**31 - 1


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("expected an http:// or https:// URL")
    return url


class WebhookSection(Section):
    """Where events go, as in TalkLift's project settings under Integrations."""

    url: str
    """The backend's endpoint, for both kinds of events."""
    username: str | None = None
    """Of HTTP basic auth; unset: none is sent."""
    password: SecretStr | None = None
    """Its password."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds for one delivery."""

    _is_http = field_validator("url")(_http)

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("basic auth needs username and password")
        return self


class UserSection(Section):
    """Somebody who may call our REST endpoints."""

    username: str
    """The e-mail address; TalkLift calls the field `username`."""
    password: SecretStr
    """Its password."""
    token: SecretStr | None = None
    """The token it gets, 40 hexadecimal characters. Unset: derived from the password, the same after a restart."""


class SlotSection(Section):
    """A slot with TalkLift's own keys."""

    id: int = Field(ge=1, le=MAX_ID)
    """TalkLift's id of the slot."""
    label: str = Field(min_length=1)
    """The question."""
    field_type: str = "TEXT"
    """`TEXT`, `NUMBER`, `INTEGER`, `DECIMAL`, `EMAIL`, `PHONE`, `DATE`, `TIME`, `CHOICE`, `BOOLEAN`, `FILE`, `IMAGE`
    or `LOCATION`; anything else is `TEXT`."""
    choice_options: str = ""
    """Options: one per line, or separated by `|`, `;` or commas."""
    validation_regex: str = ""
    """What the answer must match. Repetitions inside repetitions are refused: they could take for ever."""
    validation_message: str = ""
    """Said when it does not, or when the backend refuses it. Empty: the gateway's own sentence."""
    validate_with_webhook: bool = False
    """Ask the backend before the slot is done."""
    show_condition: str = ""
    """An earlier slot by id, label or order, with `==`, `!=`, `contains`, `in`, `>`, `<`, `is_set` or `not_set` behind
    it; without one, `==`. Empty: always asked."""
    show_condition_value: str = ""
    """What it is compared with; `in` takes several, separated by `,` or `|`."""
    date_gte_today: bool = False
    """A date must not be in the past."""
    order: int = 0
    """Its place; slots of the same place go by id."""
    created_at: str | None = None
    """As in TalkLift, for the webhook. Unset: when the gateway started."""
    updated_at: str | None = None
    """Likewise."""
    confirm: Confirm | None = None
    """Whether what was heard is read back. Unset: as the project says."""
    sensitive: bool = False
    """Nothing of the answer is written down here; it is still sent to the backend."""

    @field_validator("validation_regex")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            compiled(pattern)
        except PatternError as error:
            raise ValueError(str(error)) from None
        return pattern

    def condition(self) -> Condition | None:
        """Raises ConditionError."""
        return parse_condition(self.show_condition, self.show_condition_value)


class ModuleSection(Section):
    """A module: responses, and slots that are asked in their order."""

    story: int = Field(ge=1, le=MAX_ID)
    """TalkLift's id of the module."""
    name: str = Field(min_length=1)
    """Its name, which is the event's name."""
    triggers: Texts = ()
    """What starts it beside its name: words of the caller, payloads of buttons."""
    responses: Texts = ()
    """Said before the slots are asked."""
    closing: Texts = ()
    """Said after the last slot."""
    slots: tuple[SlotSection, ...] = ()
    """What is asked."""
    then: str = "hangup"
    """What follows: `hangup`, `menu`, or the name of another module."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [slot.id for slot in self.slots]
        if len(set(ids)) != len(ids):
            raise ValueError("two slots have the same id")
        for place, slot in enumerate(self.ordered):
            try:
                condition = slot.condition()
            except ConditionError as error:
                raise ValueError(f"slot {slot.id}: {error}") from None
            if condition is not None and condition.find(self.ordered[:place]) is None:
                raise ValueError(f"slot {slot.id}: show_condition names no slot before it: {condition.names!r}")
        return self

    @property
    def ordered(self) -> tuple[SlotSection, ...]:
        return tuple(sorted(self.slots, key=lambda slot: (slot.order, slot.id)))

    def answers_to(self, key: str) -> bool:
        """Whether a name, an id or a trigger is this module's."""
        wanted = key.strip().casefold()
        return wanted in {str(self.story), *(name.strip().casefold() for name in (self.name, *self.triggers))}


class OperatorSection(Section):
    """A person the caller can ask for."""

    target: str
    """Where the caller is put through to; must be in the number's `transfer.allow`."""
    phrases: Texts = ()
    """What he says for it, beside the usual word in his language."""
    key: str | None = Field(default="0", pattern=r"^[0-9#]$")
    """The key for it, where the question does not ask for numbers."""


class AccountSection(Section):
    """A real account of TalkLift, which the gateway calls as a client."""

    url: str = "https://app.talklift.com"
    """TalkLift's own address."""
    username: str
    """E-mail address of the account."""
    password: SecretStr
    """Its password."""
    org_id: int
    """Number of the organization there."""
    project_id: int
    """Number of the project there."""
    channel: Literal["MESSENGER", "WEB"] = "MESSENGER"
    """Channel of the sessions messages go to."""
    session_variable: str | None = None
    """Name of a call variable with a session's id: that session gets the answers in writing when the call is over."""

    _is_http = field_validator("url")(_http)


class TalkliftBotSection(BotSection):
    """A TalkLift project, whose modules the gateway runs by voice."""

    backend: Literal["talklift"] = "talklift"
    org: int
    """Number of the organization."""
    project: int
    """Number of the project."""
    webhook: WebhookSection
    """The backend that gets the events."""
    users: tuple[UserSection, ...] = ()
    """Who may call our REST endpoints; without any, slots that are validated by webhook can never be done."""
    modules: tuple[ModuleSection, ...] = Field(min_length=1)
    """The project's modules."""
    start: str = "menu"
    """What a call begins with: a module's name, or `menu`. A project of one module begins with it."""
    greeting: str | None = None
    """Said first."""
    path: str | None = Field(default=None, pattern=r"^/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$")
    """Where our REST endpoints are. Unset: `/talklift/` and the project's number."""
    listen: str | None = None
    """`host:port` of a listener that has the endpoints at its root, as backends written for TalkLift expect them."""
    update_semantics: Literal["flags", "call_is_success"] = "flags"
    """`flags`: a slot is done when the update says `is_done`; `call_is_success`: when it says anything with `data`."""
    validation_timeout: float = Field(default=20.0, ge=1, le=120)
    """Seconds for the backend to update a slot it was asked about."""
    on_validation_failure: Literal["refuse", "accept"] = "refuse"
    """`accept` takes the answer when the backend does not check it in time. Never choose it for authentication."""
    max_retries: int = Field(default=3, ge=1, le=10)
    """Answers that are not valid, or silences, before the number's fallback."""
    max_reasks: int = Field(default=3, ge=1, le=20)
    """Times the backend may open the same slot again, before the number's fallback."""
    confirm: Confirm = "digits"
    """Whether what was heard is read back: numbers, addresses and what a pattern checks, everything, or nothing."""
    timezone: str = "UTC"
    """For dates and times, such as `Africa/Nairobi`."""
    date_format: str = "%Y-%m-%d"
    """How a date is sent."""
    country: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,2}$")
    """Country code for telephone numbers without one."""
    media_slots: Literal["fallback", "skip", "link"] = "fallback"
    """What becomes of slots that want a file, a picture or a place."""
    media_link: str | None = None
    """Page that takes them, sent by the number's `links`; `{session}` and `{slot}` in it are filled in."""
    operator: OperatorSection | None = None
    """A person the caller can ask for."""
    allow_back: bool = False
    """Callers may say "go back" to change the answer before."""
    post_module_wait: float = Field(default=5.0, ge=0, le=60)
    """Seconds after a module for the backend to say something, before the call goes on or ends."""
    partial_webhook: bool = False
    """Send the event of a module also when the caller hangs up in the middle."""
    account: AccountSection | None = None
    """A real account of TalkLift's, to write to."""
    texts: dict[str, str] = Field(default_factory=dict)
    """Own wording: `which_module`, `not_checked`, `one_moment`, `link_follows`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {self.timezone!r}") from None
        stories = [module.story for module in self.modules]
        if len(set(stories)) != len(stories):
            raise ValueError("two modules have the same story")
        for name in self._named():
            if name not in ("menu", "hangup") and self.module(name) is None:
                raise ValueError(f"there is no module {name!r}")
        if self.media_slots == "link" and self.media_link is None:
            raise ValueError("media_slots: link needs media_link")
        if unknown := sorted(set(self.texts) - set(TEXTS)):
            raise ValueError(f"texts has no {', '.join(unknown)}; there are {', '.join(TEXTS)}")
        return self

    def _named(self) -> Iterable[str]:
        return (self.start, *(module.then for module in self.modules))

    def module(self, key: str) -> ModuleSection | None:
        """The module a name, an id or a trigger means."""
        return next((module for module in self.modules if module.answers_to(key)), None)

    @property
    def base_path(self) -> str:
        return self.path or f"/talklift/{self.project}"


TEXTS = ("which_module", "not_checked", "one_moment", "link_follows")
_SEPARATORS = ("\n", "|", ";", ",")


def options_of(choice_options: str) -> tuple[str, ...]:
    """The options of a slot: split on the first of newline, bar, semicolon and comma that is there [assumed]."""
    separator = next((sign for sign in _SEPARATORS if sign in choice_options.strip()), ",")
    found = (re.sub(r"\s+", " ", option).strip() for option in choice_options.split(separator))
    return tuple(option for option in found if option)
