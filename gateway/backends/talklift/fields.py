"""What a slot expects to hear, and what an answer to it is worth: field types, patterns, dates.

Only `TEXT` is in the samples; "email, number etc." are named in prose. Other types are this gateway's reading of them
[assumed], and a type nobody knows is text.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Literal

from config.call import Kind
from config.numbers import normalise
from gateway.backends.talklift.patterns import compiled, matches, wants_digits
from gateway.backends.talklift.settings import Confirm, SlotSection, options_of
from gateway.backends.talklift.words import Words
from gateway.text import values
from gateway.text.fold import words as folded

MAX_ANSWER = 1000  # characters of one answer
Type = Literal["text", "number", "integer", "email", "phone", "date", "time", "choice", "yesno", "media"]
TYPES: dict[str, Type] = {
    "NUMBER": "number",
    "DECIMAL": "number",
    "INTEGER": "integer",
    "EMAIL": "email",
    "PHONE": "phone",
    "TEL": "phone",
    "DATE": "date",
    "TIME": "time",
    "CHOICE": "choice",
    "SELECT": "choice",
    "BOOLEAN": "yesno",
    "YES_NO": "yesno",
    "FILE": "media",
    "IMAGE": "media",
    "LOCATION": "media",
}
KINDS: dict[Type, Kind] = {
    "number": "number",
    "integer": "number",
    "email": "email",
    "phone": "phone",
    "date": "date",
    "time": "number",
    "yesno": "yesno",
}
COMPLAINTS: dict[Type, str] = {
    "number": "invalid_number",
    "integer": "invalid_number",
    "email": "invalid_email",
    "phone": "invalid_phone",
    "date": "invalid_date",
    "choice": "invalid_choice",
    "yesno": "invalid_yesno",
}
_READ_BACK: frozenset[Type] = frozenset({"number", "integer", "email", "phone"})
_TIME = re.compile(r"\b(\d{1,2})(?:[:h. ]\s?(\d{2}))?\s*(?:uhr|heures?)?\s*(a\.?m\.?|p\.?m\.?)?(?!\w)", re.IGNORECASE)
_KEYED_TIME = re.compile(r"(\d{2})(\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an answer is read by.

    Attributes:
        today: In the project's time zone.
        caller: His number, for "this number".
    """

    words: Words
    today: datetime.date
    caller: str = ""
    country: str | None = None
    date_format: str = "%Y-%m-%d"


@dataclass(frozen=True, slots=True)
class Answer:
    """A valid answer: what is sent, and how it is read back."""

    data: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """What the caller is told, where the slot has no message of its own."""

    complaint: str


def type_of(slot: SlotSection) -> Type:
    """Choices make a choice of any type but yes and no."""
    found = TYPES.get(slot.field_type.strip().upper(), "text")
    return "choice" if slot.choice_options.strip() and found not in ("yesno", "media") else found


def kind_of(slot: SlotSection) -> Kind:
    """How to listen: digits are dictated with pauses, an open answer is not."""
    found = type_of(slot)
    if found == "text":
        return "digits" if wants_digits(slot.validation_regex) else "free"
    return KINDS.get(found, "free")


def is_keyed(slot: SlotSection) -> bool:
    """Whether keys are an answer, so that none of them steers."""
    return type_of(slot) not in ("choice", "yesno") and kind_of(slot) not in ("free", "email")


def is_read_back(slot: SlotSection, confirm: Confirm) -> bool:
    wish = slot.confirm or confirm
    if wish == "digits":
        return type_of(slot) in _READ_BACK or bool(slot.validation_regex)
    return wish == "always"


def read(slot: SlotSection, said: str, setting: Setting) -> Answer | Invalid:
    """Validate an answer here: choice, type, pattern, date, in this order."""
    said = said[:MAX_ANSWER].strip()
    found = type_of(slot)
    data = _typed(slot, found, said, setting)
    if data is None:
        return Invalid(COMPLAINTS.get(found, "not_understood"))
    if found == "text":
        data = _fitting(slot, data, setting)
    elif not matches(slot.validation_regex, data):
        data = None
    if not data:
        return Invalid("not_understood")
    if found == "date":
        day = datetime.date.fromisoformat(data)
        if slot.date_gte_today and day < setting.today:
            return Invalid("invalid_date")
        return Answer(day.strftime(setting.date_format), data)
    return Answer(data, spoken_form(data, found))


def _typed(slot: SlotSection, found: Type, said: str, setting: Setting) -> str | None:
    language = setting.words.language
    match found:
        case "text":
            return said.rstrip(" .!?…,;") or None
        case "choice":
            return _option(slot, said)
        case "time":
            return read_time(said, language)
        case "phone" if setting.words.means("this_number", said) and setting.caller:
            return setting.caller
        case _:
            parsed = values.parse(KINDS.get(found, "free"), said, language, today=setting.today)
            if parsed is None and found in ("number", "integer"):  # digits one by one: two oh nine
                parsed = values.parse("digits", said, language, today=setting.today)
    if parsed is None:
        return None
    if found == "yesno":
        return "yes" if parsed.value else "no"
    if found == "integer" and isinstance(parsed.value, float):
        return None
    return _phone(str(parsed.value), setting) if found == "phone" else str(parsed.value)


def _option(slot: SlotSection, said: str) -> str | None:
    """An option word for word; the menu has told it from what was said already, unless it was said in other words."""
    wanted = folded(said)
    return next((option for option in options_of(slot.choice_options) if folded(option) == wanted), None)


def _phone(said: str, setting: Setting) -> str:
    return normalise(said, setting.country) if setting.country or said.startswith(("+", "00")) else said


def _fitting(slot: SlotSection, said: str, setting: Setting) -> str | None:
    """The form of the answer that fits the pattern: as it was said, without blanks, or its digits alone."""
    if compiled(slot.validation_regex) is None:
        return said
    parsed = values.parse("digits", said, setting.words.language, today=setting.today)
    forms = (said, re.sub(r"\s+", "", said), str(parsed.value) if parsed else re.sub(r"\D", "", said))
    return next((form for form in forms if form and matches(slot.validation_regex, form)), None)


def read_time(said: str, language: str) -> str | None:
    """``HH:MM`` of a time in keys (``1430``), digits (``2:30 pm``) or words (*fourteen thirty*)."""
    plain = said.strip().lower()
    keyed = _KEYED_TIME.fullmatch(re.sub(r"\s", "", plain))
    if keyed is None and not re.search(r"\d", plain):
        parsed = values.parse(
            "digits", re.sub(r"\b[ap]\.?\s?m\b\.?", "", plain), language, today=datetime.date(2000, 1, 1)
        )
        digits = str(parsed.value) if parsed else ""
        keyed = _KEYED_TIME.fullmatch(
            digits.zfill(4) if len(digits) == 3 else digits + "00" if len(digits) == 2 else digits
        )
    found = list(_TIME.finditer(plain)) if keyed is None else []
    if keyed is None and len(found) != 1:
        return None
    hour, minute = (keyed or found[0])[1], (keyed or found[0])[2]
    half = re.search(r"\b([ap])\.?\s?m\b", plain)
    return _clock_time(int(hour), int(minute or 0), half[1] if half else "")


def _clock_time(hour: int, minute: int, half: str) -> str | None:
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def spoken_form(data: str, found: Type) -> str:
    """As it is read back: digits one by one, where they are no amount."""
    if found in ("phone", "text") and re.fullmatch(r"\+?\d{3,}", data):
        return " ".join(data)
    return data
