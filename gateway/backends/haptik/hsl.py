"""HSL, Haptik's description of a message, read as liberally as its examples leave it open. `compose` speaks it.

A message is ``{"text", "type", "data"}``, or a string that holds that as JSON, or a plain string. Source: Haptik's
public documentation, "HSL elements" (November 2026). Names the documentation does not give are collected here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from config.call import Kind
from gateway.backends.haptik.values import first_text, items, mapping, text
from gateway.kit.jsonbody import JsonRefused, parse_json

TEXT_TYPES = ("TEXT", "TEXT_ONLY")
FORM_TYPES = ("FORM_SHOW", "FORM")
VOICE_KEYS = ("voice_text", "voice_says", "ssml")
"""Where a text for the voice alone may stand, in the message or its data [assumed; the feature is public]."""
LIST_KEYS = ("items", "options", "tabs", "list_items", "list")
FIELD_KEYS = ("fields", "form_fields", "inputs", "items")
LABEL_KEYS = ("actionable_text", "title", "text", "label", "name")
FIELD_LABEL_KEYS = ("label", "title", "text", "question", "placeholder", "name", "key")
PHONE_KEYS = ("phone_number", "phone", "number", "contact", "mobile_no", "url", "message")
KINDS: Mapping[str, Kind] = {
    "number": "number",
    "numeric": "number",
    "int": "number",
    "phone": "phone",
    "tel": "phone",
    "mobile": "phone",
    "email": "email",
    "date": "date",
}
_COMMAND = re.compile(r"\{\s*([A-Za-z_][\w -]{0,63}?)\s*(?::[^{}]*)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something the caller can choose: ``sends`` goes back word for word, or he is put through to ``calls``."""

    label: str
    sends: str = ""
    calls: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One question of a form."""

    label: str
    kind: Kind = "free"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a message comes to on the phone.

    Attributes:
        says: Texts to be spoken, one after the other, without commands in braces.
        choices: A menu over them; empty: none.
        commands: Names in braces, in lower case.
    """

    kind: Literal["message", "system"] = "message"
    says: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    links: tuple[Link, ...] = ()
    fields: tuple[Field, ...] = ()
    commands: frozenset[str] = frozenset()


def without_commands(value: str) -> str:
    """A text as it is said: ``Show another quote{task}`` without ``{task}``."""
    return re.sub(" {2,}", " ", _COMMAND.sub(" ", value)).strip() if "{" in value else value.strip()


def commands_in(value: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in _COMMAND.findall(value))


def parse_body(body: Any) -> Message:
    """Read ``message.body`` of an event. Never raises: what cannot be understood says nothing."""
    if isinstance(body, str):
        body = _unpacked(body)
    if isinstance(body, str):
        return _spoken([body])
    fields = mapping(body)
    data, kind = mapping(fields.get("data")), text(fields.get("type")).upper()
    said = _voice_text(fields, data) or text(fields.get("text"))
    if kind == "SYSTEM":
        return Message(kind="system", says=_spoken([said]).says)
    if kind == "CAROUSEL":
        return _carousel(said, data)
    if kind in FORM_TYPES:
        return _spoken([said], fields=_form(data))
    if kind == "BUTTON":
        return _buttons(said, data)
    replies = items(data.get("quick_replies")) or _listed(kind, data)
    return _spoken([said], choices=_choices(replies))


def _unpacked(body: str) -> Any:
    if not body.lstrip().startswith("{"):
        return body
    try:
        return parse_json(body.encode("utf-8", "replace"))
    except JsonRefused:
        return body


def _spoken(texts: list[str], **parts: Any) -> Message:
    commands: frozenset[str] = frozenset().union(*(commands_in(said) for said in texts))
    says = tuple(plain for said in texts if (plain := without_commands(text(said))))
    return Message(says=says, commands=commands, **parts)


