"""How words sound: by the packaged English dictionary, and by espeak-ng for everything else. For workers only."""

from __future__ import annotations

import mmap
import re
from functools import lru_cache
from pathlib import Path

from gateway.speech.local.espeak import Espeak
from gateway.speech.local.phones import MAX_VARIANTS, variants
from gateway.speech.local.voices import LAST_RESORT, voices_for_language

_ENGLISH_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ENGLISH_VOICE = "en-us"  # the dictionary and the acoustic model are American
CACHED = 4096
MAX_WORDS = 20
"""Words of a phrase; what is beyond is not listened for."""


class Lexicon:
    """Pronunciations, each a string of phones separated by blanks.

    Args:
        dictionary: A file in CMUdict's format: ``word PH ON ES``, further pronunciations as ``word(2) ...``.
    """

    def __init__(self, dictionary: Path, espeak: Espeak) -> None:
        with dictionary.open("rb") as file:
            # Mapped, not read: workers share it, and a word is found in less than a millisecond.
            self._dictionary = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._espeak = espeak
        self.pronounce = lru_cache(CACHED)(self._pronounce)

    def _pronounce(self, phrase: str, language: str) -> list[list[str]]:
        """The words of a phrase, in order, each with its pronunciations; nothing where it cannot be spoken."""
        if language.lower().partition("-")[0] == "en":
            words = [self._english(word) for word in _ENGLISH_WORD.findall(phrase.lower())]
        else:
            self._espeak.choose_voice([*voices_for_language(language), LAST_RESORT])
            words = [variants(word) for word in self._espeak.phonemes(phrase).split()]
        return [word for word in words if word][:MAX_WORDS]

    def _english(self, word: str) -> list[str]:
        found = self._look_up(word.replace("’", "'"))
        if found:
            return found
        self._espeak.choose_voice([_ENGLISH_VOICE])
        return variants(self._espeak.phonemes(word), english=True)

    def _look_up(self, word: str) -> list[str]:
        pronunciations: list[str] = []
        for entry in (word, *(f"{word}({index})" for index in range(2, MAX_VARIANTS))):
            start = self._dictionary.find(f"\n{entry} ".encode())
            if start < 0:
                break
            end = self._dictionary.find(b"\n", start + 1)
            line = self._dictionary[start + 1 : end if end >= 0 else None]
            pronunciations.append(line.decode().partition(" ")[2].strip())
        return pronunciations
