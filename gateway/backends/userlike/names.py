"""The names in the contract that the vendor's page leaves open, in one place.

The page (Chatbot API v1, November 2026) hides its boxes of payload parameters. What its prose and its two samples do
not prove is assumed here: we send the first name of a row and take all of them. To follow a bot that expects another
name, this is the file to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# --- what bots send: names that are taken, the likeliest first -------------------------------------------------------
BODY = ("body", "text", "message")
FALLBACK = ("fallback", "fallback_text")
OPTIONS = ("options", "buttons", "items")
OPTION_ID = ("id", "value", "payload")
OPTION_LABEL = ("label", "title", "text", "name")
OPTION_DESCRIPTION = ("description", "subtitle")
LINK = ("link", "url", "href", "target")
OPTION_IMAGE = ("image", "image_url", "link", "url")
LINKS = ("buttons", "options")
LINK_LABEL = ("label", "title", "text", "name")
MEDIA_TYPE = ("mime_type", "content_type", "type")
MEDIA_NAME = ("name", "file_name", "filename")
NOTE_TEXT = ("body", "text", "note", "content")
ADDON = ("type", "addon", "addon_type")
RECIPIENT_TYPE = ("recipient_type", "type")
OPERATOR_ID = ("operator_id", "id", "recipient")
GROUP = ("group", "group_id", "id", "name")
SKILLS = ("skills", "skill_ids")
SECONDS = ("seconds", "duration", "delay")
MILLISECONDS = ("milliseconds", "ms")
TYPING = ("typing", "typing_indicator")

CONTACT_FIELDS = ("name", "email", "mobile_number", "external_customer_id", "custom_fields", "campaigns")
CONVERSATION_FIELDS = ("subject", "topics", "locale", "custom_fields")

# --- what the API URL answers ----------------------------------------------------------------------------------------
ACCEPTED, REFUSED, UNAUTHORIZED, NO_SESSION, TOO_MANY, NO_MEDIA = 200, 400, 401, 404, 429, 422


def first(payload: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of these names that has one; None where none has."""
    return next((payload[name] for name in names if payload.get(name) is not None), None)


# --- what we send ----------------------------------------------------------------------------------------------------
def click_payload(option_id: Any, label: str, element: str) -> dict[str, Any]:
    """``value.id`` is proven by the vendor's sample; ``label`` and ``element`` are not."""
    return {"value": {"id": option_id, "label": label}, "element": element}


def media_payload(link: str, name: str, mime_type: str, size: int = 0) -> dict[str, Any]:
    """``size`` in bytes, where it is known."""
    payload = {"link": link, "name": name, "mime_type": mime_type}
    return {**payload, "size": size} if size else payload


def location_payload(latitude: float, longitude: float, name: str) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude, "name": name or None, "address": None}


def unsubscribe_payload(channel: str) -> dict[str, Any]:
    return {"channel": channel} if channel else {}


def contact_info(contact_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """``info.contact``; what is not known is null, but for the custom fields."""
    known = ("name", "email", "mobile_number", "external_customer_id")
    return {
        "id": contact_id,
        **{name: fields.get(name) for name in known},
        "custom_fields": dict(fields.get("custom_fields") or {}),
        "locale": fields.get("locale"),
    }


def widget_info(widget_id: str, name: str, language: str) -> dict[str, Any]:
    return {"id": widget_id, "name": name, "language": language}
