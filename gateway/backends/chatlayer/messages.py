"""A message of the bot as actions: speech, one menu over everything that can be chosen, recordings, and what is kept.

Messages look like Facebook Messenger's. Source: the vendor's pages "Legacy API" (history example), "Message types" and
"Phone & voice" (November 2026). Payloads are opaque: what is chosen goes back exactly as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.targets import canonical
from gateway.actions import Action, Hangup, Menu, MenuOption, Pause, Play, Record, Say, SendLink, Transfer
from gateway.backends.chatlayer.assumed import (
    EVENT_DATA_KEYS,
    EVENT_TYPES,
    HANGUP_KEYS,
    PLAYED_ATTACHMENTS,
    SHOWN_ATTACHMENTS,
    TRANSFER_KEYS,
)
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.text.language import base, bcp47
from gateway.text.speakable import detect, norm

MAX_OPTIONS = 99
MAX_ELEMENTS = 50
MAX_TITLE = 500
MAX_KEPT = 4000  # characters of a message that nobody can hear, in the call record
CONNECT_LABELS = {
    "en": "to be connected with {title}",
    "fr": "être mis en relation avec {title}",
    "de": "mit {title} verbunden zu werden",
    "nl": "om verbonden te worden met {title}",
    "es": "que le pasen con {title}",
    "it": "per parlare direttamente con {title}",
    "pt": "para ser transferido para {title}",
}
"""Four words or more, so that a menu says it once, after its key."""
_LANGUAGE = re.compile(r"<speak\b[^>]*?\bxml:lang\s*=\s*[\"']([A-Za-z0-9_-]{2,35})[\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """What an option of a menu does: a payload to send back, or a number to be connected with."""

    title: str
    payload: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a message amounts to on the telephone."""

    actions: tuple[Action, ...]
    clicks: Mapping[str, Click] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    """A message being read."""

    settings: ChatlayerBotSection
    language: str
    actions: list[Action] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    options: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Label and aliases of each click."""

    def say(self, text: str) -> None:
        if not norm(text):
            return
        format = detect(text)
        tag = _LANGUAGE.search(text) if format == "ssml" else None
        self.actions.append(Say(text=text, format=format, language=(bcp47(tag[1]) or None) if tag else None))

    def link(self, url: str, text: str = "") -> None:
        if self.settings.send_links and url:
            self.actions.append(SendLink(url=url, text=text or None))

    def skip(self, what: str, url: str) -> None:
        """Something to look at: the caller hears nothing of it, but the bot has answered."""
        self.actions.append(Record(kind="event", data={"not_spoken": what, "url": url[:MAX_KEPT]}))
        self.link(url)
        self.actions.append(Pause(seconds=0.0))

    def keep(self, message: Mapping[str, Any]) -> None:
        self.actions.append(Record(kind="event", data={"message": kept(message)}))


def read_message(message: Mapping[str, Any], settings: ChatlayerBotSection, *, menu_id: str, language: str) -> Heard:
    """Read a message object.

    Args:
        menu_id: Of the menu it may open.
        language: Of the call, for the gateway's own words in labels.
    """
    reading = _Reading(settings, language)
    if _text(message.get("type")) in EVENT_TYPES:
        _event(message, reading)
        return Heard(actions=tuple(reading.actions))
    _parts(message, reading)
    if not reading.actions and not reading.clicks:
        reading.keep(message)
    if reading.clicks:
        reading.actions.append(_menu(reading, menu_id))
    return Heard(
        actions=tuple(reading.actions), clicks={str(place): click for place, click in enumerate(reading.clicks, 1)}
    )


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message, for the record."""
    attachment = _mapping(message.get("attachment"))
    payload = _mapping(attachment.get("payload"))
    titles = [_text(element.get("title")) for element in _mappings(payload.get("elements"))]
    return _text(message.get("text")) or _text(payload.get("text")) or ". ".join(filter(None, titles))


def kept(message: Mapping[str, Any]) -> Any:
    """A message as it goes into a record: whole, or the beginning of it as text."""
    written = json.dumps(message, ensure_ascii=False)
    return dict(message) if len(written) <= MAX_KEPT else written[:MAX_KEPT]


# --- parts ---------------------------------------------------------------------------------------------------------
def _parts(message: Mapping[str, Any], reading: _Reading) -> None:
    text = _text(message.get("text"))
    if not _marked(text, reading):
        reading.say(text)
    attachment = _mapping(message.get("attachment"))
    kind, payload = _text(attachment.get("type")), _mapping(attachment.get("payload"))
    if kind == "template":
        _template(payload, reading)
    elif kind in PLAYED_ATTACHMENTS and _text(payload.get("url")):
        reading.actions.append(Play(url=_text(payload.get("url"))))
    elif kind in PLAYED_ATTACHMENTS | SHOWN_ATTACHMENTS:
        reading.skip(kind, _text(payload.get("url")))
    for reply in _mappings(message.get("quick_replies")):
        _choice(reply, reading)


