"""E-mail addresses as they are spoken: *john dot doe at example dot com*, spelled letters, *B as in Bravo*."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.text.fold import fold, plain_letters
from gateway.text.lexicon import Lexicon, known_language, lexicon
from gateway.text.reading import NumberReader, reader

MAX_CHARS = 254  # RFC 5321 section 4.5.3.1.3, without its angle brackets

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_ADDRESS = re.compile(r"[a-z0-9_%+-]+(?:\.[a-z0-9_%+-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[@.\-_+/]")
_TOP_LEVEL = frozenset("com net org info eu fr de nl be es it pt br ch at uk ie ca us mx io co".split())  # noqa: SIM905


def parse_email(text: str, language: str) -> str | None:
    """An address in lower case.

    Returns:
        None when what was said is no valid address, or has no at sign.
    """
    folded = _latin(text, language)
    written = list(_ADDRESS.finditer(folded))
    if len(written) == 1 and not _goes_on(folded[: written[0].start()], language):
        return written[0][0]
    return _spoken(text, language)


def _goes_on(before: str, language: str) -> bool:
    """Whether a written address is the end of a spoken one: "john dot" doe@example.com."""
    said = _signs(_TOKEN.findall(before), language)
    return bool(said) and len(said[-1]) == 1


def _latin(text: str, language: str) -> str:
    """Letters as addresses have them: accents go, but a German umlaut becomes two letters."""
    return plain_letters(text.lower().translate(_UMLAUTS) if known_language(language) == "de" else text)


def _spoken(text: str, language: str) -> str | None:
    known = lexicon(language)
    said = _without_introduction(_signs(_TOKEN.findall(_latin(text, language)), language), known)
    joined = "".join(_spelled(said, language)).strip(".")
    if joined.count("@") != 1:
        return None
    name, _, domain = joined.partition("@")
    found = f"{name}@{domain}"
    return found if len(found) <= MAX_CHARS and _ADDRESS.fullmatch(found) else None


def _signs(said: list[str], language: str) -> list[str]:
    """Spoken signs as the signs; the last word of the domain gets the dot that recognizers like to drop."""
    out: list[str] = []
    start = 0
    while start < len(said):
        size, sign = _longest(said, start, _symbols(known_language(language)))
        out.append(sign if size else said[start])
        start += size or 1
    at = out.index("@") if "@" in out else len(out)
    domain = out[at + 1 :]
    if len(domain) > 1 and "." not in domain and domain[-1] in _TOP_LEVEL:
        out.insert(len(out) - 1, ".")
    return out


def _longest(said: list[str], start: int, names: dict[tuple[str, ...], str]) -> tuple[int, str]:
    longest = max(map(len, names), default=0)
    for size in range(min(longest, len(said) - start), 0, -1):
        phrase = tuple(said[start : start + size])
        if phrase in names:
            return size, names[phrase]
    return 0, ""


def _without_introduction(said: list[str], known: Lexicon) -> list[str]:
    """Drop what leads up to the address: "my address is"."""
    ends = {plain_letters(phrase) for phrase in known.email_intro}
    at = said.index("@") if "@" in said else 0
    for place in range(at - 2, -1, -1):
        if said[place] in ends:
            return said[place + 1 :]
    return said


def _spelled(said: list[str], language: str) -> list[str]:
    """Names of letters as letters, "b as in bravo" as b, number words as digits, repeated letters repeated."""
    known, numbers = lexicon(language), reader(language)
    letters, repeats = _letters(known_language(language)), {fold(word): n for word, n in known.numbers.repeat.items()}
    explained = {tuple(fold(phrase).split()): "" for phrase in known.spelled_as}
    out: list[str] = []
    times, start = 1, 0
    while start < len(said):
        size, word = _longest(said, start, letters)
        if not size and said[start] in repeats and start + 1 < len(said) and _is_single(said[start + 1]):
            times, start = repeats[said[start]], start + 1
            continue
        if not size:
            size, word = _number(said, start, numbers)
        start += size
        out.append(word * times)
        times = 1
        if len(word) == 1 and word.isalpha():
            skip, _ = _longest(said, start, explained)
            start += skip + 1 if skip and start + skip < len(said) and said[start + skip][0] == word else 0
    return out


def _number(said: list[str], start: int, numbers: NumberReader) -> tuple[int, str]:
    """Number words as digits; any other word as it is."""
    for size in range(min(4, len(said) - start), 0, -1):
        part = said[start : start + size]
        if all(word.isalpha() and len(word) > 1 for word in part) and (number := numbers.integer(part)) is not None:
            return size, str(number)
    return 1, said[start]


def _is_single(word: str) -> bool:
    return len(word) == 1 and word.isalnum()


@lru_cache(maxsize=8)
def _symbols(language: str) -> dict[tuple[str, ...], str]:
    return {tuple(_TOKEN.findall(_latin(name, language))): sign for name, sign in lexicon(language).symbols.items()}


@lru_cache(maxsize=8)
def _letters(language: str) -> dict[tuple[str, ...], str]:
    return {tuple(_TOKEN.findall(_latin(name, language))): letter for name, letter in lexicon(language).letters.items()}
