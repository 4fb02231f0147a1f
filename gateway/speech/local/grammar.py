"""What a question allows, as pocketsphinx wants it: a grammar (JSGF), a small dictionary, and the way back to text.

Words become names such as ``w12``, so that nothing a bot writes can be taken for grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Pronounce = Callable[[str], list[list[str]]]
"""The words of a phrase, each with its pronunciations."""
MAX_PHRASES = 500
"""More cannot be told apart anyway; the first ones count."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A compiled question.

    Attributes:
        jsgf: The grammar; one public rule.
        dictionary: What to write into the dictionary file.
        is_loop: Any sequence of its words is allowed.
    """

    jsgf: str
    dictionary: str
    is_loop: bool
    phrases: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    words: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def text(self, hypothesis: str) -> str:
        """What was said, spelled as it was given."""
        names = tuple(hypothesis.split())
        if names in self.phrases:
            return self.phrases[names]
        longest = max(map(len, self.words), default=1)
        spelled: list[str] = []
        while names:
            # Some words are several for the engine, such as French "vingt et un".
            size = next((size for size in range(longest, 0, -1) if names[:size] in self.words), 0)
            spelled += [self.words[names[:size]]] if size else []
            names = names[max(size, 1) :]
        return " ".join(spelled)


class _Names:
    """A name for every word that sounds differently."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], str] = {}

    def name(self, pronunciations: Sequence[str]) -> str:
        return self._names.setdefault(tuple(pronunciations), f"w{len(self._names)}")

    def dictionary(self) -> str:
        lines = [
            f"{name} {phones}" if index == 1 else f"{name}({index}) {phones}"
            for pronunciations, name in self._names.items()
            for index, phones in enumerate(pronunciations, 1)
        ]
        return "\n".join(lines) + "\n"


def compile_grammar(phrases: Iterable[str], loop: Iterable[str], pronounce: Pronounce) -> Grammar | None:
    """A grammar of whole phrases and of words that may follow each other in any number and order.

    Args:
        phrases: Recognised as they are; of two that sound alike the first counts.
        loop: Words of a number, a date, digits.
    Returns:
        None where nothing can be recognised.
    """
    names = _Names()
    whole: dict[tuple[str, ...], str] = {}
    for phrase in list(phrases)[:MAX_PHRASES]:
        sequence = tuple(names.name(word) for word in pronounce(phrase))
        if sequence:
            whole.setdefault(sequence, phrase)
    words: dict[tuple[str, ...], str] = {}
    for word in list(loop)[:MAX_PHRASES]:
        sequence = tuple(names.name(part) for part in pronounce(word))
        if sequence:
            words.setdefault(sequence, word)
    if not whole and not words:
        return None
    return Grammar(
        jsgf=_jsgf(whole, words),
        dictionary=names.dictionary(),
        is_loop=bool(words),
        phrases=whole,
        words=words,
    )


def _jsgf(whole: Iterable[tuple[str, ...]], words: Iterable[tuple[str, ...]]) -> str:
    alternatives = [" ".join(sequence) for sequence in whole]
    loop = " | ".join(" ".join(sequence) for sequence in words)
    rules = ["#JSGF V1.0;", "grammar question;"]
    if loop:
        rules.append(f"<word> = {loop};")
        alternatives.append("<word>+")
    return "\n".join([*rules, f"public <answer> = {' | '.join(alternatives)};", ""])
