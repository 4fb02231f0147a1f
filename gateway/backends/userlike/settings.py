"""What an operator writes for a bot that was made for Userlike."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from config.base import Section, one_or_many
from config.bots import BotSection

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.1


class PersonSection(Section):
    """Somebody, or a queue, to whom callers can be forwarded for a skill."""

    target: str
    """Number, extension or SIP address."""
    skills: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """What this target can do; a forward by skills goes to the first one that has them all."""


class UnassignedSection(Section):
    """What becomes of a caller whom nobody takes: a forward that failed, a bot that has left, a timeout."""

    then: Literal["announce", "callback", "default_target", "voicemail"] = "announce"
    """`announce`: a sentence, then the end of the call; `callback`: the hook is told after the call, and the caller
    that he will be called back; `default_target`: one more transfer; `voicemail`: he may leave a message."""
    say: str | None = None
    """The sentence, in the number's language. Unset: the gateway's own."""
    target: str | None = None
    """Where `default_target` sends callers."""
    hook: str | None = None
    """A name under `hooks` that is told after the call, for `callback` and `voicemail`."""
    mail: str | None = None
    """Address that gets the call's transcript, for `callback` and `voicemail`."""
    thanks: str | None = None
    """Said once a message for the `voicemail` was left. Unset: the call ends at once."""
    longest_message: float = Field(default=120.0, ge=5, le=600)
    """Longest message of `voicemail`."""

    @model_validator(mode="after")
    def _complete(self) -> UnassignedSection:
        if self.then == "default_target" and self.target is None:
            raise ValueError("`default_target` needs `target`")
        if self.then == "callback" and self.hook is None and self.mail is None:
            raise ValueError("`callback` needs `hook` or `mail`, or nobody would know")
        return self


class VoiceMessageSection(Section):
    """How callers send the bot a recording, as contacts do in a messenger."""

    on: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ("0",)
    """Keys or words, any of which starts it, while no open choice has an option of that name."""
    say: str = Field(min_length=1)
    """Said before it, in the number's language."""
    longest: float = Field(default=120.0, ge=5, le=600)
    """Longest recording."""

    def is_wanted(self, text: str) -> bool:
        """Whether these words or keys ask for it."""
        return text.strip().strip(".!").casefold() in {word.casefold() for word in self.on}


class UserlikeBotSection(BotSection):
    """A bot written for Userlike's Chatbot API v1. The gateway takes the platform's place."""

    backend: Literal["userlike"] = "userlike"
    webhook_url: str
    """The bot's webhook, as it would be entered in Userlike's dashboard."""
    webhook_headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers of every request to the webhook, by which the bot knows us, such as `API-SECURITY-TOKEN`."""
    bot_key: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{8,128}$")
    """The secret part of the bot's API URL, `/userlike/v1/BOT_KEY/`. Unset: the bot answers its webhook, and has no
    API URL."""
    security_token: SecretStr | None = None
    """What the bot sends as `SECURITY-TOKEN` to its API URL."""
    opt_out_token: SecretStr | None = None
    """Lets a service of yours report, by POST to `/userlike/v1/BOT_KEY/unsubscribe`, that a caller does not want
    campaigns any more; sent as `SECURITY-TOKEN`. Unset: nobody can."""
    bot_number: int = Field(default=1, ge=0)
    """The bot's number in session ids, `chatbot::NUMBER:...`."""
    name: str = ""
    """The bot's name in records and mails."""
    widget: str | None = None
    """Name of the widget that bots are told. Unset: the called number."""
    channel: Literal["web", "facebook", "telegram", "threema", "sms", "whatsapp_business", "custom"] = "custom"
    """The channel that bots are told; there is none for telephones. `sms` suits bots that shorten texts for it."""
    group: str | None = None
    """The bot's own group, a name under `groups`: where `forward_any` goes."""
    groups: dict[str, str] = Field(default_factory=dict)
    """Number, extension or SIP address by the name or number of an operator group."""
    people: tuple[PersonSection, ...] = ()
    """Targets by skill, for `forward_skills`."""
    operators: dict[str, str] = Field(default_factory=dict)
    """Mail address by operator number, for `email_dispatch`."""
    human: str | None = None
    """Where `abort` sends callers, and who gets calls when all slots are taken. Unset: the bot's group."""
    slots: int | None = Field(default=None, ge=1)
    """Calls the bot takes at once; further ones go to `human`. Unset: as many as come."""
    skills_feedback: bool = False
    """Tell the bot of a failed `forward_skills` too, if it asks for feedback; the platform's own does not."""
    choice_text: Literal["fallback", "body", "body_then_fallback"] = "fallback"
    """Which text introduces a choice."""
    speak_descriptions: bool = False
    """Read out the descriptions of a list's options."""
    send_images: bool = False
    """Hand the addresses of pictures and videos on as links, to be sent as text messages."""
    conversation_timeout: float = Field(default=60.0, ge=1, le=3600)
    """Silence of both sides, counted from the end of the last re-prompt, after which `timeout_action` is taken."""
    timeout_action: Literal["end", "unassign", "forward"] = "end"
    """`end` hangs up, `unassign` does what `unassigned` says, `forward` sends the caller to the bot's group."""
    unassigned: UnassignedSection = UnassignedSection()
    no_input_text: str | None = Field(default=None, max_length=1000)
    """Sent to the bot as a message when the caller stays silent after the last re-prompt. Unset: the bot hears nothing
    of silence, as on the platform."""
    start_text: str | None = None
    """Name of call data whose value goes along with `start` as the caller's first message."""
    start_media: str | None = None
    """Name of call data whose value, an address, goes along with `start` as the caller's upload."""
    voice_message: VoiceMessageSection | None = None
    """Lets callers leave the bot a recording, which it gets as `media`. The number's `recording` must not be off.
    Unset: what they say always goes to it as text."""
    location_event: bool = False
    """Send a `location` event after `start` where the call brings a `geo:` address."""
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    """Time for the connection."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Time for the whole answer of the webhook."""

    @field_validator("webhook_url")
    @classmethod
    def _http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    @field_validator("webhook_headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            text = value.get_secret_value()
            if not HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a header name")
            if not text.isascii() or not text.isprintable():
                raise ValueError(f"the value of header {name} has characters that cannot be sent")
        return headers

    @model_validator(mode="after")
    def _api_url(self) -> UserlikeBotSection:
        if (self.bot_key is None) != (self.security_token is None):
            raise ValueError("`bot_key` and `security_token` belong together: they make the bot's API URL")
        if self.opt_out_token is not None and self.bot_key is None:
            raise ValueError("`opt_out_token` needs `bot_key`")
        if self.group is not None and self.group not in self.groups:
            raise ValueError(f"`group` names {self.group!r}, which is not under `groups`")
        return self

    def request_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.webhook_headers.items()}

    @property
    def own_group(self) -> str | None:
        """Where `forward_any` goes."""
        return None if self.group is None else self.groups[self.group]

    @property
    def human_target(self) -> str | None:
        return self.human or self.own_group

    def group_target(self, group: str) -> str | None:
        """By name, whatever its case, or number."""
        wanted = group.strip().casefold()
        return next((target for name, target in self.groups.items() if name.casefold() == wanted), None)

    def skilled_target(self, skills: tuple[str, ...]) -> str | None:
        """The first target that has all skills."""
        wanted = {skill.strip().casefold() for skill in skills}
        return next(
            (person.target for person in self.people if wanted <= {skill.casefold() for skill in person.skills}), None
        )
