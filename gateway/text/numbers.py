"""Numbers, strings of digits and telephone numbers, found in what a caller says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

from gateway.text.fold import fold, words
from gateway.text.lexicon import lexicon
from gateway.text.numerals import LIMIT, number_words
from gateway.text.reading import NumberReader, numeral, reader, tokens

MAX_DIGITS = 64
PHONE_DIGITS = range(3, 16)
"""From an internal extension to the longest number of ITU-T E.164."""

_LONGEST = 40  # words of one number
_ONE_AND_A_HALF = frozenset({"anderthalb", "anderhalf", "anderhalve"})
_GROUPED = re.compile(r"(\d{1,3}(?: \d{3})+)(?:[.,](\d+))?")
_WRITTEN_PHONE = re.compile(r"(?:\+|00)?[\d\s().\-/]+", re.ASCII)


# --- numbers -------------------------------------------------------------------------------------------------------
def parse_number(text: str, language: str) -> int | float | None:
    """The one number in an answer: *minus twenty-three point five*, *deux cent quatre-vingt-un euros*, *1.250,50*.

    Single digits in a row are one number, as callers say them.

    Returns:
        None when there is none, or when there are several.
    """
    said = tokens(text)
    finder = _Finder(language)
    spans = list(finder.spans(said))
    if len(spans) > 1:
        spans = [span for span in spans if not finder.is_article(said[span[0] : span[1]])] or spans[:0]
    if len(spans) == 1:
        start, end, value = spans[0]
        alone = not finder.is_article(said[start:end]) or finder.counts([*said[:start], *said[end:]])
        return _plain(value) if alone else None
    joined = "".join(str(value) for _, _, value in spans)
    gapless = all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    return int(joined) if spans and gapless and all(len(str(span[2])) == 1 for span in spans) else None


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


class _Finder:
    """Finds the longest stretches of words that are numbers."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.reader: NumberReader = reader(language)
        known = lexicon(language).numbers
        self.minus = {fold(word) for word in known.minus} | {"-"}
        self.point = {fold(word) for word in known.point}
        self.halves = [words(phrase) for phrase in known.half]
        self.articles = {fold(word) for word in known.articles}
        self.fillers = {fold(word) for word in lexicon(language).fillers}

    def is_article(self, said: Sequence[str]) -> bool:
        return len(said) == 1 and said[0] in self.articles

    def counts(self, others: Sequence[str]) -> bool:
        """Whether an article is a number beside these words: one child, but not "I have a question"."""
        return sum(word not in self.fillers for word in others) <= 1

    def spans(self, said: Sequence[str]) -> Iterator[tuple[int, int, Decimal]]:
        """Start, end and value of each number, from left to right."""
        start = 0
        while start < len(said):
            found = self._longest(said, start)
            if found is None:
                start += 1
            else:
                yield start, *found
                start = found[0]

    def _longest(self, said: Sequence[str], start: int) -> tuple[int, Decimal] | None:
        if said[start] in self.minus and start + 1 < len(said):
            found = self._longest(said, start + 1) if said[start + 1] not in self.minus else None
            return None if found is None else (found[0], -found[1])
        for end in range(self._reach(said, start), start, -1):
            value = self._unsigned(said[start:end])
            if value is not None and value < LIMIT:
                return end, value
        return None

    def _reach(self, said: Sequence[str], start: int) -> int:
        """How far a number that starts here could go at most."""
        end = start
        while end < len(said) and end - start < _LONGEST and self._can_belong(said[end]):
            end += 1
        return end

    def _can_belong(self, token: str) -> bool:
        if self.reader.is_part(token) or token in self.point or self._joined_half(token) is not None:
            return True
        return any(token in half for half in self.halves)

    def _unsigned(self, said: Sequence[str]) -> Decimal | None:
        for half in self.halves:
            if len(said) > len(half) and list(said[-len(half) :]) == half:
                whole = self._whole(said[: -len(half)])
                return None if whole is None else whole + Decimal("0.5")
        if len(said) == 1 and (joined := self._joined_half(said[0])) is not None:
            return joined
        for place, token in enumerate(said):
            if token in self.point and 0 < place < len(said) - 1:
                return self._decimal(said[:place], said[place + 1 :])
        return self._whole(said)

    def _joined_half(self, token: str) -> Decimal | None:
        """*zweieinhalb*, *tweeenhalf*: a half that is part of the word."""
        if token in _ONE_AND_A_HALF:
            return Decimal("1.5")
        for half in map("".join, self.halves):
            if len(half) > 3 and token.endswith(half) and (whole := self.reader.integer([token[: -len(half)]])):
                return whole + Decimal("0.5")
        return None

    def _whole(self, said: Sequence[str]) -> Decimal | None:
        written = [numeral(token, self.language) for token in said]
        if len(said) == 1 and written[0] is not None:
            return Decimal(written[0])
        if grouped := _GROUPED.fullmatch(" ".join(said)):  # 12 345,6
            return Decimal(grouped[1].replace(" ", "") + (f".{grouped[2]}" if grouped[2] else ""))
        if written[0] is not None:  # 2.5 million
            one = fold(number_words(1, self.language))
            scale = self.reader.integer([one, *said[1:]]) or self.reader.integer(said[1:])
            return Decimal(written[0]) * scale if scale in (10**3, 10**6, 10**9) else None
        value = self.reader.integer(said) if not any(written) else None
        return None if value is None else Decimal(value)

    def _decimal(self, whole: Sequence[str], fraction: Sequence[str]) -> Decimal | None:
        before, after = self.reader.integer(whole), _digit_string(fraction, self.language, strict=True)
        return None if before is None or not after else Decimal(f"{before}.{after}")


