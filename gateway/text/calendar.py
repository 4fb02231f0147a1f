"""Days, months and years as callers leave them incomplete."""

from __future__ import annotations

from datetime import date

from gateway.text.language import bcp47

_MONTH_FIRST = frozenset({"en-US", "en-PH"})
_YEARS_AHEAD = 20  # a year of two digits is at most this far ahead; else it is past: birthdays reach further than plans
_LEAP_YEARS = 9  # the 29th of February comes within so many


def is_month_first(language: str) -> bool:
    """Whether 3/5 is the fifth of March."""
    return bcp47(language) in _MONTH_FIRST


def day_of(year: int, month: int, day: int) -> date | None:
    """The date, where there is such a day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def full_year(year: int, today: date) -> int:
    """The year meant by two digits; four stay."""
    if year > 99:
        return year
    year += today.year - today.year % 100
    return year - 100 if year > today.year + _YEARS_AHEAD else year


def coming(day: int, month: int, year: int | None, today: date) -> date | None:
    """The date in its year; without one, the next such day, today included."""
    if year is not None:
        return day_of(year, month, day)
    dates = (day_of(candidate, month, day) for candidate in range(today.year, today.year + _LEAP_YEARS))
    return next((found for found in dates if found is not None and found >= today), None)


def coming_day(day: int, today: date) -> date | None:
    """The next such day of a month, today included."""
    months = (divmod(today.month - 1 + ahead, 12) for ahead in range(4))
    dates = (day_of(today.year + years, month + 1, day) for years, month in months)
    return next((found for found in dates if found is not None and found >= today), None)
