"""From the phonemes espeak-ng writes (IPA) to the phones of the English acoustic model, for any language.

The model knows the 39 phones of CMUdict. What a language has and English has not is offered as the nearest English
sounds, several where callers and model may disagree; `variants` combines them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import reduce

MAX_VARIANTS = 12
"""Pronunciations of one word; more make the search slower and confuse short words."""
MAX_PARTIAL = 64

# IPA to phones; alternatives best first. Longest symbols win; length marks and stress are dropped before.
_TABLE: dict[str, tuple[str, ...]] = {
    # vowels
    "i": ("IY",), "ɪ": ("IH",), "ᵻ": ("IH", "AH"), "ɨ": ("IH",), "e": ("EY", "EH"), "ɛ": ("EH",), "æ": ("AE",),
    "a": ("AA", "AE", "AH"), "ɐ": ("AH", "ER"), "ɑ": ("AA",), "ɒ": ("AA", "AO"), "ɔ": ("AO", "OW"),
    "o": ("OW", "AO"), "u": ("UW",), "ʊ": ("UH",), "y": ("UW", "IY"), "ʏ": ("UH", "IH"), "ø": ("ER", "UH"),
    "œ": ("ER", "AH"), "ə": ("AH",), "ɜ": ("ER",), "ɚ": ("ER",), "ɝ": ("ER",), "ʌ": ("AH",), "ɵ": ("UH",),
    "ɯ": ("UW",), "ɤ": ("AH",),
    # nasal vowels, as espeak-ng writes them: a base and a combining tilde
    "ɑ̃": ("AA N", "AO N"), "ɔ̃": ("OW N", "AO N"), "ɛ̃": ("AE N", "EH N"), "œ̃": ("AH N", "AE N"),
    "ɐ̃": ("AH N", "AA N"), "ã": ("AH N", "AA N"), "õ": ("OW N",), "ẽ": ("EY N", "EH N"), "ĩ": ("IY N",), "ũ": ("UW N",),
    # diphthongs
    "aɪ": ("AY",), "aʊ": ("AW",), "ɔɪ": ("OY",), "ɔø": ("OY",), "ɔʏ": ("OY",), "eɪ": ("EY",), "oʊ": ("OW",),
    "əʊ": ("OW",), "ɛɪ": ("EY", "AY"), "œy": ("AW", "OY"), "ʌʊ": ("AW",), "ɑʊ": ("AW",), "aɪə": ("AY ER", "AY AH"),
    "aʊə": ("AW ER",), "iə": ("IY AH",), "ɪə": ("IH R", "IY AH"), "eə": ("EH R",), "ʊə": ("UH R",),
    "ai": ("AY",), "au": ("AW",), "ei": ("EY",), "oi": ("OY",), "eu": ("EH UW", "EY UW"), "ui": ("UW IY", "W IY"),
    # plosives, affricates
    "p": ("P",), "b": ("B",), "t": ("T",), "d": ("D",), "ʈ": ("T",), "ɖ": ("D",), "c": ("K", "CH"), "ɟ": ("G", "JH"),
    "k": ("K",), "ɡ": ("G",), "g": ("G",), "q": ("K",), "ʔ": ("",), "tʃ": ("CH",), "dʒ": ("JH",), "ts": ("T S",),
    "dz": ("D Z",), "pf": ("P F", "F"), "tɕ": ("CH",), "dʑ": ("JH",), "ʧ": ("CH",), "ʤ": ("JH",),
    # fricatives
    "f": ("F",), "v": ("V",), "ɸ": ("F",), "β": ("B", "V"), "s": ("S",), "z": ("Z",), "θ": ("TH", "S"),
    "ð": ("DH", "D"), "ʃ": ("SH",), "ʒ": ("ZH", "SH"), "ʂ": ("SH",), "ʐ": ("ZH",), "ɕ": ("SH",), "ʑ": ("ZH",),
    "ç": ("SH", "HH"), "ʝ": ("Y", "JH"), "x": ("HH", "K"), "χ": ("HH", "K"), "ɣ": ("G", "HH"), "h": ("HH",),
    "ɦ": ("HH",), "ħ": ("HH",), "ɬ": ("L",),
    # nasals, liquids, glides
    "m": ("M",), "ɱ": ("M",), "n": ("N",), "ɲ": ("N Y", "N"), "ŋ": ("NG", "N"), "ɴ": ("NG",), "l": ("L",), "ɫ": ("L",),
    "ɭ": ("L",), "ʎ": ("L Y", "Y"), "r": ("R",), "ɹ": ("R",), "ɻ": ("R",), "ʁ": ("R", "HH"), "ʀ": ("R", "HH"),
    "ɾ": ("R", "D"), "ɽ": ("R",), "ʋ": ("V", "W"), "j": ("Y",), "w": ("W",), "ɥ": ("W", "Y"), "ɰ": ("W",),
}  # fmt: skip
_ENGLISH_ONLY = {"θ": ("TH",), "ɹ": ("R",), "ɾ": ("T", "D"), "a": ("AA", "AE"), "e": ("EH",), "ɔ": ("AO", "AA")}
_TABLE = {unicodedata.normalize("NFD", symbol): phones for symbol, phones in _TABLE.items()}
_IGNORED = re.compile(r"\([a-z-]+\)|[ˈˌːˑ_\s‿.|‖ʲʰʷ^\"'-]")  # stress, length, language switches, ties
_SYMBOL = re.compile("|".join(sorted(map(re.escape, _TABLE), key=len, reverse=True)))


def variants(ipa: str, *, english: bool = False) -> list[str]:
    """The pronunciations of a word, most likely first, at most `MAX_VARIANTS`.

    Args:
        ipa: One word's phonemes, as `Espeak.phonemes` gives them.
        english: The word was read by an English voice, whose symbols need fewer guesses.
    Returns:
        Phones separated by blanks; nothing where no symbol is known.
    """
    plain = _IGNORED.sub("", unicodedata.normalize("NFD", ipa))
    table = {**_TABLE, **_ENGLISH_ONLY} if english else _TABLE
    choices = [table[symbol] for symbol in _SYMBOL.findall(plain)]
    words = reduce(_extended, choices, [(0, "")])
    best = [" ".join(phones.split()) for _, phones in sorted(words, key=lambda word: word[0])]
    return [word for word in dict.fromkeys(best) if word][:MAX_VARIANTS]


def _extended(words: list[tuple[int, str]], choices: tuple[str, ...]) -> list[tuple[int, str]]:
    """Every beginning with every choice; the more second choices, the less likely."""
    longer = [(cost + rank, f"{phones} {choice}") for cost, phones in words for rank, choice in enumerate(choices)]
    return sorted(longer, key=lambda word: word[0])[:MAX_PARTIAL]
