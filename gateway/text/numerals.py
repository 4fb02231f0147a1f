"""Numbers written in words; the opposite direction is `reading`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from gateway.text.language import bcp47
from gateway.text.lexicon import NumberWords, known_language, lexicon

LIMIT = 10**12
"""Numbers below this, either side of zero, can be written and read."""

_THOUSAND, _MILLION, _BILLION = 10**3, 10**6, 10**9


# --- writing -------------------------------------------------------------------------------------------------------
def number_words(number: int | float | Decimal, language: str) -> str:
    """A number in words, as a text to be read aloud.

    Args:
        number: Below `LIMIT` either way; decimals are said digit by digit.
        language: BCP 47 tag. ``fr-BE`` and ``fr-CH`` say *septante*, ``en-US`` leaves *and* out.

    Raises:
        ValueError: The number is too large, or not one.
    """
    exact = Decimal(str(number))
    if not exact.is_finite() or abs(exact) >= LIMIT:
        raise ValueError("the number is too large to be said")
    known = lexicon(language).numbers
    whole, _, fraction = format(abs(exact), "f").partition(".")
    said = [known.minus[0]] if exact < 0 else []
    said.append(_write(int(whole), known, language))
    if fraction:
        said += [known.point[0], *(known.small[int(digit)] for digit in fraction)]
    return " ".join(said)


def _write(number: int, known: NumberWords, tag: str) -> str:
    if number < _THOUSAND:
        return _below_thousand(number, known, tag)
    language = known_language(tag)
    long_scale = language in ("es", "pt") and bcp47(tag) != "pt-BR"  # a thousand millions
    scale = _BILLION if number >= _BILLION and not long_scale else _MILLION if number >= _MILLION else _THOUSAND
    count, rest = divmod(number, scale)
    head = _thousands(count, known, tag) if scale == _THOUSAND else _millions(count, scale, known, tag)
    if not rest:
        return head
    glue = "" if scale == _THOUSAND and language in ("de", "it") else " "
    if (language == "en" and bcp47(tag) != "en-US" and rest < 100) or (
        language == "pt" and scale == _THOUSAND and (rest < 100 or rest % 100 == 0)
    ):
        glue = f" {known.connectors[0]} "
    return head + glue + _write(rest, known, tag)


def _thousands(count: int, known: NumberWords, tag: str) -> str:
    language, word = known_language(tag), known.thousand[0]
    if count == 1:
        return {"en": f"one {word}", "de": f"ein{word}"}.get(language, word)
    counted = _before_scale(count, known, tag)
    if language == "it":
        return counted + known.thousand[1]
    return counted + word if language in ("de", "nl") else f"{counted} {word}"


def _millions(count: int, scale: int, known: NumberWords, tag: str) -> str:
    language = known_language(tag)
    names = known.billion if scale == _BILLION else known.million
    if scale == _BILLION and bcp47(tag) == "pt-BR":
        names = ("bilhão", "bilhões")
    singular, plural = names[0], names[-1]
    one = {"en": "one", "fr": "un", "de": "eine", "nl": "een", "es": "un", "it": "un", "pt": "um"}[language]
    if count == 1:
        return f"{one} {singular}"
    counted = _write(count, known, tag) if language == "fr" else _before_scale(count, known, tag)
    return f"{counted} {singular if language in ('en', 'nl') else plural}"


def _before_scale(count: int, known: NumberWords, tag: str) -> str:
    """A count before *thousand* or *million*, where one is shortened and a plural sign falls off."""
    counted = _write(count, known, tag)
    match known_language(tag):
        case "es":
            return re.sub(r"veintiuno$", "veintiún", re.sub(r"\buno$", "un", counted))
        case "de":
            return re.sub(r"eins$", "ein", counted)
        case "fr":
            return re.sub(r"(vingt|cent)s$", r"\1", counted)
        case _:
            return counted


def _below_thousand(number: int, known: NumberWords, tag: str) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest, known, tag)
    language, tail = known_language(tag), _below_hundred(rest, known, tag) if rest else ""
    if language in ("es", "pt"):
        head = {"es": "cien", "pt": "cem"}[language] if number == 100 else known.hundreds[hundreds - 1]
        return " e ".join(filter(None, (head, tail))) if language == "pt" else f"{head} {tail}".strip()
    word = known.hundreds[0]
    count = known.small[hundreds] if hundreds > 1 else {"en": "one", "de": "ein"}.get(language, "")
    if language in ("de", "nl", "it"):
        return count + word + tail
    if language == "fr":
        plural = "s" if hundreds > 1 and not tail else ""
        return " ".join(filter(None, (count, word + plural, tail)))
    glue = f" {known.connectors[0]} " if tail and bcp47(tag) != "en-US" else " "
    return f"{count} {word}{glue if tail else ''}{tail}"


def _below_hundred(number: int, known: NumberWords, tag: str) -> str:
    if number < len(known.small):
        if known_language(tag) == "pt" and bcp47(tag) == "pt-BR":
            return {16: "dezesseis", 17: "dezessete", 19: "dezenove"}.get(number, known.small[number])
        return known.small[number]
    return _TENS[known_language(tag)](number, known, tag)


def _tens_en(number: int, known: NumberWords, tag: str) -> str:
    tens, unit = divmod(number, 10)
    return known.tens[tens - 2] + (f"-{known.small[unit]}" if unit else "")


def _tens_fr(number: int, known: NumberWords, tag: str) -> str:
    tens, unit = divmod(number, 10)
    decimal = {7: "septante", 9: "nonante"} if bcp47(tag) in ("fr-BE", "fr-CH") else {}
    word = decimal.get(tens, known.tens[tens - 2])
    if not unit:
        return "quatre-vingts" if tens == 8 else word
    if tens in (7, 9) and not decimal:
        tens, unit = tens - 1, unit + 10
        word = known.tens[tens - 2]
    return f"{word} et {known.small[unit]}" if unit in (1, 11) and tens != 8 else f"{word}-{known.small[unit]}"


def _tens_germanic(number: int, known: NumberWords, tag: str) -> str:
    tens, unit = divmod(number, 10)
    if not unit:
        return known.tens[tens - 2]
    if known_language(tag) == "de":
        return f"{'ein' if unit == 1 else known.small[unit]}und{known.tens[tens - 2]}"
    return f"{known.small[unit]}{'ën' if known.small[unit].endswith('e') else 'en'}{known.tens[tens - 2]}"


def _tens_it(number: int, known: NumberWords, tag: str) -> str:
    tens, unit = divmod(number, 10)
    word = known.tens[tens - 2]
    if not unit:
        return word
    return word[:-1] + known.small[unit] if unit in (1, 8) else word + ("tré" if unit == 3 else known.small[unit])


def _tens_joined(number: int, known: NumberWords, tag: str) -> str:
    tens, unit = divmod(number, 10)
    return known.tens[tens - 2] + (f" {known.connectors[0]} {known.small[unit]}" if unit else "")


_TENS: Mapping[str, Callable[[int, NumberWords, str], str]] = {
    "en": _tens_en,
    "fr": _tens_fr,
    "de": _tens_germanic,
    "nl": _tens_germanic,
    "es": _tens_joined,
    "it": _tens_it,
    "pt": _tens_joined,
}
