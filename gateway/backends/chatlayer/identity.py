"""Who a call is to the platform: a conversation's id of at least 32 characters, and the data of the call."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.events import CallInfo
from gateway.kit.signature import hmac_hex

HASH_CHARS = 32


def new_uuid() -> str:
    return str(uuid.uuid4())


def sender_of(settings: ChatlayerBotSection, call: CallInfo, new_id: Callable[[], str] = new_uuid) -> str:
    """The conversation's id. A withheld number is nobody's: such calls never share a conversation.

    Args:
        new_id: Makes a UUID in its usual form, 36 characters.
    """
    template = settings.sender_id or ("tel-{caller_hash}" if settings.identity == "caller" else "{uuid}")
    fresh = new_id()
    if settings.sender_id is None and settings.identity == "caller" and not call.caller:
        return fresh
    return template.format_map({"uuid": fresh, "caller_hash": _caller_hash(settings, call.caller or fresh)})


def is_shared(settings: ChatlayerBotSection) -> bool:
    """Whether a conversation goes on from call to call."""
    return "{uuid}" not in (settings.sender_id or ("" if settings.identity == "caller" else "{uuid}"))


def _caller_hash(settings: ChatlayerBotSection, caller: str) -> str:
    secret = settings.identity_secret.get_secret_value() if settings.identity_secret else ""
    return hmac_hex(secret, caller)[:HASH_CHARS]


def call_data(settings: ChatlayerBotSection, call: CallInfo) -> dict[str, Any]:
    """The session data of a call."""
    values = {"from": call.caller, "to": call.called, "call_id": call.call_id, "number": call.number}
    return settings.filled({**values, "line": call.line, "language": call.language, "name": call.display_name})
