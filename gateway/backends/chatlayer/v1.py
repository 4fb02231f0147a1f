"""The newer interface: what the caller said goes to the address of a channel, with a bearer token.

Answers arrive by the same webhook and in the same shapes. Source: the vendor's example code for a custom channel, and
the Botium connector for Chatlayer (November 2026); the vendor's V1 reference itself was not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.kit.jsonbody import JsonRefused, parse_json


def channel_headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def text_body(
    text: str, sender: str, locale: str | None = None, session: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the caller said."""
    return _of_user({"textMessage": {"text": text}}, sender, locale, session)


def intro_body(sender: str) -> dict[str, Any]:
    """Starts the conversation without a word of the caller."""
    return {"conversationId": sender, "message": {"introMessage": {}}}


def state_body(
    dialogstate: Any,
    sender: str,
    locale: str | None = None,
    *,
    title: str = "",
    session: Mapping[str, Any] | None = None,
    to_set: Any = None,
) -> dict[str, Any]:
    """Goes to a dialog state, as a click does."""
    postback: dict[str, Any] = {"title": title, "nextDialogstateId": dialogstate}
    if to_set:
        postback["sessionDataToSet"] = to_set
    return _of_user({"postbackMessage": postback}, sender, locale, session)


def click_body(payload: str, title: str, sender: str, locale: str | None = None) -> dict[str, Any]:
    """What the caller chose. A payload that names its dialog state goes as a postback, an opaque one as it came."""
    try:
        value = parse_json(payload.encode())
    except (JsonRefused, UnicodeEncodeError):
        value = None
    if not isinstance(value, dict) or not value.get("nextDialogstateId"):
        return text_body(payload, sender, locale)
    to_set = value.get("params") or value.get("parameters")
    return state_body(value["nextDialogstateId"], sender, locale, title=title, to_set=to_set)


def extract_url(base_url: str, bot_id: str, version: str) -> str:
    return f"{base_url}/v1/bots/{quote(bot_id, safe='')}/nlp/extract?version={quote(version, safe='')}"


def _of_user(
    message: dict[str, Any], sender: str, locale: str | None, session: Mapping[str, Any] | None
) -> dict[str, Any]:
    user = {"id": sender} if locale is None else {"id": sender, "preferredLanguage": locale}
    body: dict[str, Any] = {"message": message, "user": user}
    return {**body, "sessionData": dict(session)} if session else body
