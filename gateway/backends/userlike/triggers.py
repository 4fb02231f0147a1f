"""What a bot can trigger, as values. `payloads` reads them, `carrying` and `leaving` carry them out.

Source: Userlike, Chatbot API v1, "Triggerable events" (November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MAX_BODY = 5000  # characters of one message
MAX_OPTIONS = 20  # more are no menu for a telephone


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    text: str
    is_markdown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """``id`` goes back as it came, of whatever type."""

    id: Any
    label: str
    description: str | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Bubbles, carousel, button template or list template."""

    element: str
    body: str
    fallback: str
    options: tuple[Option, ...]
    is_markdown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Buttons that open addresses, or an address to go to; ``text`` is spoken."""

    text: str
    links: tuple[tuple[str, str], ...]
    is_markdown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    link: str
    name: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactUpdate:
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationUpdate:
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """``contact_id`` None: about the conversation."""

    text: str
    contact_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddonDispatch:
    addon: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailDispatch:
    to: Literal["operator", "contact"]
    operator_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    seconds: float
    typing: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    to: Literal["group", "skills", "any"]
    group: str = ""
    skills: tuple[str, ...] = ()
    wants_feedback: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """The bot leaves, people go on."""


@dataclass(frozen=True, slots=True)
class End:
    """The bot leaves, and so does everybody."""


Trigger = (
    Message
    | Choice
    | Links
    | Media
    | ContactUpdate
    | ConversationUpdate
    | Note
    | AddonDispatch
    | EmailDispatch
    | Delay
    | Forward
    | Abort
    | End
)