def _voice_text(fields: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    for holder in (fields, data):
        voice = holder.get("voice")
        found = first_text(holder, *VOICE_KEYS) or text(voice) or first_text(mapping(voice), "ssml", "text")
        if found:
            return found
    return ""


# --- choices -------------------------------------------------------------------------------------------------------
def payload_text(item: Mapping[str, Any]) -> str:
    """What goes back for a choice, word for word: the payload's message, or what stands on the button.

    Of the payload's two, ``gogo_message`` is for the bot and wins where it is not blank.
    """
    payload = item.get("payload")
    for found in (mapping(payload).get("gogo_message"), mapping(payload).get("message"), payload):
        if isinstance(found, str) and found.strip():
            return found
    return first_text(item, *LABEL_KEYS)


def _choice(item: Any) -> Choice | None:
    if isinstance(item, str):
        return Choice(label=without_commands(item), sends=item) if item.strip() else None
    fields = mapping(item)
    label = without_commands(first_text(fields, *LABEL_KEYS)) or without_commands(payload_text(fields))
    return Choice(label=label, sends=payload_text(fields)) if label else None


def _choices(found: list[Any]) -> tuple[Choice, ...]:
    return tuple(choice for item in found if (choice := _choice(item)) is not None)


def _listed(kind: str, data: Mapping[str, Any]) -> list[Any]:
    """The options of a tab list and whatever looks like one."""
    if kind in ("TEXT", ""):
        return []
    return next((found for key in LIST_KEYS if (found := items(data.get(key)))), [])


def _buttons(said: str, data: Mapping[str, Any]) -> Message:
    choices: list[Choice] = []
    links: list[Link] = []
    for item in items(data.get("items")):
        _sort_in(mapping(item), choices, links)
    return _spoken([said], choices=tuple(choices), links=tuple(links))


def _sort_in(item: Mapping[str, Any], choices: list[Choice], links: list[Link]) -> None:
    """A button answers, opens a page, or calls; whatever else it does cannot be done by phone."""
    kind, uri = text(item.get("type")).upper(), text(item.get("uri")).upper()
    payload = mapping(item.get("payload"))
    label = without_commands(first_text(item, *LABEL_KEYS))
    if uri == "LINK":
        if url := first_text(payload, "url", "link", "uri"):
            links.append(Link(url, label))
    elif uri == "CALL":
        number = first_text(payload, *PHONE_KEYS).removeprefix("tel:")
        if number and label:
            choices.append(Choice(label=label, calls=number))
    elif kind in TEXT_TYPES or (not kind and not uri):
        found = _choice(item)
        choices += [found] if found is not None else []


def _carousel(said: str, data: Mapping[str, Any]) -> Message:
    says = [said]
    choices: list[tuple[Choice, str, int]] = []
    links: list[Link] = []
    for entry in map(mapping, items(data.get("items"))):
        words = (first_text(entry, key).rstrip(".") for key in ("title", "sub_title", "description"))
        says.append(", ".join(word for word in words if word))
        own: list[Choice] = []
        for button in items(entry.get("actionables")) or items(entry.get("actionable")):
            _sort_in(mapping(button), own, links)
        choices += [(choice, first_text(entry, "title"), len(own)) for choice in own]
    return _spoken(says, choices=_told_apart(choices), links=tuple(links))


def _told_apart(found: list[tuple[Choice, str, int]]) -> tuple[Choice, ...]:
    """The same words on several cards are told apart by the cards' titles."""
    labels = [choice.label.casefold() for choice, _, _ in found]
    named = []
    for choice, title, siblings in found:
        label = choice.label
        if title and labels.count(label.casefold()) > 1:
            label = title if siblings == 1 else f"{label}, {title}"
        named.append(Choice(label=label, sends=choice.sends, calls=choice.calls))
    return tuple(named)


def _form(data: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a form; none are listed: it cannot be filled in by phone [assumed]."""
    listed = next((found for key in FIELD_KEYS if (found := items(data.get(key), 20))), [])
    fields = []
    for item in map(mapping, listed):
        label = without_commands(first_text(item, *FIELD_LABEL_KEYS))
        if label:
            options = tuple(choice.label for choice in _choices(items(item.get("options"))))
            fields.append(Field(label, KINDS.get(text(item.get("type")).lower(), "free"), options))
    return tuple(fields)
