"""Opening hours: a week, its holidays, and a time zone. Pure: whoever asks brings the time."""

from __future__ import annotations

import datetime
import re
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator

from config.base import Section, one_or_many

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MIDNIGHT = 24 * 60
_RANGE = re.compile(r"([01]?\d|2[0-4])[:.]([0-5]\d)\s*-\s*([01]?\d|2[0-4])[:.]([0-5]\d)", re.ASCII)
_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})", re.ASCII)
_LEAP_YEAR = 2000

Span = tuple[int, int]
"""Minutes after midnight; the second may be on the following day."""


def _span(text: str) -> Span:
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time such as 09:00-17:30")
    start, end = (int(match[place]) * 60 + int(match[place + 1]) for place in (1, 3))
    if start >= MIDNIGHT or end > MIDNIGHT or start == end:
        raise ValueError(f"{text!r} is no time such as 09:00-17:30")
    return (start, end) if start < end else (start, end + MIDNIGHT)


def _days(text: str) -> list[str]:
    """``mon``, ``mon-fri``, ``sat-mon``, or ``sat,sun``."""
    found: list[str] = []
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        place, end = _day(first), _day(last if dash else first)
        if place is None or end is None:
            raise ValueError(f"{text!r} is no day such as mon, nor days such as mon-fri")
        found.append(DAYS[place])
        while place != end:
            place = (place + 1) % len(DAYS)
            found.append(DAYS[place])
    return found


def _day(text: str) -> int | None:
    """Its place in the week, by at least three letters of its name."""
    name = text.strip()
    return next((place for place, day in enumerate(DAYS) if len(name) > 2 and day.startswith(name)), None)


def _dates(value: object) -> object:
    """A list of days on which nobody is there; or what a day's hours are, by its date."""
    if isinstance(value, list | tuple):
        return {str(date): [] for date in value}
    return {str(date): hours for date, hours in value.items()} if isinstance(value, dict) else value


Spans = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class HoursSection(Section):
    """When people are there."""

    time_zone: str = "UTC"
    """Of the hours, such as `Europe/Paris`."""
    weekly: dict[str, Spans] = Field(default_factory=dict)
    """Hours by day (`mon`, `mon-fri`, `sat,sun`): `09:00-17:30`, or several. A span that ends before it begins goes on
    past midnight. A day that is not there is closed; with no day at all, nothing is known."""
    holidays: Annotated[dict[str, Spans], BeforeValidator(_dates)] = Field(default_factory=dict)
    """Days with hours of their own, or none: `2026-12-25`, or each year's `12-25`. A list of them is closed days."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone this machine knows, such as Europe/Paris") from None
        return name

    @field_validator("weekly")
    @classmethod
    def _readable_days(cls, weekly: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for days, spans in weekly.items():
            _days(days)
            for span in spans:
                _span(span)
        return weekly

    @field_validator("holidays")
    @classmethod
    def _readable_dates(cls, holidays: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for date, spans in holidays.items():
            match = _DATE.fullmatch(date)
            if match is None:
                raise ValueError(f"{date!r} is no date such as 2026-12-25 or 12-25")
            try:
                datetime.date(int(match[1] or _LEAP_YEAR), int(match[2]), int(match[3]))
            except ValueError:
                raise ValueError(f"{date!r} is no date such as 2026-12-25 or 12-25") from None
            for span in spans:
                _span(span)
        return holidays

    @property
    def is_known(self) -> bool:
        return bool(self.weekly)

    def is_open(self, now: datetime.datetime) -> bool:
        """Whether people are there.

        Args:
            now: With its time zone. The wall clock of the hours' own zone counts, also on days with 23 or 25 hours.
        """
        local = now.astimezone(ZoneInfo(self.time_zone))
        minute = local.hour * 60 + local.minute
        today, yesterday = local.date(), local.date() - datetime.timedelta(days=1)
        return any(start <= minute < end for start, end in self._spans(today)) or any(
            minute < end - MIDNIGHT for _, end in self._spans(yesterday)
        )

    def _spans(self, date: datetime.date) -> list[Span]:
        """The hours that begin on a day."""
        for name in (date.isoformat(), date.isoformat()[5:]):
            if name in self.holidays:
                return [_span(span) for span in self.holidays[name]]
        day = DAYS[date.weekday()]
        return [_span(span) for days, spans in self.weekly.items() if day in _days(days) for span in spans]
