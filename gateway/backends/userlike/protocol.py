"""Userlike's Chatbot API v1 without a socket: what goes to the bot's webhook, and what comes back or by the API URL.

Strict in what we send; in what we take, an object, a list of them, or nothing at all, and unknown keys are ignored.
Source: the vendor's page "Chatbot API" with its two sample servers (November 2026).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from gateway.backends.userlike.payloads import Unusable, read_trigger
from gateway.backends.userlike.triggers import MAX_BODY, Message, Trigger
from gateway.kit.jsonbody import JsonRefused, parse_json

MAX_CONTEXT_BYTES = 10 * 1024  # "not bigger than 10 KB", counted as compact JSON in UTF-8
MAX_EVENTS = 100  # of one list
MAX_QUOTED = 40  # characters of an event's name in what is said about it
MAX_ACKNOWLEDGEMENT = 100  # bytes of an answer such as "OK", which many servers give instead of an empty one

Outgoing = Literal["start", "message", "click", "media", "location", "forward_failed", "campaign_unsubscribe"]
"""The events a webhook is told of; never another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a bot's.

    Attributes:
        name: As it was sent.
        cid: The session it names; None where it names none.
        context: What replaces the session's context; None: it stays.
        trigger: What is to be done; None where it cannot be, and ``problem`` says why.
        is_context_too_big: There was one, of more than `MAX_CONTEXT_BYTES`.
        oddities: What the bot's author should know although it does no harm.
    """

    name: str
    cid: str | None = None
    context: dict[str, Any] | None = None
    trigger: Trigger | None = None
    problem: str | None = None
    is_context_too_big: bool = False
    oddities: tuple[str, ...] = ()


class Unreadable(ValueError):
    """A body that holds no events at all; the sentence says why, without quoting it."""


# --- out -------------------------------------------------------------------------------------------------------------
def request_body(info: Mapping[str, Any], name: Outgoing, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The body of one request to the bot's webhook."""
    return {"info": dict(info), "packet": {"name": name, "payload": dict(payload)}}


def text_payload(text: str) -> dict[str, Any]:
    """Of ``message``, and of a ``start`` that already brings a text."""
    return {"body": text}


# --- in --------------------------------------------------------------------------------------------------------------
def read_answer(body: bytes) -> list[Event]:
    """The events in the answer to a webhook request. Nothing, an empty value or a bare acknowledgement has none.

    Raises:
        Unreadable: It is neither events nor nothing, such as the page of a proxy.
    """
    if not body.strip():
        return []
    try:
        value = parse_json(body)
    except JsonRefused as refused:
        if len(body) <= MAX_ACKNOWLEDGEMENT and body.lstrip()[:1] not in (b"<", b"{", b"["):
            return []
        raise Unreadable(refused.reason) from refused
    if not isinstance(value, dict | list):
        return []  # a bare word or number: an acknowledgement, too
    return [read_event(item) for item in _items(value)]


def read_request(body: bytes) -> list[Event]:
    """The events in a request to the API URL. Raises Unreadable."""
    try:
        value = parse_json(body)
    except JsonRefused as refused:
        raise Unreadable(refused.reason) from refused
    events = [read_event(item) for item in _items(value)]
    if not events:
        raise Unreadable("there is no event")
    return events


def _items(value: Any) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_EVENTS:
        raise Unreadable(f"more than {MAX_EVENTS} events")
    return [item for item in items if item not in (None, {}, [])]


def read_event(item: Any) -> Event:
    """One event object; what is wrong with it is in ``problem``."""
    if not isinstance(item, dict):
        return Event(name="", problem="an event is an object")
    info, packet = _object(item.get("info")), _object(item.get("packet"))
    name = _text(packet.get("name")) or ""
    head = Event(name=name, cid=_text(info.get("cid")), **_context(info))
    if not name:
        return replace(head, problem="packet.name is missing")
    try:
        return replace(head, trigger=read_trigger(name, _object(packet.get("payload"))))
    except Unusable as unusable:
        return replace(head, problem=f"{name[:MAX_QUOTED]}: {unusable}")


def too_long(event: Event) -> bool:
    """A message over the documented length: refused by the API URL, cut in a webhook's answer."""
    return isinstance(event.trigger, Message) and len(event.trigger.text) > MAX_BODY


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _context(info: Mapping[str, Any]) -> dict[str, Any]:
    """An object replaces the context, an empty one is ignored, and so is whatever is none."""
    value = info.get("context")
    if value in (None, {}):
        return {}
    if not isinstance(value, dict):
        return {"oddities": ("info.context is no object, and was ignored",)}
    if context_bytes(value) > MAX_CONTEXT_BYTES:
        return {"is_context_too_big": True}
    return {"context": value}


def context_bytes(context: Mapping[str, Any]) -> int:
    """The size of a context as it is measured: compact JSON in UTF-8."""
    return len(json.dumps(context, ensure_ascii=False, separators=(",", ":")).encode())
