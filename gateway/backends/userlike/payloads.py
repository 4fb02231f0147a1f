"""Each event's payload, read leniently, its needed parameters insisted on. What comes of it is in `triggers`.

Source: Userlike, Chatbot API v1, "Triggerable events" (November 2026). Names that the page leaves open are in `names`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from gateway.backends.userlike import names
from gateway.backends.userlike.names import first
from gateway.backends.userlike.triggers import (
    Abort,
    AddonDispatch,
    Choice,
    ContactUpdate,
    ConversationUpdate,
    Delay,
    EmailDispatch,
    End,
    Forward,
    Links,
    Media,
    Message,
    Note,
    Option,
    Trigger,
)

MAX_DELAY = 30.0  # s
MAX_SKILLS = 50
Payload = Mapping[str, Any]


class Unusable(ValueError):
    """An event cannot be carried out; the sentence is for the bot's author."""


def read_trigger(name: str, payload: Payload) -> Trigger:
    """One event's payload. Raises Unusable."""
    reader = READERS.get(name)
    if reader is None:
        raise Unusable("unknown event name")
    return reader(payload)


# --- speech ----------------------------------------------------------------------------------------------------------
def _is_markdown(payload: Payload) -> bool:
    return str(payload.get("text_format", "")).startswith("markdown")


def _text(payload: Payload, keys: tuple[str, ...]) -> str:
    """A text, or an empty one; numbers are as good as their digits."""
    value = first(payload, keys)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def _message(payload: Payload) -> Message:
    text = _text(payload, names.BODY)
    if not text.strip():
        raise Unusable("body is missing")
    return Message(text=text, is_markdown=_is_markdown(payload))


def _choice(element: str) -> Callable[[Payload], Choice]:
    def read(payload: Payload) -> Choice:
        body, fallback = _text(payload, names.BODY), _text(payload, names.FALLBACK)
        if not body.strip() and not fallback.strip():
            raise Unusable("body and fallback are missing")
        options = _options(first(payload, names.OPTIONS))
        if not options:
            raise Unusable("options are missing")
        return Choice(element=element, body=body, fallback=fallback, options=options, is_markdown=_is_markdown(payload))

    return read


def _options(value: Any) -> tuple[Option, ...]:
    """The options that have a label; one without an id is known by its label. Sections of a list are joined."""
    found: list[Option] = []
    for item in value if isinstance(value, list) else []:
        if not isinstance(item, dict):
            item = {"label": item}
        if isinstance(item.get("options"), list):
            found += _options(item["options"])
            continue
        option_id = first(item, names.OPTION_ID)
        label = _text(item, names.OPTION_LABEL) or (option_id if isinstance(option_id, str) else "")
        if label.strip():
            found.append(
                Option(
                    id=label if option_id is None else option_id,
                    label=label,
                    description=_text(item, names.OPTION_DESCRIPTION) or None,
                    image=_link(item, names.OPTION_IMAGE),
                )
            )
    return tuple(found)


def _link(payload: Payload, keys: tuple[str, ...]) -> str | None:
    value = first(payload, keys)
    return value.strip() if isinstance(value, str) and value.strip() else None


def _button(payload: Payload) -> Links:
    link = _link(payload, names.LINK)
    if link is None:
        raise Unusable("link is missing")
    label = _text(payload, names.LINK_LABEL)
    return Links(text=_text(payload, ("body",)) or label, links=((label, link),), is_markdown=_is_markdown(payload))


def _buttons(payload: Payload) -> Links:
    items = first(payload, names.LINKS)
    listed = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    links = [(_text(item, names.LINK_LABEL), _link(item, names.LINK)) for item in [*listed, payload]]
    usable = tuple((label, link) for label, link in links if link is not None)
    if not usable:
        raise Unusable("buttons have no link")
    return Links(text=_text(payload, names.BODY), links=usable, is_markdown=_is_markdown(payload))


def _navigate(payload: Payload) -> Links:
    link = _link(payload, names.LINK)
    if link is None:
        raise Unusable("link is missing")
    return Links(text="", links=(("", link),))


