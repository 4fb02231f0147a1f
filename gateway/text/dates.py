"""Dates in an answer: keyed or written ones are read here, spoken ones in `spoken_dates`."""

from __future__ import annotations

import re
from datetime import date

from gateway.text.calendar import coming, day_of, full_year, is_month_first
from gateway.text.fold import words
from gateway.text.lexicon import lexicon
from gateway.text.numerals import number_words
from gateway.text.spoken_dates import SpokenDate

_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2})\s*[./-]\s*(\d{1,2})(?:\s*[./-]\s*(\d{4}|\d{2}))?(?![\d/])\.?")
_KEYED = re.compile(r"(\d{2})(\d{2})(\d{4}|\d{2})?")


def parse_date(text: str, language: str, today: date) -> date | None:
    """The one date in an answer: *the third of May*, *am dritten fünften*, *demain*, *3/5/2026*, ``03052026``.

    A date without a year is the next one to come, and so is a weekday; numbers are read in the order of the region
    (day first but in the United States), or the other way round where only that makes a date.

    Returns:
        None when there is no date, or not exactly one.
    """
    text = text.strip()
    if found := _ISO.search(text):
        return day_of(int(found[1]), int(found[2]), int(found[3]))
    keyed = _KEYED.fullmatch(re.sub(r"\s", "", text)) if re.fullmatch(r"[\d\s]+", text) else None
    written = [keyed] if keyed else list(_NUMERIC.finditer(text))
    if not written:
        return SpokenDate(language, today).read(words(text))
    dates = {_numeric(found, language, today) for found in written}
    return dates.pop() if len(dates) == 1 else None


def _numeric(found: re.Match[str], language: str, today: date) -> date | None:
    first, second = int(found[1]), int(found[2])
    year = full_year(int(found[3]), today) if found[3] else None
    orders = ((first, second), (second, first))
    for day, month in reversed(orders) if is_month_first(language) else orders:
        if (result := coming(day, month, year, today)) is not None:
            return result
    return None


def date_words(language: str) -> list[str]:
    """The words dates are made of, for a recognizer: months, weekdays, days."""
    known = lexicon(language)
    found = [names[0] for names in (*known.months, *known.weekdays)]
    found += [forms[0] + known.ordinal_endings[-1] for forms in known.ordinals]
    found += [word for number in range(1, 32) for word in number_words(number, language).replace("-", " ").split()]
    found += [*known.relative_days, *known.numbers.thousand]
    return [word for word in found if " " not in word]
