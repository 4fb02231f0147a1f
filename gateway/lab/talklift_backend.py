"""The lab's customer backend for TalkLift: an insurer who checks membership numbers and one-time passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MEMBERS = {"209192092": "Ann Miller", "481632960": "Joe Smith"}
PASSWORD = "4711"
PREFIX = "SLOT-MODULE:"
MENU = {"type": "postback", "title": "Back to menu", "payload": "main-menu"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What the backend does about an event: messages first, then the slot's state.

    Attributes:
        is_done: The slot is valid; None: nothing is said about a slot.
        data: What is stored, which may be written otherwise than it was said.
    """

    says: tuple[str, ...] = ()
    buttons: tuple[dict[str, Any], ...] = ()
    is_done: bool | None = None
    data: str | None = None


def react(event: dict[str, Any]) -> Reaction:
    """What an event leads to."""
    name, entry = str(event.get("event_name", "")), event["payload"][0]
    if not name.startswith(PREFIX):
        answers = {state["slot_label"]: state["data"] for state in entry["slot_states"] if state["is_done"]}
        if not answers:
            return Reaction()
        return Reaction(says=("Your claim has the number 77.",), buttons=(MENU,))
    label, value = str(entry["slot"]["label"]).lower(), str(entry["value"])
    if "membership" in label:
        number = re.sub(r"\D", "", value)
        if number in MEMBERS:
            return Reaction(says=(f"Thank you, {MEMBERS[number]}.",), is_done=True, data=number)
        return Reaction(says=("This number is not known to us.",), is_done=False, data=value)
    if "password" in label:
        return Reaction(is_done=value == PASSWORD, data=value)
    if "silent" in label:
        return Reaction()
    return Reaction(is_done=True, data=value)