def _media(payload: Payload) -> Media:
    link = _link(payload, names.LINK)
    if link is None:
        raise Unusable("link is missing")
    return Media(link=link, name=_text(payload, names.MEDIA_NAME), type=_text(payload, names.MEDIA_TYPE))


def _delay(payload: Payload) -> Delay:
    seconds = _number(first(payload, names.SECONDS))
    milliseconds = _number(first(payload, names.MILLISECONDS))
    if seconds is None and milliseconds is not None:
        seconds = milliseconds / 1000
    if seconds is None or seconds < 0:
        raise Unusable("seconds are missing")
    typing = first(payload, names.TYPING)
    return Delay(seconds=min(seconds, MAX_DELAY), typing=typing is not False)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


# --- records ---------------------------------------------------------------------------------------------------------
def _fields(payload: Payload, keys: tuple[str, ...]) -> dict[str, Any]:
    fields = {key: payload[key] for key in keys if key in payload}
    if "custom_fields" in fields and not isinstance(fields["custom_fields"], dict):
        del fields["custom_fields"]
    if not fields:
        raise Unusable(f"needs one of {', '.join(keys)}")
    return fields


def _contact_update(payload: Payload) -> ContactUpdate:
    return ContactUpdate(fields=_fields(payload, names.CONTACT_FIELDS))


def _conversation_update(payload: Payload) -> ConversationUpdate:
    return ConversationUpdate(fields=_fields(payload, names.CONVERSATION_FIELDS))


def _note(payload: Payload) -> Note:
    text = _text(payload, names.NOTE_TEXT)
    if not text.strip():
        raise Unusable("body is missing")
    return Note(text=text, contact_id=_text(payload, ("contact_identity_id",)) or None)


def _addon_dispatch(payload: Payload) -> AddonDispatch:
    addon = _text(payload, names.ADDON).strip()
    if not addon:
        raise Unusable("type is missing")
    return AddonDispatch(addon=addon, payload=dict(payload))


def _email_dispatch(payload: Payload) -> EmailDispatch:
    to = _text(payload, names.RECIPIENT_TYPE)
    operator_id = _text(payload, names.OPERATOR_ID)
    if to == "contact":
        return EmailDispatch(to="contact")
    if to != "operator":
        raise Unusable("recipient_type is neither operator nor contact")
    if not operator_id:
        raise Unusable("operator_id is missing")
    return EmailDispatch(to="operator", operator_id=operator_id)


# --- leaving ---------------------------------------------------------------------------------------------------------
def _wants_feedback(payload: Payload) -> bool:
    return payload.get("on_failure") == "feedback"


def _forward_group(payload: Payload) -> Forward:
    group = _text(payload, names.GROUP).strip()
    if not group:
        raise Unusable("group is missing")
    return Forward(to="group", group=group, wants_feedback=_wants_feedback(payload))


def _forward_skills(payload: Payload) -> Forward:
    value = first(payload, names.SKILLS)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    skills = tuple(str(item) for item in listed[:MAX_SKILLS] if isinstance(item, str | int) and str(item).strip())
    if not skills:
        raise Unusable("skills are missing")
    return Forward(to="skills", skills=skills, wants_feedback=_wants_feedback(payload))


def _forward_any(payload: Payload) -> Forward:
    return Forward(to="any", wants_feedback=_wants_feedback(payload))


READERS: Mapping[str, Callable[[Payload], Trigger]] = {
    "message": _message,
    "bubbles": _choice("bubbles"),
    "carousel": _choice("carousel"),
    "button_template": _choice("button_template"),
    "list_template": _choice("list_template"),
    "button": _button,
    "buttons": _buttons,
    "media": _media,
    "navigate": _navigate,
    "contact_update": _contact_update,
    "conversation_update": _conversation_update,
    "note_create": _note,
    "addon_dispatch": _addon_dispatch,
    "email_dispatch": _email_dispatch,
    "delay": _delay,
    "forward_group": _forward_group,
    "forward_skills": _forward_skills,
    "forward_any": _forward_any,
    "abort": lambda payload: Abort(),
    "end": lambda payload: End(),
}