def _template(payload: Mapping[str, Any], reading: _Reading) -> None:
    """Buttons, a carousel (``generic``) or a ``list``, whose own buttons come after those of its elements."""
    reading.say(_text(payload.get("text")))
    elements = _mappings(payload.get("elements"))[:MAX_ELEMENTS]
    for element in elements:
        _element(element, reading, is_only=len(elements) == 1)
    for button in _mappings(payload.get("buttons")):
        _button(button, reading)


def _element(element: Mapping[str, Any], reading: _Reading, *, is_only: bool) -> None:
    title, subtitle = _text(element.get("title")), _text(element.get("subtitle"))
    reading.say(
        ". ".join(part.rstrip(".") if part is title and subtitle else part for part in (title, subtitle) if part)
    )
    for url in _element_links(element):
        reading.link(url, title)
    buttons = _mappings(element.get("buttons"))
    for button in buttons:
        _button(button, reading, "" if is_only else title, aliases=(title,) if len(buttons) == 1 else ())


def _element_links(element: Mapping[str, Any]) -> Iterator[str]:
    action = _mapping(element.get("default_action"))
    found = (element.get("item_url"), action.get("url"), element.get("image_url"))
    yield from dict.fromkeys(url for value in found if (url := _text(value)))


def _button(button: Mapping[str, Any], reading: _Reading, of: str = "", aliases: tuple[str, ...] = ()) -> None:
    kind, title = _text(button.get("type")), _text(button.get("title"))[:MAX_TITLE]
    if kind == "phone_number":
        _number(title, _text(button.get("payload")), reading)
    elif kind == "web_url":
        reading.link(_text(button.get("url")), title)
    elif kind != "element_share":
        _choice(button, reading, of, aliases)


def _number(title: str, written: str, reading: _Reading) -> None:
    """A number to call: the caller is connected with it, by the gateway."""
    if not written:
        return
    label = reading.settings.connect_label or CONNECT_LABELS.get(base(reading.language), "{title}")
    target = canonical(written) or written
    _add(reading, label.format(title=title or written), Click(title=title or written, target=target), (title,))


def _choice(item: Mapping[str, Any], reading: _Reading, of: str = "", aliases: tuple[str, ...] = ()) -> None:
    """A quick reply or a postback: its title is offered, its payload goes back. Without a payload, its title does."""
    title = _text(item.get("title"))[:MAX_TITLE]
    if norm(title):
        _add(reading, f"{of}, {title}" if of else title, Click(title=title, payload=payload_text(item)), aliases)


def payload_text(item: Mapping[str, Any]) -> str:
    """What goes back when this is chosen: the payload byte for byte; an object is written compactly, in its order."""
    payload = item.get("payload")
    if isinstance(payload, str) and payload:
        return payload
    if isinstance(payload, (dict, list)):
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return _text(item.get("title"))


def _add(reading: _Reading, label: str, click: Click, aliases: tuple[str, ...] = ()) -> None:
    if len(reading.clicks) < MAX_OPTIONS:
        reading.clicks.append(click)
        reading.options.append((label, tuple(alias for alias in aliases if alias and alias != label)))


def _menu(reading: _Reading, menu_id: str) -> Menu:
    options = [
        MenuOption(id=str(place), label=label, aliases=aliases)
        for place, (label, aliases) in enumerate(reading.options, 1)
    ]
    return Menu(menu_id=menu_id, options=tuple(options), max_digits=len(str(len(options))))


# --- what is not said ----------------------------------------------------------------------------------------------
def _event(message: Mapping[str, Any], reading: _Reading) -> None:
    """Nothing to hear. By agreement with the bot's author it may transfer or hang up."""
    reading.keep(message)
    if not reading.settings.obey_events:
        return
    for data in (message, *(_mapping(message.get(key)) for key in EVENT_DATA_KEYS)):
        target = next((found for key in TRANSFER_KEYS if (found := _text(data.get(key)))), "")
        if target:
            reading.actions.append(_transfer(target))
        elif any(data.get(key) is True for key in HANGUP_KEYS):
            reading.actions.append(Hangup())


def _marked(text: str, reading: _Reading) -> bool:
    """Texts that the bot's author has agreed to mean something else than speech."""
    settings, trimmed = reading.settings, text.strip()
    if settings.transfer_marker and trimmed.startswith(settings.transfer_marker):
        reading.actions.append(_transfer(trimmed[len(settings.transfer_marker) :].strip()))
        return True
    if settings.hangup_marker and trimmed.endswith(settings.hangup_marker):
        reading.say(trimmed.removesuffix(settings.hangup_marker).strip())
        reading.actions.append(Hangup())
        return True
    return False


def _transfer(target: str) -> Transfer:
    return Transfer(transfer_id="message", target=canonical(target) or target)


# --- values --------------------------------------------------------------------------------------------------------
def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]
