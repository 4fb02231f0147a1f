"""Where sentences end, so that a streamed answer can be spoken before it is complete."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.text.fold import plain_letters
from gateway.text.language import base
from gateway.text.lexicon import known_language, lexicon

FIRST_MIN_CHARS = 12
MAX_PIECE_CHARS = 400

_END = re.compile(r"([.!?…]+)[\"'»”’)\]*_]*(?=\s)|\n")
_LAST_WORD = re.compile(r"(?:^|[\s(\[«\"'“‘/-])([^\s(\[«\"'“‘/-]*)$")
_OPEN_TAG = re.compile(r"<[A-Za-z/][^<>]*$")
_CLAUSE = re.compile(r"[,;:](?=\s)")
_SPEAK_END = "</speak>"
_MAX_MARKUP_CHARS = 20_000


@lru_cache(maxsize=16)
def _abbreviations(language: str) -> frozenset[str]:
    return frozenset(plain_letters(word) for word in lexicon(language).abbreviations)


def sentences(text: str, language: str) -> list[str]:
    """Cut a text into sentences; each is stripped, none is empty."""
    cutter = SentenceCutter(language, first_min=1)
    return cutter.push(text) + cutter.flush()


class SentenceCutter:
    """Cuts streamed text at the ends of sentences, however the stream itself is cut.

    A sentence is complete once white space follows its end. Abbreviations, initials, decimals and ordinals do not end
    one; a line does; markup inside ``<speak>`` is never cut. No piece grows beyond `MAX_PIECE_CHARS`.

    Args:
        language: BCP 47 tag; for its abbreviations.
        first_min: The first piece has at least this many characters, so that speech does not begin with a stub.
    """

    def __init__(self, language: str, first_min: int = FIRST_MIN_CHARS) -> None:
        self._abbreviations = _abbreviations(known_language(language))
        self._ordinals = base(language) == "de"
        self._first_min = first_min
        self._min = first_min
        self._buffer = ""
        self._scanned = 0

    def push(self, piece: str) -> list[str]:
        """Take the next piece of text; gives the sentences that are complete now."""
        self._buffer += piece
        out: list[str] = []
        while (cut := self._next_cut()) is not None:
            out += self._take(cut)
        return out

    def flush(self) -> list[str]:
        """Give what is left; the cutter is ready for another text then."""
        out = self._take(len(self._buffer))
        self._min = self._first_min
        return out

    def _take(self, cut: int) -> list[str]:
        sentence, self._buffer = self._buffer[:cut].strip(), self._buffer[cut:].lstrip()
        self._scanned = 0
        if sentence:
            self._min = 1
        return [sentence] if sentence else []

    def _next_cut(self) -> int | None:
        self._buffer = self._buffer.lstrip()
        if self._buffer.startswith("<speak"):
            return self._markup_end()
        for found in _END.finditer(self._buffer, self._scanned, MAX_PIECE_CHARS + 1):
            cut = found.end()
            if len(self._buffer[:cut].strip()) >= self._min and self._ends_sentence(found):
                return cut
            self._scanned = cut
        return self._too_long() if len(self._buffer) > MAX_PIECE_CHARS else None

    def _markup_end(self) -> int | None:
        end = self._buffer.find(_SPEAK_END)
        if end >= 0:
            return end + len(_SPEAK_END)
        return len(self._buffer) if len(self._buffer) > _MAX_MARKUP_CHARS else None

    def _ends_sentence(self, end: re.Match[str]) -> bool:
        before = self._buffer[: end.start()]
        if _OPEN_TAG.search(before):
            return False
        if end[1] != ".":
            return True
        last = _LAST_WORD.search(before)
        word = last[1] if last else ""
        return not self._is_abbreviation(word, is_start=last is None or not before[: last.start(1)].strip())

    def _is_abbreviation(self, word: str, *, is_start: bool) -> bool:
        """Whether a full stop after this word belongs to the word."""
        if word.isdecimal():
            return len(word) <= 3 and (is_start or (self._ordinals and len(word) <= 2))
        if len(word) == 1 and word.isupper():  # an initial
            return True
        return plain_letters(word) in self._abbreviations or bool(re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", word))

    def _too_long(self) -> int:
        """Where to cut when no sentence ends in time: the last clause, else the last word, else right here."""
        head = self._buffer[:MAX_PIECE_CHARS]
        clauses = [match.end() for match in _CLAUSE.finditer(head)]
        if clauses and clauses[-1] > MAX_PIECE_CHARS // 3:
            return clauses[-1]
        return head.rfind(" ") if head.rfind(" ") > 0 else MAX_PIECE_CHARS
