"""What a caller's answer means, by the kind of the question: digits, a number, a date, an address, yes or no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import get_args

from config.call import Kind
from gateway.text import address, dates, numbers
from gateway.text.lexicon import lexicon
from gateway.text.numerals import number_words
from gateway.text.yesno import yes_or_no

__all__ = ["Parsed", "number_words", "parse", "phrases_for", "warm"]

MAX_CHARS = 1000
"""Longer answers are no answers to such questions."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer, understood.

    Attributes:
        value: JSON-able. ``digits``, ``phone``, ``email``: string; ``number``: int or float; ``date``: ``YYYY-MM-DD``;
            ``yesno``: bool.
        text: The same in its plainest spelling, for a record or a text field.
    """

    value: str | int | float | bool
    text: str


def parse(kind: Kind, text: str, language: str, *, today: date) -> Parsed | None:
    """Understand an answer.

    Args:
        kind: What was asked for; `free` text has no value.
        text: What was recognized, or the keys that were pressed.
        language: BCP 47 tag; its region decides between day and month first.
        today: The caller's date; for "tomorrow", and for dates without a year.

    Returns:
        None where nothing, or more than one thing, was understood.
    """
    if len(text) > MAX_CHARS:
        return None
    if kind == "date":
        found = dates.parse_date(text, language, today)
        return None if found is None else Parsed(found.isoformat(), found.isoformat())
    if kind == "yesno":
        return _yes_no(text, language)
    if kind == "number":
        number = numbers.parse_number(text, language)
        return None if number is None else Parsed(number, format(number))
    readers: dict[Kind, Callable[[str, str], str | None]] = {
        "digits": numbers.parse_digits,
        "phone": numbers.parse_phone,
        "email": address.parse_email,
    }
    said = readers[kind](text, language) if kind in readers else None
    return None if said is None else Parsed(said, said)


def _yes_no(text: str, language: str) -> Parsed | None:
    known = lexicon(language)
    keys = {"1": True, "2": False}  # as a menu of yes and no has them
    verdict = keys[text.strip()] if text.strip() in keys else yes_or_no(text, language)
    return None if verdict is None else Parsed(verdict, known.yes[0] if verdict else known.no[0])


def phrases_for(kind: Kind, language: str) -> list[str]:
    """What a recognizer that hears only what it is told should listen for.

    For ``yesno`` whole answers; for ``digits``, ``phone``, ``number`` and ``date`` words that follow each other in any
    order; nothing for the others, which need a recognizer that takes dictation.
    """
    known = lexicon(language)
    match kind:
        case "yesno":
            found = [*known.yes_heard, *known.no_heard]
        case "digits" | "phone":
            found = [*numbers.digit_words(language), *known.numbers.repeat]
            found += known.phone_plus[:1] if kind == "phone" else ()
        case "number":
            found = numbers.component_words(language)
        case "date":
            found = dates.date_words(language)
        case _:
            found = []
    return list(dict.fromkeys(found))


def warm(language: str) -> None:
    """Load what is known of a language now (tens of milliseconds), so that no call has to wait for it."""
    today = date(2000, 1, 1)
    for kind in get_args(Kind):
        parse(kind, "1", language, today=today)
