"""One chatbot session: what the gateway remembers of it, and what the bot is told of it with every request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gateway.actions import Menu, PostCall
from gateway.backends.userlike import names
from gateway.backends.userlike.choices import Armed
from gateway.backends.userlike.contacts import Contact
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.events import CallInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A transfer that is under way.

    Attributes:
        wants_feedback: The bot is told when it fails; else the call is unassigned.
        is_last: It was the way out already: when it fails, only the announcement is left.
    """

    transfer_id: str
    wants_feedback: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The part of a call during which the bot is in charge.

    Attributes:
        context: What the bot last gave; goes back with every request.
        conversation: What the bot has set of it.
        armed: The open choice, until the caller has said anything.
        counted: Menus and transfers so far, for their ids.
        is_over: The webhook is told nothing more, and the API URL knows the session no longer.
        silence: What has come of the caller's silence: the bot was told, the conversation timeout runs.
        is_message_due: What the caller says next is his message to the voicemail.
    """

    cid: str
    call: CallInfo
    contact: Contact
    context: Mapping[str, Any] = field(default_factory=dict)
    conversation: Mapping[str, Any] = field(default_factory=dict)
    armed: Armed | None = None
    pending: Pending | None = None
    counted: int = 0
    is_over: bool = False
    silence: Literal["", "told", "waited"] = ""
    is_message_due: bool = False


# --- what the bot is told of the session -----------------------------------------------------------------------------
def info(session: Session, settings: UserlikeBotSection) -> dict[str, Any]:
    """The ``info`` object of a request."""
    call = session.call
    return {
        "approach_mode": "proactive" if call.direction == "outbound" else "normal",
        "cid": session.cid,
        "contact": names.contact_info(session.contact.id, session.contact.fields),
        "context": dict(session.context),
        "conversation": _conversation(session, settings),
        "widget": names.widget_info(call.number, settings.widget or call.number, call.language),
    }


def _conversation(session: Session, settings: UserlikeBotSection) -> dict[str, Any]:
    call, known = session.call, session.conversation
    numbers = {
        "call_id": call.call_id,
        "called_number": call.called,
        "caller_number": call.caller,
        "direction": call.direction,
    }
    return {
        "id": call.call_id,
        "url": None,
        "subject": known.get("subject"),
        "topics": known.get("topics") or [],
        "locale": known.get("locale") or call.language,
        "custom_fields": {**numbers, **(known.get("custom_fields") or {})},
        "status": "chat",
        "contact_channel": {"state": "valid", "type": settings.channel},
    }


def transcript_mail(address: str, session: Session, settings: UserlikeBotSection) -> PostCall:
    """The call's transcript, mailed when it is over."""
    subject = f"Conversation with {settings.name or 'the bot'}, {session.call.caller or 'number withheld'}"
    return PostCall(kind="email", data={"to": address, "subject": subject, "transcript": True, "cid": session.cid})


def rearm(session: Session) -> tuple[Menu, ...]:
    """The open choice once more, not read out: silence has not answered it."""
    return () if session.armed is None else (replace(session.armed.menu, aloud=False),)
