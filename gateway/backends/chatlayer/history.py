"""The platform's own history of a conversation: pages of rows, as records of the call, and as a place to look for what
never arrived.

Source: the vendor's page "Legacy API", ``GET /api/bots/:botId/history/:senderId`` (November 2026).
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.actions import Record
from gateway.backends.chatlayer.assumed import BOT_ACTORS
from gateway.backends.chatlayer.messages import kept, text_of
from gateway.backends.chatlayer.protocol import message_digest
from gateway.errors import RemoteProtocolError
from gateway.kit.jsonbody import JsonRefused, parse_json

PAGE_ROWS = 100
MAX_ROWS = 2000  # of one call; more is no conversation by telephone
MAX_RECORDED = 300  # rows of one call in its record
CLOCKS_DIFFER = datetime.timedelta(seconds=10)
"""How far the platform's clock may be behind ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message of the history, whoever said it."""

    id: str
    actor: str
    created_at: str
    is_intro: bool
    message: dict[str, Any]

    @property
    def is_bots(self) -> bool:
        return self.actor in BOT_ACTORS

    @property
    def when(self) -> datetime.datetime | None:
        """When it was said; None when that cannot be read."""
        return moment(self.created_at)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and how many there are in all, where it is said."""

    rows: tuple[Row, ...]
    count: int | None


def parse_page(body: bytes) -> Page:
    """Read a page. Raises RemoteProtocolError; rows that are none are left out."""
    try:
        value = parse_json(body)
    except JsonRefused as error:
        raise RemoteProtocolError(f"the history cannot be read: {error.reason}") from error
    rows = value.get("rows") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise RemoteProtocolError("the history has no rows")
    count = value.get("count")
    is_count = isinstance(count, int) and not isinstance(count, bool)
    return Page(tuple(_row(row) for row in rows if isinstance(row, dict)), count if is_count else None)


def _row(row: dict[str, Any]) -> Row:
    message = row.get("message")
    return Row(
        id=str(row.get("id") or ""),
        actor=str(row.get("actor") or "user"),
        created_at=str(row.get("createdAt") or ""),
        is_intro=row.get("isIntro") is True,
        message=message if isinstance(message, dict) else {"text": message} if isinstance(message, str) else {},
    )


def moment(written: str) -> datetime.datetime | None:
    """An ISO 8601 time; one without zone is UTC."""
    try:
        found = datetime.datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """By the time they were said; rows without one stay where they are among their neighbours."""
    last = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    timed: list[tuple[datetime.datetime, Row]] = []
    for row in rows:
        last = row.when or last
        timed.append((last, row))
    return [row for _, row in sorted(timed, key=lambda pair: pair[0])]


def records_of(rows: Iterable[Row], *, since: str = "") -> list[Record]:
    """A record line for each row, in the order they were said.

    Args:
        since: Leave out what was said before; for a conversation that goes on from call to call.
    """
    begun = moment(since)
    wanted = [row for row in in_order(rows) if begun is None or row.when is None or row.when >= begun - CLOCKS_DIFFER]
    return [_record(row) for row in wanted[-MAX_RECORDED:]]


def _record(row: Row) -> Record:
    data = {"id": row.id, "actor": row.actor, "created_at": row.created_at, "is_intro": row.is_intro}
    return Record(kind="conversation", data={**data, "text": text_of(row.message), "message": kept(row.message)})


def missed(rows: Sequence[Row], delivered: Counter[str]) -> list[Row]:
    """The bot's answers to the last words of the user that have not been delivered.

    Args:
        delivered: Digests of the messages that came since those words were sent, with how often.
    """
    ordered = in_order(rows)
    after = max((place for place, row in enumerate(ordered, 1) if not row.is_bots), default=0)
    left = Counter(delivered)
    found = []
    for row in ordered[after:]:
        digest = message_digest(row.message)
        if left[digest]:
            left[digest] -= 1
        elif row.message:
            found.append(row)
    return found
