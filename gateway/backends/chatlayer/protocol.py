"""Chatlayer's Webhook Channel API without a socket: the bodies that go out, and what a delivery of the bot's names.

Source: the vendor's page "Legacy API", and its public pages "Webhook channel" and "Message types", which publish two
shapes of what arrives at our webhook (November 2026). What a message means is in `messages`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from gateway.backends.chatlayer.assumed import PREFIX_END, USER_ID_PATHS
from gateway.backends.chatlayer.settings import MIN_SENDER_CHARS
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.text.language import base

API = "/api"
EVENT_RECEIVED = "EVENT_RECEIVED"
"""What both sides answer to a message; it says that it came, not what the bot thinks of it."""
MAX_TEXT = 4000  # characters of one caller turn; the page names no limit
MAX_COUNTER = 1 << 53


# --- out -----------------------------------------------------------------------------------------------------------
def endpoint(base_url: str, *path: str, query: Mapping[str, str] | None = None) -> str:
    """An address of the API; each part of the path is percent-encoded."""
    parts = "/".join(quote(part, safe="") for part in path)
    return f"{base_url}{API}/{parts}" + (f"?{urlencode(query)}" if query else "")


def message_body(text: str, sender: str, verify_token: str, locale: str | None = None) -> dict[str, Any]:
    """What the caller said, or the payload of what he chose, for ``POST /api/webhookMessage/:botId``."""
    body: dict[str, Any] = {"text": text, "sender": {"id": sender}, "verifyToken": verify_token}
    return body if locale is None else {**body, "locale": locale}


def webview_body(
    bot_id: str,
    sender: str,
    *,
    session: Mapping[str, Any] | None = None,
    next_dialogstate: str | None = None,
    messages: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """An asynchronous action, for ``POST /api/webview``. The platform takes session, messages and state in this order.

    Args:
        session: ``{"namespace": ..., "data": {...}}``.
        messages: See `text_message` and `carousel_message`.

    Raises:
        LocalProtocolError: Neither a message nor a state: the platform would refuse it.
    """
    if not messages and not next_dialogstate:
        raise LocalProtocolError("an asynchronous action needs a message or a next dialog state")
    body: dict[str, Any] = {"botId": bot_id, "senderId": sender}
    if session is not None:
        body["session"] = dict(session)
    if next_dialogstate:
        body["action"] = {"nextDialogstate": next_dialogstate}
    if messages:
        body["messages"] = [dict(message) for message in messages]
    return body


def session_data(namespace: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ``session`` of an asynchronous action; None when there is nothing to write."""
    return {"namespace": namespace, "data": dict(data)} if data else None


def text_message(text: str) -> dict[str, Any]:
    return {"type": "text", "config": {"textMessages": [{"text": text}]}}


def carousel_message(elements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Elements have ``imageUrl``, ``subTitle``, ``title``, ``webUrl``, ``buttons`` (``type``, ``title``, ``url``)."""
    return {"type": "carousel", "config": {"elements": [dict(element) for element in elements]}}


def extract_body(language: str, expression: str) -> dict[str, Any]:
    """For ``POST /api/bots/:botId/extract/:version``: language in two lower-case letters."""
    return {"language": base(language), "expression": expression}


def locale_of(setting: str, heard: str | None, language: str) -> str | None:
    """The two letters that go out with what was said: by the setting, the recognizer, or the number's language."""
    if setting == "none":
        return None
    if setting != "auto":
        return setting
    return next((code for tag in (heard or "", language) if len(code := base(tag)) == 2), None)


# --- in ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST to our webhook.

    Attributes:
        ids: Whose it may be, as the body names it, in the order in which to look; the ones without prefix come last.
        token: What it brings as proof.
        message: The message object; None when there is none.
        counter: ``messageCounter``, where it has one.
        intent: What the bot understood, ``{"name": ..., "score": ...}``, where it says so.
        event: What the offloading webhook is told of, such as ``offload``.
    """

    ids: tuple[str, ...]
    token: str
    message: dict[str, Any] | None
    counter: int | None = None
    intent: dict[str, Any] = field(default_factory=dict)
    event: str = ""

    @property
    def digest(self) -> str:
        """The message as a key; the same whatever the order of its fields."""
        return message_digest(self.message or {})


def parse_delivery(body: bytes) -> Delivery:
    """Read the body of a webhook; both published shapes, and mixtures of them.

    Raises:
        RemoteProtocolError: It is no JSON object.
    """
    try:
        value = parse_json(body)
    except JsonRefused as error:
        raise RemoteProtocolError(f"a message of the bot cannot be read: {error.reason}") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError("a message of the bot is no JSON object")
    token, message, event = (value.get(name) for name in ("verifyToken", "message", "event"))
    return Delivery(
        ids=_ids(value),
        token=token if isinstance(token, str) else "",
        message=message if isinstance(message, dict) else None,
        counter=_counter(value.get("messageCounter")),
        intent=_intent(value.get("nlp")),
        event=event if isinstance(event, str) else "",
    )


def message_digest(message: Mapping[str, Any]) -> str:
    """SHA-256 of a message in one way of writing it."""
    written = json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode("ascii")).hexdigest()


def _ids(value: Mapping[str, Any]) -> tuple[str, ...]:
    named = [found for path in USER_ID_PATHS if (found := _at(value, path))]
    bare = [rest for name in named if (rest := without_prefix(name))]
    return tuple(dict.fromkeys([*named, *bare]))


def without_prefix(name: str) -> str | None:
    """The id behind what the platform has put before it; None when nothing long enough is left."""
    rest = name.partition(PREFIX_END)[2]
    return rest if len(rest) >= MIN_SENDER_CHARS else None


def _at(value: Any, path: tuple[str, ...]) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _counter(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_counter = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNTER
    return value if is_counter else None


def _intent(nlp: Any) -> dict[str, Any]:
    intent = nlp.get("intent") if isinstance(nlp, dict) else None
    if not isinstance(intent, dict):
        return {}
    wanted = {name: intent.get(name) for name in ("name", "score")}
    return {name: item for name, item in wanted.items() if isinstance(item, (str, int, float))}
