"""What bots have found out about callers. It outlives the call, as it outlives the session on the platform."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MAX_CONTACTS = 10_000
MAX_CUSTOM_FIELDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A caller as bots know him.

    Attributes:
        id: What a bot sends back as ``contact_identity_id``.
        fields: ``name``, ``email``, ``mobile_number``, ``external_customer_id``, ``custom_fields``, ``locale``.
        campaigns: Whether he wants them; None: nobody asked.
    """

    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    campaigns: bool | None = None

    def updated(self, changes: Mapping[str, Any]) -> Contact:
        """With a ``contact_update``: custom fields are merged, the others replaced."""
        fields = {**self.fields, **{name: value for name, value in changes.items() if name != "campaigns"}}
        if "custom_fields" in changes:
            merged = {**(self.fields.get("custom_fields") or {}), **changes["custom_fields"]}
            fields["custom_fields"] = dict(list(merged.items())[-MAX_CUSTOM_FIELDS:])
        wish = changes.get("campaigns", self.campaigns)
        return replace(self, fields=fields, campaigns=wish if isinstance(wish, bool) else self.campaigns)


class Contacts:
    """Those of one bot, by calling number, in memory; the one heard of longest ago is forgotten first.

    Args:
        new_id: Makes ids.
    """

    def __init__(self, new_id: Callable[[], str] = lambda: secrets.token_hex(8), limit: int = MAX_CONTACTS) -> None:
        self._new_id = new_id
        self._limit = limit
        self._known: OrderedDict[str, Contact] = OrderedDict()

    def of(self, number: str, name: str = "", language: str = "") -> Contact:
        """The contact behind a number; a withheld one is somebody new each time."""
        known = self._known.get(number) if number else None
        if known is not None:
            return known
        fields = {"name": name or None, "mobile_number": number or None, "locale": language or None}
        return Contact(id=self._new_id(), fields=fields)

    def keep(self, number: str, contact: Contact) -> None:
        if not number:
            return
        self._known[number] = contact
        self._known.move_to_end(number)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