# --- digits --------------------------------------------------------------------------------------------------------
def parse_digits(text: str, language: str) -> str | None:
    """A string of digits: *four two double seven*, *zéro six douze trente-quatre*, *04 12 99*.

    Returns:
        None when there are no digits, or when other words stand between them.
    """
    digits = _digit_string(tokens(re.sub(r"(?<=\d)[.,'](?=\d)", " ", text)), language)
    return digits if digits and len(digits) <= MAX_DIGITS else None


def _digit_string(said: Sequence[str], language: str, *, strict: bool = False) -> str | None:
    """The digits of words in a row; ``strict``: there is nothing else."""
    finder = _Digits(language)
    blocks: list[tuple[str, bool]] = []  # digits, and whether they may be no more than an article
    is_alone = True
    current, article, start = "", False, 0
    while start < len(said):
        size, digits = finder.at(said, start)
        if size:
            article = finder.is_article(said[start : start + size]) and not current
            current, start = current + digits, start + size
            continue
        if strict:
            return None
        is_alone = is_alone and said[start] in finder.between
        if current and said[start] not in finder.between:
            blocks.append((current, article))
            current = ""
        start += 1
    if current:
        blocks.append((current, article))
    if not is_alone:
        blocks = [block for block in blocks if not block[1]]
    return blocks[0][0] if len(blocks) == 1 else None


class _Digits:
    """Reads digits at one place among words."""

    def __init__(self, language: str) -> None:
        known = lexicon(language)
        self.reader = reader(language)
        self.extra = {fold(word): digit for word, digit in known.numbers.extra.items()}
        self.repeats = _repeats(language)
        self.articles = {fold(word) for word in known.numbers.articles}
        dashes = {fold(word) for word, sign in known.symbols.items() if sign in "-./"}
        self.between = {fold(word) for word in (*known.fillers, *known.conjunctions)} | dashes | {"-"}

    def is_article(self, said: Sequence[str]) -> bool:
        return len(said) == 1 and said[0] in self.articles

    def at(self, said: Sequence[str], start: int) -> tuple[int, str]:
        """How many words make digits here, and which."""
        for phrase, times in self.repeats:
            if tuple(said[start : start + len(phrase)]) == phrase:
                size, digits = self._plain(said, start + len(phrase))
                if size and len(digits) == 1:
                    return len(phrase) + size, digits * times
        return self._plain(said, start)

    def _plain(self, said: Sequence[str], start: int) -> tuple[int, str]:
        if start >= len(said):
            return 0, ""
        token = said[start]
        if token.isdecimal():
            return 1, token
        if token in self.extra:
            return 1, str(self.extra[token])
        if not self.reader.is_part(token):
            return 0, ""
        for end in range(min(len(said), start + _LONGEST), start, -1):
            if not any(word[:1].isdecimal() for word in said[start:end]):
                value = self.reader.integer(said[start:end])
                if value is not None:
                    return end - start, str(value)
        return 0, ""


@lru_cache(maxsize=16)
def _repeats(language: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    repeat = lexicon(language).numbers.repeat
    return tuple(
        sorted(((tuple(words(word)), times) for word, times in repeat.items()), key=lambda pair: -len(pair[0]))
    )


def parse_phone(text: str, language: str) -> str | None:
    """A telephone number as it would be dialled: digits, with a plus where it was said or the number begins with 00."""
    written = re.sub(r"\(\s*0\s*\)", "", text)
    if re.fullmatch(_WRITTEN_PHONE, written.strip()):
        digits: str | None = re.sub(r"\D", "", written)
    else:
        digits = parse_digits(written, language)
    if not digits:
        return None
    pluses = {fold(word) for word in lexicon(language).phone_plus}
    before = words(written.partition("+")[0]) if "+" in written else None
    plus = before is not None or any(word in pluses for word in words(text)[:6])
    if digits.startswith("00"):
        digits, plus = digits[2:], True
    if len(digits) not in PHONE_DIGITS:
        return None
    return f"+{digits}" if plus else digits


# --- for a recognizer ----------------------------------------------------------------------------------------------
def digit_words(language: str) -> list[str]:
    """The words of the ten digits, and their other names."""
    known = lexicon(language).numbers
    return [*known.small[:10], *known.extra]


def component_words(language: str) -> list[str]:
    """The words numbers are put together from; where they are written in one, up to a hundred."""
    known = lexicon(language).numbers
    small = [word for number in range(100) for word in number_words(number, language).replace("-", " ").split()]
    return [*small, *known.hundreds, *known.thousand, *known.million, known.minus[0], known.point[0]]
