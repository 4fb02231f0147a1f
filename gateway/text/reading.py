"""Numbers read from words; the opposite direction is `numerals`, and `values` finds them in a whole answer.

The words are joined first, so that it does not matter where a recognizer puts spaces and hyphens: *ein und zwanzig*,
*einundzwanzig* and *ein-und-zwanzig* are one number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.text.fold import fold, plain_letters
from gateway.text.language import base
from gateway.text.lexicon import NumberWords, known_language, lexicon
from gateway.text.numerals import LIMIT, number_words

MAX_TOKENS = 80
"""More words than this are no number, and no answer to a question for one."""

_TOKEN = re.compile(r"(?<![\w])[-−](?=[0-9])|[0-9]+(?:[.,'’][0-9]+)*|[^\W\d_]+")
_DOT_DECIMAL_REGIONS = frozenset({"es-MX", "es-US", "es-PR", "es-GT", "es-HN", "es-NI", "es-PA", "es-DO", "es-PE"})

# Other forms of small numbers: genders, short forms, and what other regions say.
_ALSO: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "fr": {
        1: ("une",),
        70: ("septante",),
        80: ("quatrevingt", "quatrevingts", "huitante", "octante"),
        90: ("nonante",),
    },
    "de": {1: ("ein", "eine", "einen", "einem", "einer", "eines"), 2: ("zwo",)},
    "es": {1: ("un", "una"), 21: ("veintiun", "veintiuna")},
    "it": {1: ("un", "una")},
    "pt": {1: ("uma",), 2: ("duas",), 14: ("quatorze",), 16: ("dezesseis",), 17: ("dezessete",), 19: ("dezenove",)},
}
_ALSO_SCALE: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "pt": {10**9: ("bilhao", "bilhoes", "biliao", "bilioes")},
    "es": {10**9: ("millardo", "millardos")},
}
_ALSO_HUNDRED: Mapping[str, tuple[str, ...]] = {"fr": ("cents",), "es": ("cien",), "pt": ("cem",)}
_IMPLIED_ONE = frozenset({"fr", "de", "nl", "es", "it", "pt"})  # "mille", where English needs "a thousand"


@dataclass(frozen=True)
class NumberReader:
    """Reads unsigned whole numbers of one language.

    Attributes:
        language: Base language.
        small: Joined words of every number below 100.
        hundreds: Joined words of the hundreds; 100 stands for one that takes a count before it.
        scales: Joined words of thousand, million and 10^9, the largest first, the longest form first.
        connectors: And, between the parts.
        implied_one: The language says *thousand* without a count.
        parts: Every word that can be part of a number.
    """

    language: str
    small: Mapping[str, int]
    hundreds: tuple[tuple[str, int], ...]
    scales: tuple[tuple[str, int], ...]
    connectors: tuple[str, ...]
    implied_one: bool
    parts: frozenset[str]

    def integer(self, tokens: Sequence[str]) -> int | None:
        """The number that all these folded words make together; None when they make none."""
        if not tokens or tokens[0] in self.connectors or tokens[-1] in self.connectors:
            return None
        return whole_number("".join(tokens), self.language)

    def is_part(self, token: str) -> bool:
        """Whether a word can stand in a number: a number of its own, a scale, or a connector."""
        return token in self.parts or token[:1].isdecimal() or whole_number(token, self.language) is not None

    def read(self, joined: str) -> int | None:
        """As `integer`, of words that are joined already."""
        value = self._below_thousand(joined)
        if value is not None:
            return value
        for word, scale in self.scales:
            start = joined.find(word)
            while start >= 0:
                value = self._scaled(joined[:start], scale, joined[start + len(word) :])
                if value is not None:
                    return value if value < LIMIT else None
                start = joined.find(word, start + 1)
        return None

    def _scaled(self, left: str, scale: int, right: str) -> int | None:
        count = self.read(left) if left and not self._is_article(left) else int(bool(left) or self.implied_one)
        if not count or count >= 10**6 or (scale == 10**3 and count >= 10**3):
            return None
        if not right:
            return count * scale
        rest = self._after(right, scale)
        return None if not rest else count * scale + rest

    def _is_article(self, left: str) -> bool:
        """A hundred: the article counts as one where the language needs a count."""
        return left == "a" and not self.implied_one

    def _after(self, right: str, limit: int) -> int | None:
        for start in ("", *self.connectors):
            if right.startswith(start) and (rest := self.read(right[len(start) :])) and rest < limit:
                return rest
        return None

    def _below_thousand(self, joined: str) -> int | None:
        if joined.isascii() and joined.isdecimal():
            return int(joined) if len(joined) <= 12 else None
        if joined in self.small:
            return self.small[joined]
        for word, hundred in self.hundreds:
            start = joined.find(word)
            if start >= 0 and (value := self._hundreds(joined[:start], hundred, joined[start + len(word) :])):
                return value
        return None

    def _hundreds(self, left: str, hundred: int, right: str) -> int | None:
        if left:
            count = 1 if self._is_article(left) else self.small.get(left, 0)
            if hundred != 100 or not count:
                return None
            hundred *= count
        elif hundred == 100 and not self.implied_one:
            return None
        if not right:
            return hundred
        for start in ("", *self.connectors):
            if right.startswith(start) and (rest := self.small.get(right[len(start) :])):
                return hundred + rest
        return None


@lru_cache(maxsize=8192)
def whole_number(joined: str, language: str) -> int | None:
    """The number that joined, folded words make. The same few are asked for again and again."""
    return reader(language).read(joined)


@lru_cache(maxsize=32)
def reader(tag: str) -> NumberReader:
    """The number reader of a language."""
    language = known_language(tag)
    return _reader(language)


@lru_cache(maxsize=8)
def _reader(language: str) -> NumberReader:
    known = lexicon(language).numbers
    parts: set[str] = set(known.connectors)
    small: dict[str, int] = {}
    for number in range(100):
        for form in _forms(number, language, known):
            parts.update(fold(form).split())
            small.setdefault(_joined(form), number)
    hundreds = [(_joined(word), 100 * (place + 1)) for place, word in enumerate(known.hundreds)]
    hundreds += [(word, 100) for word in _ALSO_HUNDRED.get(language, ())]
    if language in ("es", "pt"):  # two hundred to nine hundred have a feminine
        hundreds += [(re.sub("os$", "as", word), value) for word, value in hundreds if word.endswith("os")]
    scales = [(_joined(word), 10**3) for word in known.thousand]
    scales += [(_joined(word), 10**6) for word in known.million]
    scales += [(_joined(word), 10**9) for word in known.billion]
    scales += [(word, scale) for scale, words in _ALSO_SCALE.get(language, {}).items() for word in words]
    parts.update(word for word, _ in (*hundreds, *scales))
    return NumberReader(
        language=language,
        small=small,
        hundreds=tuple(sorted(hundreds, key=lambda pair: -len(pair[0]))),
        scales=tuple(sorted(scales, key=lambda pair: (-pair[1], -len(pair[0])))),
        connectors=tuple(fold(word) for word in known.connectors),
        implied_one=language in _IMPLIED_ONE,
        parts=frozenset(parts) | ({"a"} if language == "en" else frozenset()),
    )


def _joined(text: str) -> str:
    return fold(text).replace(" ", "")


def _forms(number: int, language: str, known: NumberWords) -> set[str]:
    """Every way a number below 100 is said or written."""
    also = _ALSO.get(language, {})
    forms = {number_words(number, language), *also.get(number, ())}
    if language == "fr":
        forms.add(number_words(number, "fr-BE"))
    tens, unit = divmod(number, 10)
    if tens < 2 or not unit:
        return forms
    tens_words = (known.tens[tens - 2], *also.get(tens * 10, ()))
    unit_words = (known.small[unit], *also.get(unit, ()))
    for ten in tens_words:
        for one in unit_words:
            if language in ("de", "nl"):
                forms.add(f"{one} {known.connectors[0]} {ten}")
            else:
                forms |= {f"{ten} {one}", *(f"{ten} {word} {one}" for word in known.connectors)}
                if language == "it":
                    forms.add(f"{ten[:-1]}{one}")
    if language == "fr" and tens in (7, 9):
        stems = (known.tens[tens - 3], *also.get(tens * 10 - 10, ()))
        forms |= {f"{stem} {glue} {known.small[10 + unit]}" for stem in stems for glue in ("", "et")}
    return forms


# --- tokens --------------------------------------------------------------------------------------------------------
def tokens(text: str) -> list[str]:
    """Folded words, numerals as they are written (``1.250,5``), and a minus sign that belongs to one."""
    return [token.replace("−", "-").replace("’", "'") for token in _TOKEN.findall(plain_letters(text))][:MAX_TOKENS]


def numeral(token: str, tag: str) -> str | None:
    """A written numeral as plain decimal digits: ``1.250,5`` gives ``1250.5`` in German, ``1,250.5`` in English."""
    if not token[:1].isdecimal():
        return None
    mark = "." if base(tag) == "en" or tag in _DOT_DECIMAL_REGIONS or known_language(tag) == "en" else ","
    group = "," if mark == "." else "."
    plain = token.replace("'", "")
    if re.fullmatch(rf"\d{{1,3}}(?:\{group}\d{{3}})+(?:\{mark}\d+)?", plain):
        return plain.replace(group, "").replace(mark, ".")
    found = re.fullmatch(r"(\d+)(?:[.,](\d+))?", plain)
    return None if found is None else f"{found[1]}.{found[2]}" if found[2] else found[1]
