"""Dates in words: *the third of May*, *am dritten fünften*, *dans trois jours*, *Monday next week*."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from gateway.text.calendar import coming, coming_day, full_year, is_month_first
from gateway.text.fold import find, fold, words
from gateway.text.language import base
from gateway.text.lexicon import known_language, lexicon
from gateway.text.reading import reader

_PAIRED_YEARS = frozenset({"en", "nl", "de"})  # nineteen eighty-four
_MAX_DAYS = 3660  # "in ... days" reaches ten years
_DAY_WORDS = range(4, 0, -1)  # the longest first
_YEAR_WORDS = 8
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|ere|re|e|eme|nde|de|ste|te|ter|o|a)")


@dataclass(frozen=True)
class _Names:
    """The folded words of dates of one language."""

    months: dict[str, int]
    weekdays: dict[str, int]
    ordinals: dict[tuple[str, ...], int]
    relative: tuple[tuple[list[str], int], ...]
    spans: dict[str, int]
    ago: tuple[list[str], ...]
    ahead: tuple[list[str], ...]
    fillers: frozenset[str]
    before_morning: frozenset[str]


@lru_cache(maxsize=8)
def _names(language: str) -> _Names:
    known = lexicon(language)
    weekdays = {words(name)[0]: place for place, names in enumerate(known.weekdays) for name in names}
    relative = [(words(phrase), days) for phrase, days in known.relative_days.items()]
    places = range(1, len(known.ordinals) + 1)
    return _Names(
        months={fold(name): place for place, names in enumerate(known.months, 1) for name in names},
        weekdays=weekdays,
        ordinals={tuple(words(form)): place for place in places for form in known.ordinal_forms(place)},
        relative=tuple(sorted(relative, key=lambda pair: -len(pair[0]))),
        spans={fold(word): days for word, days in known.span_days.items()},
        ago=tuple(words(phrase) for phrase in known.ago),
        ahead=tuple(words(phrase) for phrase in known.in_),
        fillers=frozenset(word for phrase in known.date_fillers for word in words(phrase)),
        before_morning=frozenset(fold(word) for word in known.morning_after) | weekdays.keys(),
    )


class SpokenDate:
    """Reads a date from folded words: each way of naming one is tried, the first that finds any decides."""

    def __init__(self, language: str, today: date) -> None:
        self.language, self.today = language, today
        self.names = _names(known_language(language))
        self.number = reader(language).integer

    def read(self, said: list[str]) -> date | None:
        """The one date that is named; None when there is none, or when there are several."""
        said = self._without_mornings(said)
        for way in (
            self._by_month,
            self._by_numbers,
            self._by_week,
            self._relative,
            self._span,
            self._weekday,
            self._day,
        ):
            found = set(way(said))
            if found:
                return found.pop() if len(found) == 1 else None
        return None

    def _without_mornings(self, said: list[str]) -> list[str]:
        """*Montag morgen*, *por la mañana*: the word for tomorrow is the morning here."""
        tomorrow = {phrase[0] for phrase, days in self.names.relative if days == 1 and len(phrase) == 1}
        after = [False, *(word in self.names.before_morning for word in said)]
        return [word for word, is_after in zip(said, after, strict=False) if not (is_after and word in tomorrow)]

    # --- ways to name a date ---------------------------------------------------------------------------------------
    def _by_month(self, said: list[str]) -> Iterator[date]:
        """*the third of May 2026*, *May third*, *le trois mai*."""
        for place, word in enumerate(said):
            if (month := self.names.months.get(word)) is None:
                continue
            start = self._skip(said, place + 1)
            day, size = self._day_before(said, place), 0
            if day is None:
                day, size = self._day_at(said, start)
            if day is not None:
                yield from self._dated(day, month, self._year_at(said, self._skip(said, start + size)))

    def _by_numbers(self, said: list[str]) -> Iterator[date]:
        """*am dritten fünften*, *three five twenty twenty-six*: without a month's name."""
        start = 0
        while start < len(said):
            first, size = self._day_at(said, start)
            following = self._skip(said, start + size)
            second, length = self._day_at(said, following) if first is not None else (None, 0)
            if first is not None and second is not None:
                year = self._year_at(said, self._skip(said, following + length))
                day, month = (second, first) if is_month_first(self.language) else (first, second)
                if (year is not None or self._is_ordinal(said, start)) and month <= 12:
                    yield from self._dated(day, month, year)
                    return
            start += size or 1

    def _by_week(self, said: list[str]) -> Iterator[date]:
        """*Monday next week*; and *tomorrow, Sunday*, which is two dates unless tomorrow is one."""
        weekdays = set(self._weekday(said))
        for day in set(self._relative(said)) if weekdays else ():
            weeks = (day - self.today).days // 7
            if weeks > 0:
                monday = self.today + timedelta(weeks=weeks, days=-self.today.weekday())
                yield from (monday + timedelta(days=weekday.weekday()) for weekday in weekdays)
            else:
                yield day
                yield from (weekday for weekday in weekdays if weekday.weekday() != day.weekday())

    def _relative(self, said: list[str]) -> Iterator[date]:
        """*tomorrow*, *après-demain*: the longest phrase counts."""
        taken: set[int] = set()
        for phrase, days in self.names.relative:
            for start in find(phrase, said):
                span = set(range(start, start + len(phrase)))
                if not span & taken:
                    yield self.today + timedelta(days=days)
                taken |= span

    def _span(self, said: list[str]) -> Iterator[date]:
        """*in three days*, *il y a deux semaines*, *two weeks ago*."""
        is_ago = any(find(phrase, said) for phrase in self.names.ago)
        if not is_ago and not any(find(phrase, said) for phrase in self.names.ahead):
            return
        for place, word in enumerate(said):
            count = self._count_before(said, place) if word in self.names.spans else None
            if count is not None and (days := count * self.names.spans[word]) <= _MAX_DAYS:
                yield self.today + timedelta(days=-days if is_ago else days)

    def _weekday(self, said: list[str]) -> Iterator[date]:
        """The next day of that name, which is never today."""
        for word in said:
            if (weekday := self.names.weekdays.get(word)) is not None:
                yield self.today + timedelta(days=(weekday - self.today.weekday() - 1) % 7 + 1)

    def _day(self, said: list[str]) -> Iterator[date]:
        """*the fifteenth*, *le quinze*: a day and nothing else is the next one to come."""
        start = self._skip(said, 0)
        day, size = self._day_at(said, start)
        is_whole = self._skip(said, start + size) == len(said)
        if day is not None and is_whole and (start or self._is_ordinal(said, start)):
            yield from filter(None, (coming_day(day, self.today),))

    # --- parts -----------------------------------------------------------------------------------------------------
    def _dated(self, day: int, month: int, year: int | None) -> Iterator[date]:
        yield from filter(None, (coming(day, month, year, self.today),))

    def _skip(self, said: Sequence[str], start: int) -> int:
        while start < len(said) and said[start] in self.names.fillers:
            start += 1
        return start

    def _is_ordinal(self, said: list[str], start: int) -> bool:
        if any(tuple(said[start : start + size]) in self.names.ordinals for size in (1, 2)):
            return True
        return start < len(said) and _ORDINAL.fullmatch(said[start]) is not None

    def _day_at(self, said: list[str], start: int) -> tuple[int | None, int]:
        """A day of the month (or a month by its number), and how many words it takes."""
        for size in _DAY_WORDS:
            part = said[start : start + size]
            if len(part) < size or (size > 1 and any(word[0].isdecimal() for word in part)):
                continue
            ordinal = _ORDINAL.fullmatch(part[0])
            number = int(ordinal[1]) if ordinal else self.names.ordinals.get(tuple(part)) or self.number(part)
            if number is not None and 1 <= number <= 31:
                return number, size
        return None, 0

    def _day_before(self, said: list[str], place: int) -> int | None:
        """The day just before a month's name, with what may stand between them."""
        while place and said[place - 1] in self.names.fillers:
            place -= 1
        for size in _DAY_WORDS:
            if place >= size:
                day, length = self._day_at(said, place - size)
                if day is not None and length == size:
                    return day
        return None

    def _count_before(self, said: list[str], place: int) -> int | None:
        counts = (self.number(said[place - size : place]) for size in _DAY_WORDS if place >= size)
        return next((count for count in counts if count is not None), None)

    def _year_at(self, said: list[str], start: int) -> int | None:
        """*2026*, *zweitausendsechsundzwanzig*, *nineteen eighty-four*, *'26*; not an hour, so words begin at 32."""
        for size in range(min(_YEAR_WORDS, len(said) - start), 0, -1):
            part = said[start : start + size]
            number = self.number(part)
            if number is not None and (1000 <= number <= 2999 or 31 < number < 100):
                return full_year(number, self.today)
            if base(self.language) in _PAIRED_YEARS and (paired := self._paired_year(part)) is not None:
                return paired
        is_short = start < len(said) and re.fullmatch(r"\d{2}", said[start]) is not None
        return full_year(int(said[start]), self.today) if is_short else None

    def _paired_year(self, part: list[str]) -> int | None:
        for cut in range(1, len(part)):
            century, rest = self.number(part[:cut]), self.number(part[cut:])
            if century is not None and rest is not None and 10 <= century < 30 and 10 <= rest < 100:
                return 100 * century + rest
        return None
