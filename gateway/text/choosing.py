"""Which option a caller means, from what was said. `menu` reads the options out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from gateway.actions import MenuOption
from gateway.text.fold import distance, find, fold, words
from gateway.text.lexicon import lexicon
from gateway.text.reading import reader
from gateway.text.speakable import detect, speakable
from gateway.text.yesno import yes_or_no

_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|ere|re|e|eme|nde|de|ste|te|ter|o|a)")
_EDITS_PER_CHARS = 5  # one edit for each five characters: four fifths of the label have to be right
_LONGEST_NUMBER = 8  # words
_MAX_WORDS = 150  # of an utterance; nobody chooses later than that


@lru_cache(maxsize=1024)
def spoken_label(text: str) -> str:
    """A label as it is said: no markup, no emoji, no full stop."""
    return speakable(text, detect(text), "en").plain.rstrip(" .:;,!?…")


def yes_no_options(options: Sequence[MenuOption], language: str) -> tuple[MenuOption, MenuOption] | None:
    """The options of a yes-or-no question: yes first. None when it is another question."""
    if len(options) != 2 or options[0].id == options[1].id:
        return None
    first, second = (yes_or_no(option.label, language, whole=True) for option in options)
    if first is None or second is None or first == second:
        return None
    return (options[0], options[1]) if first else (options[1], options[0])


def option_by_key(digits: str, keys: Mapping[str, str]) -> str | None:
    digits = digits.strip("#* ")
    if digits in keys:
        return keys[digits]
    if not (digits.isascii() and digits.isdecimal()):
        return None
    same = {option for key, option in keys.items() if key.isdecimal() and int(key) == int(digits)}
    return same.pop() if len(same) == 1 else None


def _unique(found: Iterable[str]) -> str | None:
    ids = set(found)
    return ids.pop() if len(ids) == 1 else None


class Chooser:
    """Finds an option in an utterance. Each step either finds exactly one option, or several, or none.

    Args:
        heard: The options that were read out last, where those are not all: "the second one" is one of them.
    """

    def __init__(
        self,
        options: Sequence[MenuOption],
        keys: Mapping[str, str],
        language: str,
        heard: Sequence[MenuOption] | None = None,
    ) -> None:
        self.options, self.keys, self.language = options, keys, language
        self.heard = options if heard is None else heard
        known = lexicon(language)
        self.known = known
        self.fillers = _folded(known.fillers)
        self.chooses = _folded(known.choose)
        self.negators = _folded(known.negators)
        self.names = [(option.id, self._with_digits(words(name))) for option in options for name in _names(option)]
        self.names = [(option_id, name) for option_id, name in self.names if name]

    def choose(self, spoken: str) -> str | None:
        said = self._with_digits(words(spoken)[:_MAX_WORDS])
        steps: tuple[Callable[[list[str]], set[str]], ...] = (
            self._exactly,
            self._among_fillers,
            lambda said: self._yes_or_no(spoken),
            self._contained,
            self._number,
            self._place,
            self._part,
            self._nearly,
        )
        for step in steps:
            if found := step(said):
                return _unique(found)
        return None

    def is_named(self, spoken: str) -> bool:
        """Whether it is just what an option is called."""
        return bool(self._exactly(self._with_digits(words(spoken)[:_MAX_WORDS])))

    def is_any_of(self, phrases: Iterable[str], spoken: str) -> bool:
        """Whether it is one of these phrases, politely put or not."""
        said = words(spoken)[:_MAX_WORDS]
        return any(phrase == said or phrase == self._content(said) for phrase in map(words, phrases))

    # --- by name ---------------------------------------------------------------------------------------------------
    def _exactly(self, said: list[str]) -> set[str]:
        return {option_id for option_id, name in self.names if name == said}

    def _among_fillers(self, said: list[str]) -> set[str]:
        content = self._content(said)
        chosen = [word for word in said if word not in self.chooses]
        found = {option_id for option_id, name in self.names if name == chosen}
        return found or {option_id for option_id, name in self.names if content and content == self._content(name)}

    def _yes_or_no(self, spoken: str) -> set[str]:
        pair = yes_no_options(self.options, self.language)
        verdict = yes_or_no(spoken, self.language) if pair else None
        return set() if pair is None or verdict is None else {pair[0].id if verdict else pair[1].id}

    def _contained(self, said: list[str]) -> set[str]:
        """Labels that stand in what was said; one inside a longer one does not count, nor does one after a "not"."""
        spans = [
            (start, start + len(name), option_id)
            for option_id, name in self.names
            if len(name) > 1 or (len(name[0]) > 1 and name[0] not in self.fillers and not name[0].isdecimal())
            for start in find(name, said)
            if start == 0 or said[start - 1] not in self.negators
        ]
        return {
            option_id
            for start, end, option_id in spans
            if not any(
                other_start <= start and end <= other_end and other_end - other_start > end - start
                for other_start, other_end, _ in spans
            )
        }

    def _part(self, said: list[str]) -> set[str]:
        """What was said is a part of the label: "hours" for "opening hours"."""
        content = set(self._content(said))
        if not any(len(word) >= 3 for word in content):
            return set()
        return {option_id for option_id, name in self.names if content <= set(name)}

    def _nearly(self, said: list[str]) -> set[str]:
        content = self._content(said)
        if any(word in self.negators for word in said):
            return set()
        return {
            option_id
            for option_id, name in self.names
            if any(self._is_near(window, name) for window in (content, *_windows(said, len(name))))
        }

    @staticmethod
    def _is_near(said: list[str], name: list[str]) -> bool:
        wanted, got = "".join(name), "".join(said)
        limit = len(wanted) // _EDITS_PER_CHARS
        return limit > 0 and not wanted.isdecimal() and distance(wanted, got, limit) <= limit

    # --- by place --------------------------------------------------------------------------------------------------
    def _number(self, said: list[str]) -> set[str]:
        """The number of a choice; a label with that number in it may be meant as well, and then it is ambiguous."""
        number = self._chosen_number(said)
        if number is None:
            return set()
        by_key = option_by_key(str(number), self.keys)
        if self._after_choose(said) is not None:
            return {by_key} if by_key else set()
        by_label = {option_id for option_id, name in self.names if str(number) in name}
        return by_label | ({by_key} if by_key else set())

    def _chosen_number(self, said: list[str]) -> int | None:
        if (number := self._after_choose(said)) is not None:
            return number
        articles = _folded(self.known.numbers.articles)
        rest = [word for word in self._content(said) if word not in self.chooses and word not in articles]
        if len(rest) == 1 and rest[0].isdecimal():
            return int(rest[0])
        if rest or not said or said[-1] not in articles:
            return None
        is_pronoun = said[-2:-1] and said[-2] in _folded(self.known.numbers.pronoun_before)
        return None if is_pronoun else self._one(said[-1])

    def _after_choose(self, said: list[str]) -> int | None:
        found = set()
        for before, word in itertools.pairwise(said):
            number = int(word) if word.isdecimal() else self._one(word)
            if before in self.chooses and number is not None:
                found.add(number)
        return found.pop() if len(found) == 1 else None

    def _one(self, word: str) -> int | None:
        return reader(self.language).integer([word])

    def _place(self, said: list[str]) -> set[str]:
        """Ordinals, and "the last one". After an article they are something else: "one second, please"."""
        found, taken = set(), [False] * len(said)
        for form, place in _ordinals(self.language):
            for start in find(list(form), said):
                span = slice(start, start + len(form))
                if any(taken[span]) or (start and said[start - 1] in _folded(self.known.numbers.articles)):
                    continue
                taken[span] = [True] * len(form)
                found.add(place)
        found |= {int(match[1]) for word in said if (match := _ORDINAL.fullmatch(word)) and int(match[1])}
        return {self._at(place) for place in found} - {""}

    def _at(self, place: int) -> str:
        """The option at a place among those just heard, else in the whole menu; 0 is the last one heard."""
        among = self.heard if place <= len(self.heard) else self.options
        return among[place - 1].id if place <= len(among) else ""

    # --- words -----------------------------------------------------------------------------------------------------
    def _content(self, said: list[str]) -> list[str]:
        return [word for word in said if word not in self.fillers]

    def _with_digits(self, said: list[str]) -> list[str]:
        """Number words as digits, so that "three nights" is "3 nights"; words that may be articles stay."""
        known, articles = reader(self.language), _folded(self.known.numbers.articles)
        out: list[str] = []
        start = 0
        while start < len(said):
            sizes = range(min(len(said) - start, _LONGEST_NUMBER), 0, -1) if known.is_part(said[start]) else ()
            end = start + next((size for size in sizes if known.integer(said[start : start + size]) is not None), 0)
            if end == start or (end == start + 1 and said[start] in articles):
                out.append(said[start])
                start += 1
            else:
                out.append(str(known.integer(said[start:end])))
                start = end
        return out


def _names(option: MenuOption) -> list[str]:
    """What an option answers to: its label, its aliases, and its id where that is a word."""
    names = [spoken_label(option.label), *(spoken_label(alias) for alias in option.aliases)]
    return [*names, option.id] if option.id.isalpha() and len(option.id) > 2 else names


def _windows(said: list[str], size: int) -> list[list[str]]:
    return [said[start : start + size] for start in range(len(said) - size + 1)]


@lru_cache(maxsize=64)
def _folded(phrases: tuple[str, ...]) -> frozenset[str]:
    """The single words among phrases."""
    return frozenset(word for phrase in phrases for word in fold(phrase).split())


@lru_cache(maxsize=16)
def _ordinals(language: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    """Ordinals as folded words with their place; 0 is the last. The longest come first."""
    known = lexicon(language)
    forms = {tuple(words(form)): 0 for form in known.last}
    for place in range(1, len(known.ordinals) + 1):
        forms |= {tuple(words(form)): place for form in known.ordinal_forms(place)}
    return tuple(sorted(forms.items(), key=lambda pair: -len(pair[0])))
